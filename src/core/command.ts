/** What the code asks for: what it may be called, and the error it fails with. */
import type { CommandIdentity, CommandKind } from "./events.ts";
import { type ErrorClasses, type Failure, fromFailure } from "./failure.ts";
import { checkedName, checkedText } from "./names.ts";
import type { PayloadCodec } from "./payload.ts";

/** What a command is called where its own name is wrong. */
const NAMED: Readonly<Partial<Record<CommandKind, string>>> = {
  activity: "an activity",
  inline: "a step",
  wait: "the signal to wait for",
  approval: "an approval",
  child: "a workflow",
  transaction: "a transaction",
};

/**
 * Checks the names of a command before it is issued. A message to another run is called after what it sends, whose name was checked.
 *
 * @throws PerdureError `INVALID_ARGUMENT`
 */
export function checkCommand({
  kind,
  name,
  label,
}: Pick<CommandIdentity, "kind" | "name"> & { label?: unknown }): void {
  if (kind === "message") checkedText(name, "the name of a message");
  else checkedName(name, `the name of ${NAMED[kind] ?? kind}`);
  if (label !== undefined) checkedText(label, "a label");
}

/** What the code gets for a command that failed. */
export function commandError(
  { id, name, label, errors }: CommandIdentity & { errors: ErrorClasses },
  failure: Failure,
  attempts: number,
  codec: PayloadCodec | undefined,
): Error {
  return fromFailure({ ...failure, step: label ?? name, attempts, command: id }, errors, codec);
}
