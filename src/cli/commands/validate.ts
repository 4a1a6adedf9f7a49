/** `perdure validate`: all mistakes of all files at once. */
import { isPerdureError } from "../../core/errors.ts";
import type { Problem } from "../../flow/model.ts";
import { hasErrors } from "../../flow/problem.ts";
import type { KnownNames } from "../../flow/validation.ts";
import { knownNames, loadAgentFiles } from "../activity-sources.ts";
import { type Command, EXIT, type Invocation } from "../command.ts";
import { namedFlows } from "../flow-files.ts";
import { findFlow } from "../flow-target.ts";
import { problemLines, problemsIn } from "../problem-report.ts";
import { loadProject, type Project } from "../project.ts";
import { usageError } from "../usage-error.ts";

export const validate: Command = {
  name: "validate",
  summary: "find all mistakes in flow files",
  usage: "[FILE ...] [--agents FILE]",
  description: `Reports every mistake of every file with its line. Nothing runs. Without a FILE all flows of the project are checked.
With --agents the names of agents and activities are checked too. The exit code is 2 when there are errors.`,
  options: {
    agents: {
      short: "a",
      value: "FILE",
      multiple: true,
      help: "file of agents and activities: flows may only name these",
    },
  },
  examples: [
    ["perdure validate flows/*.yaml", "check some files"],
    ["perdure validate --agents agents.yaml", "check all flows of the project, names of agents too"],
    ["perdure validate etl.yaml --json | jq '.files[].problems'", "for an editor or a pipeline"],
  ],
  run: runValidate,
};

interface Checked {
  readonly file: string;
  readonly problems: readonly Problem[];
}

async function runValidate(invocation: Invocation): Promise<number> {
  const { args, terminal, json } = invocation;
  const project = await loadProject(invocation);
  const agents = args.list("agents");
  const names = agents.length === 0 ? {} : knownNames(await loadAgentFiles(agents));
  const known = { ...names, now: Date.now() };
  const targets = args.positionals.length > 0 ? args.positionals : await projectFlows(project);
  const files: Checked[] = [];
  for (const target of targets) files.push(await check(project, target, known));
  const problems = files.flatMap((file) => file.problems);
  const errors = problems.filter(({ severity }) => severity === "error").length;
  const warnings = problems.length - errors;
  if (json) {
    const list = files.map(({ file, problems: found }) => ({ file, ok: !hasErrors(found), problems: found }));
    terminal.line(JSON.stringify({ ok: errors === 0, errors, warnings, files: list }));
  } else printChecked(files, { errors, warnings }, invocation);
  return errors === 0 ? EXIT.ok : EXIT.usage;
}

async function projectFlows(project: Project): Promise<string[]> {
  const found = (await namedFlows(project)).map((one) => ("file" in one ? one.file : one.name));
  if (found.length === 0)
    throw usageError(
      "validate: FILE is missing, and the project has no flows",
      "perdure validate --help shows how to call it",
    );
  return found;
}

async function check(project: Project, target: string, known: KnownNames): Promise<Checked> {
  try {
    const { problems, file } = await findFlow(project, target, { known });
    return { file: file ?? target, problems };
  } catch (error) {
    if (!isPerdureError(error)) throw error;
    return { file: target, problems: problemsIn(error.details) ?? [asProblem(target, error.message, error.details)] };
  }
}

/** What kept a file from being read at all. */
function asProblem(file: string, message: string, { line, column, hint }: Readonly<Record<string, unknown>>): Problem {
  const place = typeof line === "number" ? `${file}:${line}${typeof column === "number" ? `:${column}` : ""}: ` : "";
  return {
    severity: "error",
    code: "bad_syntax",
    message: message.startsWith(place) ? message.slice(place.length) : message,
    path: "",
    file,
    ...(typeof line === "number" && { line }),
    ...(typeof column === "number" && { column }),
    ...(typeof hint === "string" && { hint }),
  };
}

function printChecked(
  files: readonly Checked[],
  counts: { errors: number; warnings: number },
  { terminal }: Invocation,
): void {
  const { styles } = terminal;
  for (const { file, problems } of files) {
    for (const line of problemLines(problems, { styles, frames: terminal.live })) terminal.line(line);
    if (!hasErrors(problems)) terminal.line(`${styles.green("✔")} ${file}`);
  }
  if (counts.errors + counts.warnings === 0) return;
  const words = [
    counts.errors > 0 ? styles.red(count(counts.errors, "error")) : "",
    counts.warnings > 0 ? styles.yellow(count(counts.warnings, "warning")) : "",
  ].filter((part) => part !== "");
  terminal.line(`${words.join(", ")} in ${count(files.length, "file")}`);
}

function count(number: number, word: string): string {
  return `${number} ${word}${number === 1 ? "" : "s"}`;
}
