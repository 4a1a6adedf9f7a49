/** Making, placing and printing {@link Problem}s. */
import type { Problem, ProblemCode } from "./model.ts";

/** Keys and indexes from the root of a flow file to a value. */
export type Path = readonly (string | number)[];

/** A problem before it knows its line: what readers and checks produce. */
export interface Finding {
  readonly severity?: "warning";
  readonly code: ProblemCode;
  readonly message: string;
  readonly path: Path;
  readonly hint?: string | undefined;
  /** Text inside the value that is to blame, to point at it more closely. */
  readonly excerpt?: string | undefined;
  /** A position known from elsewhere, such as the parser's. */
  readonly position?: Position | undefined;
}

/** A place in a file, both counted from 1. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** Finds the place of a value (or of its key) in the text it was read from. */
export type Locate = (path: Path, what: "key" | "value", excerpt?: string) => Position | undefined;

/** `steps[2].depends_on[0]`; keys that are no plain words are quoted. */
export function formatPath(path: Path): string {
  let text = "";
  for (const part of path) {
    if (typeof part === "number") text += `[${part}]`;
    else if (/^[\w-]+$/.test(part)) text += text === "" ? part : `.${part}`;
    else text += `[${JSON.stringify(part)}]`;
  }
  return text;
}

const AT_KEY: ReadonlySet<ProblemCode> = new Set<ProblemCode>(["unknown_key", "unsupported", "duplicate_key"]);

/** Gives findings their lines, sorts them by place and drops those that say the same thing twice. */
export function placed(findings: readonly Finding[], options: { file?: string; locate?: Locate } = {}): Problem[] {
  const seen = new Set<string>();
  const problems: Problem[] = [];
  for (const finding of [...findings].sort((a, b) => stepOf(a.path) - stepOf(b.path))) {
    const problem = place(finding, options);
    const key = `${problem.path}\n${problem.code}\n${problem.message}`;
    if (seen.has(key)) continue;
    seen.add(key);
    problems.push(problem);
  }
  return problems.sort(byPlace);
}

function place(finding: Finding, options: { file?: string; locate?: Locate }): Problem {
  const what = AT_KEY.has(finding.code) ? "key" : "value";
  const position = finding.position ?? options.locate?.(finding.path, what, finding.excerpt);
  return {
    severity: finding.severity ?? "error",
    code: finding.code,
    message: finding.message,
    path: formatPath(finding.path),
    ...(position !== undefined && { line: position.line, column: position.column }),
    ...(options.file !== undefined && { file: options.file }),
    ...(finding.hint !== undefined && { hint: finding.hint }),
  };
}

/** Index of the step a place belongs to; what is outside of steps comes first. */
function stepOf(path: Path): number {
  return path[0] === "steps" && typeof path[1] === "number" ? path[1] : -1;
}

function byPlace(a: Problem, b: Problem): number {
  return (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0);
}

/** One line for people: `etl.yaml:3:5: error: unknown key "needs" (did you mean depends_on?)`. */
export function formatProblem(problem: Problem): string {
  const place = [problem.file, problem.line, problem.column].filter((part) => part !== undefined).join(":");
  const where = [place, problem.path].find((part) => part !== "");
  const hint = problem.hint === undefined ? "" : ` (${problem.hint})`;
  return `${where === undefined ? "" : `${where}: `}${problem.severity}: ${problem.message}${hint}`;
}

/** Whether any of them forbids running the flow. */
export function hasErrors(problems: readonly Problem[]): boolean {
  return problems.some((problem) => problem.severity === "error");
}
