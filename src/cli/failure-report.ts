/** How an error that ends a command is told, and the exit code it stands for. */
import { isPerdureError, type PerdureError } from "../core/errors.ts";
import { EXIT } from "./command.ts";
import { problemLines, problemsIn } from "./problem-report.ts";
import type { Terminal } from "./terminal.ts";

/** Prints an error and returns the exit code for it. */
export function reportFailure(error: unknown, terminal: Terminal, json: boolean): number {
  const exitCode = isPerdureError(error) ? error.exitCode : EXIT.failed;
  if (json) terminal.line(JSON.stringify({ error: jsonError(error) }));
  else printError(error, terminal);
  if (process.env.PERDURE_DEBUG === "1") terminal.error(stackOf(error));
  return exitCode;
}

function printError(error: unknown, terminal: Terminal): void {
  const { red, dim, bold } = terminal.errorStyles;
  const problems = isPerdureError(error) ? problemsIn(error.details) : undefined;
  if (problems !== undefined) {
    const frames = process.stderr.isTTY === true;
    for (const line of problemLines(problems, { styles: terminal.errorStyles, frames })) terminal.error(line);
    const errors = problems.filter(({ severity }) => severity === "error").length;
    terminal.error(`${red(bold(errors === 1 ? "1 error" : `${errors} errors`))}`);
    return;
  }
  const [first = "", ...rest] = messageOf(error).split("\n");
  terminal.error([`${red(bold("error"))} ${first}`, ...rest].join("\n"));
  const hint = hintOf(error);
  if (hint !== undefined) terminal.error(dim(hint));
}

function messageOf(error: unknown): string {
  if (isPerdureError(error)) return error.message;
  if (error instanceof Error) return `${error.name === "Error" ? "" : `${error.name}: `}${error.message}`;
  return String(error);
}

function hintOf(error: unknown): string | undefined {
  if (isPerdureError(error)) {
    const { hint } = error.details;
    if (typeof hint === "string") return hint;
    return error.code === "INTERNAL"
      ? "this is a defect of perdure; PERDURE_DEBUG=1 shows where it happened"
      : undefined;
  }
  return "PERDURE_DEBUG=1 shows where it happened";
}

function jsonError(error: unknown): object {
  const known: PerdureError | undefined = isPerdureError(error) ? error : undefined;
  return {
    code: known?.code ?? "INTERNAL",
    message: messageOf(error),
    ...(known !== undefined && Object.keys(known.details).length > 0 && { details: known.details }),
  };
}

function stackOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const own = error.stack ?? String(error);
  return error.cause === undefined ? own : `${own}\ncaused by: ${stackOf(error.cause)}`;
}
