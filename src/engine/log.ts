/** Loggers shaped like pino's, for those who bring none. */
import type { Logger } from "../workflow/logger.ts";

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
  const { workflowId, ...rest } = fields as { workflowId?: string };
  const about = workflowId === undefined ? "" : ` [${workflowId}]`;
  const text = message ?? JSON.stringify(rest);
  process.stderr.write(`perdure ${level}${about}: ${text}\n`);
}
