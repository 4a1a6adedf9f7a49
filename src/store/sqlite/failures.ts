/** Errors of the database thread in the form in which they cross to the main thread. */
import { isPerdureError } from "../../core/errors.ts";

/** Code, message and details (JSON) of whatever went wrong. */
export function describeFailure(error: unknown): [code: string, message: string, details: string] {
  if (isPerdureError(error)) return [error.code, error.message, JSON.stringify(error.details)];
  const message = error instanceof Error ? error.message : String(error);
  if (isEnvironment(error)) return ["UNAVAILABLE", `the SQLite store cannot be used: ${message}`, "{}"];
  return ["INTERNAL", `the SQLite store refused a write or a question: ${message}`, "{}"];
}

/** Disk full, read-only, an I/O error and the like: nothing wrong with what was asked. */
function isEnvironment(error: unknown): boolean {
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  if (typeof errcode === "number") return ENVIRONMENT_NUMBERS.has(errcode & 0xff);
  return typeof code === "string" && ENVIRONMENT.test(code);
}

const ENVIRONMENT =
  /^SQLITE_(PERM|ABORT|BUSY|LOCKED|NOMEM|READONLY|INTERRUPT|IOERR|CORRUPT|FULL|CANTOPEN|PROTOCOL|NOTADB)/;
const ENVIRONMENT_NUMBERS: ReadonlySet<number> = new Set([3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 14, 15, 26]);
