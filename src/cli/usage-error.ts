/** Errors of whoever typed the command. */
import { PerdureError } from "../core/errors.ts";

/** An error with exit code 2. `hint` is printed on a line of its own. */
export function usageError(message: string, hint?: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", message, hint === undefined ? {} : { details: { hint } });
}
