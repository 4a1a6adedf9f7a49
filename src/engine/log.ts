/** Loggers shaped like pino's, for those who bring none. */
import { isError } from "../core/foreign.ts";
import type { Logger } from "../workflow/logger.ts";
import type { RunFacts } from "./run-facts.ts";
import { runOutside } from "./run-scope.ts";

const NOTHING = (): void => {};

/** Says nothing. */
export const silentLogger: Logger = { debug: NOTHING, info: NOTHING, warn: NOTHING, error: NOTHING };

/** Warnings and errors as one line each on standard error. */
export const stderrLogger: Logger = {
  debug: NOTHING,
  info: NOTHING,
  warn: (fields, message) => write("warn", fields, message),
  error: (fields, message) => write("error", fields, message),
};

function write(level: string, fields: object, message: string | undefined): void {
  const { workflowId, ...rest } = fields as { workflowId?: string; error?: unknown };
  const about = workflowId === undefined ? "" : ` [${workflowId}]`;
  const text = message ?? JSON.stringify(rest);
  process.stderr.write(`perdure ${level}${about}: ${text}${reason(rest.error, text)}\n`);
}

/** The reason in the fields, unless the text says it already. */
function reason(error: unknown, text: string): string {
  if (error === undefined) return "";
  const said = String(error instanceof Error ? error.message : error);
  return text.includes(said.replace(/^\w*Error: /, "")) ? "" : `: ${said}`;
}

/** What a function of a logger is given. It may be the message alone, or an error, as pino takes them. */
export type LogWords = [fields: object, message?: string | undefined];

/** Fields and message. */
export function logWords([fields, message]: LogWords): LogWords {
  if (typeof fields === "string") return [{}, fields];
  // As text, in which secrets are found.
  return isError(fields) ? [{ error: String(fields) }, message ?? fields.message] : [fields, message];
}

/** The logger of a run's code: says which run it is, is silent while history is replayed, and runs outside of the workflow. */
export function runLogger(log: Logger, run: { readonly phase: string; readonly facts: RunFacts }): Logger {
  const write =
    (level: keyof Logger) =>
    (...given: LogWords): void => {
      if (run.phase === "replaying") return;
      const { workflow, workflowId, runId } = run.facts;
      const [fields, message] = logWords(given);
      runOutside(() => log[level]({ workflow, workflowId, runId, ...fields }, message));
    };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
