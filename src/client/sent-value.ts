/** Values on their way to a run: through the schema of what they are sent with, before anything is written. */
import { messageName } from "../core/handlers.ts";
import { encodePayload, type Payload, type PayloadCodec } from "../core/payload.ts";
import { type StandardSchemaV1, validated } from "../core/schema.ts";
import { Vouched, vouched } from "../core/vouched.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";

/** A token, or the name of one: then the run that takes the message validates it. */
type Token = { readonly kind: "signal" | "query" | "update"; readonly input?: StandardSchemaV1 | undefined } | string;

/** The payload of a signal or an update. A promise only where a schema has to be asked. @throws PerdureError `INVALID_ARGUMENT` */
export function sentPayload(
  token: Token,
  name: string,
  value: unknown,
  codec: PayloadCodec | undefined,
): Payload | Promise<Payload> {
  const kind = typeof token === "string" ? undefined : token.kind;
  // A wait that timed out (undefined) is to be told from a signal without a payload.
  const whole = (given: unknown): unknown => (kind === "update" ? given : (given ?? null));
  if (typeof token === "string" || token.input === undefined) return encodePayload(whole(value), codec);
  return through(token.input, value, messageName(token.kind, name), (valid) =>
    vouched(encodePayload(whole(valid), codec)),
  );
}

/** What a query is asked with. @throws PerdureError `INVALID_ARGUMENT` */
export function askedInput(token: Token, name: string, value: unknown): unknown {
  if (typeof token === "string" || token.input === undefined) return value;
  return through(token.input, value, messageName("query", name), (valid) => new Vouched(valid));
}

/** The input of a run as its workflow's schema gives it. A promise only where there is one. @throws PerdureError `INVALID_ARGUMENT` */
export function startInput({ name, input: schema }: AnyWorkflow, value: unknown): unknown {
  return schema === undefined ? value : validated(schema, value, `the input of workflow ${name}`);
}

async function through<T>(
  schema: StandardSchemaV1,
  value: unknown,
  what: string,
  then: (valid: unknown) => T,
): Promise<T> {
  return then(await validated(schema, value, what));
}
