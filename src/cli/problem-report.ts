/** Problems of files as people read them: place, message, hint, and the line in question on a terminal. */
import { readFileSync } from "node:fs";
import type { Problem } from "../flow/model.ts";
import type { Styles } from "./terminal.ts";
import { plainText } from "./text/cell-width.ts";
import { codeFrame } from "./text/code-frame.ts";
import { renderLine } from "./text/styled-line.ts";

/** How problems are printed. */
export interface ProblemLook {
  readonly styles: Styles;
  /** Whether the line in question is shown. */
  readonly frames: boolean;
}

/** Lines for a list of problems, in its order. */
export function problemLines(problems: readonly Problem[], look: ProblemLook): string[] {
  const sources = new Map<string, string | undefined>();
  const sourceOf = (file: string): string | undefined => {
    if (!sources.has(file)) sources.set(file, readSource(file));
    return sources.get(file);
  };
  return problems.flatMap((problem) => oneProblem(problem, look, sourceOf));
}

function oneProblem(
  problem: Problem,
  { styles, frames }: ProblemLook,
  sourceOf: (file: string) => string | undefined,
): string[] {
  const { file, line, column, path, message, hint, severity } = problem;
  const place = [file, line, column].filter((part) => part !== undefined).join(":");
  const where =
    place === "" || (line === undefined && path !== "")
      ? [place, path].filter((part) => part !== "").join(": ")
      : place;
  const kind = severity === "warning" ? styles.yellow("warning: ") : "";
  const lines = [`${styles.bold(where)}${where === "" ? "" : ": "}${kind}${plainText(message)}`];
  const source = frames && file !== undefined && line !== undefined ? sourceOf(file) : undefined;
  if (source !== undefined && line !== undefined)
    lines.push(...codeFrame(plainText(source), line, column ?? 1).map((part) => renderLine(part, styles)));
  if (hint !== undefined) lines.push(`  ${styles.cyan("hint")} ${hint}`);
  return frames ? [...lines, ""] : lines;
}

function readSource(file: string): string | undefined {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

/** Problems inside the details of an error. */
export function problemsIn(details: Readonly<Record<string, unknown>>): readonly Problem[] | undefined {
  const { problems } = details;
  return Array.isArray(problems) && problems.length > 0 ? (problems as Problem[]) : undefined;
}
