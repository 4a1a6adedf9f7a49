/** Messages whose senders had no schema at hand: they go through that of the code which takes them, before they are in the history. */
import type { MessageKind } from "../core/handlers.ts";
import type { Machine } from "../core/machine.ts";
import { decodePayload, encodePayload, type Payload, type PayloadCodec } from "../core/payload.ts";
import { isVouched, vouched } from "../core/vouched.ts";
import type { CommandSpec } from "./command-spec.ts";

/** The payload of a message as the code gets it, or why it does not fit. */
export function validMessage(
  machine: Machine<CommandSpec>,
  codec: PayloadCodec | undefined,
  kind: MessageKind,
  name: string,
  data: Payload,
): { readonly payload: Payload } | { readonly error: unknown } {
  if (isVouched(data) || machine.messages.schemaOf(kind, name) === undefined) return { payload: data };
  const given = decodePayload(data, codec);
  try {
    return { payload: vouched(encodePayload(machine.messages.valid(kind, name, given), codec)) };
  } catch (error) {
    return { error };
  }
}

/** The payload of a message that is in a history, as it was in the inbox. `raw`: nobody has validated it. */
export function givenBack(parsed: unknown, raw: boolean): Payload {
  const payload = JSON.stringify(parsed);
  return raw ? payload : vouched(payload);
}
