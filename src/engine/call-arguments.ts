/** What workflow code hands to `wf`, looked at before anything is made of it. */
import { wrongArgument } from "../core/errors.ts";
import type { MessageKind } from "../core/handlers.ts";
import { nameOf, shown } from "../core/names.ts";

/** What handles a message, once it is sure that it can. @throws PerdureError `INVALID_ARGUMENT` */
export function handled<T extends { readonly kind: MessageKind; readonly name: string }, V>(
  token: T,
  handler: unknown,
  validate: V | undefined,
): { readonly kind: MessageKind; readonly name: string; readonly validate: V | undefined } {
  const { kind } = (token ?? {}) as Partial<T>;
  if (kind !== "signal" && kind !== "query" && kind !== "update")
    throw wrongArgument(
      "wf.on",
      'a token: a name alone does not say what is handled, signal("…"), query("…") or update("…")',
    );
  const name = nameOf(token, `the ${kind} to handle`);
  if (typeof handler !== "function") throw wrongArgument(`wf.on ${shown(name)}`, "a handler, which is a function");
  if (validate !== undefined && typeof validate !== "function")
    throw wrongArgument(`wf.on ${shown(name)}`, "a function to validate with");
  return { kind, name, validate };
}
