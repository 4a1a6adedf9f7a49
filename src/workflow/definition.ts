/** What `activity` and `workflow` are given beside a name: options, if there are any, and a function. */
import { PerdureError } from "../core/errors.ts";
import { checkOptions } from "../core/options.ts";

/**
 * @param what names it in errors: `activity charge`.
 * @param known names of its options.
 * @throws PerdureError `INVALID_ARGUMENT`
 */
export function definitionOf<Options extends object, Fn extends (...given: never) => unknown>(
  what: string,
  known: ReadonlySet<string>,
  first: Options | Fn,
  second: Fn | undefined,
): { readonly options: Partial<Options>; readonly run: Fn } {
  if (typeof first === "function") {
    if (second === undefined) return { options: {}, run: first };
    throw new PerdureError("INVALID_ARGUMENT", `${what}: its options come before its function`);
  }
  if (typeof second !== "function") throw new PerdureError("INVALID_ARGUMENT", `${what} has no function`);
  checkOptions(first, known, what);
  return { options: first, run: second };
}
