/**
 * Secrets of a run (I7): activities see them, nothing durable does. Values are looked for in everything that is about to be
 * written; in errors they are blotted out, elsewhere the write fails.
 */
import { PerdureError } from "../core/errors.ts";
import { FATAL, type Failure } from "../core/failure.ts";
import { isError } from "../core/foreign.ts";
import { encodePayload, type Payload, type PayloadCodec, throughCodec } from "../core/payload.ts";
import type { SecretInput } from "../workflow/context.ts";

/** Secrets by name. */
export type Secrets = Readonly<Record<string, string>>;

/** Shorter values would match by chance. */
const MIN_LENGTH = 4;

/** The longest first: one may be part of another. */
function values(secrets: Secrets): string[] {
  return Object.values(secrets)
    .filter((value) => value.length >= MIN_LENGTH)
    .sort((a, b) => b.length - a.length);
}

/** As a value looks inside JSON text, without the quotes. */
function encoded(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

/** As it looks inside a payload: plain values are JSON, rich ones are written with more escapes. */
function inPayload(value: string): readonly string[] {
  const json = encoded(value);
  const rich = json.replace(
    /[<\u2028\u2029]/g,
    (unit) => `\\u${unit.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}`,
  );
  return rich === json ? [json] : [json, rich];
}

/** What to do about an input that holds a secret. */
export const ASK_FOR_SECRETS = "Leave it out: activities get it as ctx.secrets, flows write ${{ secrets.NAME }}.";
const DROP_IT = "Return something else, or drop that field.";

/**
 * Encodes a value in which no secret may be. They are looked for before a codec makes them unreadable for us, not for others.
 *
 * @throws PerdureError `SECRET_LEAK`, and what {@link encodePayload} throws.
 */
export function encodeWithoutSecrets(
  secrets: Secrets,
  value: unknown,
  codec: PayloadCodec | undefined,
  what: string,
  instead: string = DROP_IT,
): Payload {
  const payload = encodePayload(value);
  assertNoSecret(secrets, payload, what, instead);
  return throughCodec(payload, codec);
}

function assertNoSecret(secrets: Secrets, payload: string, what: string, instead: string): void {
  for (const name in secrets) {
    const value = secrets[name]!;
    if (value.length < MIN_LENGTH || !inPayload(value).some((text) => payload.includes(text))) continue;
    throw new PerdureError(
      "SECRET_LEAK",
      `${what} contains the secret ${JSON.stringify(name)} in clear text; it was not written. ${instead}`,
      { details: { secret: name } },
    );
  }
}

/** The failure without secrets. */
export function redactFailure(secrets: Secrets, failure: Failure): Failure {
  const known = values(secrets);
  return known.length === 0 ? failure : withoutSecrets(failure, known);
}

function withoutSecrets({ props, cause, ...own }: Failure, known: readonly string[]): Failure {
  const clean = (text: string): string => known.reduce((rest, value) => rest.replaceAll(value, "[secret]"), text);
  const entries = Object.entries(own).map(([key, value]) => [key, typeof value === "string" ? clean(value) : value]);
  const cleanProps = props === undefined ? undefined : payloadWithout(props, known);
  return {
    ...(Object.fromEntries(entries) as Failure),
    ...(cleanProps !== undefined && { props: cleanProps }),
    ...(cause !== undefined && { cause: withoutSecrets(cause, known) }),
  };
}

/** The payload with its secrets blotted out; undefined where that cannot be done. */
function payloadWithout(payload: Payload, known: readonly string[]): Payload | undefined {
  const clean = known.flatMap(inPayload).reduce((rest, text) => rest.replaceAll(text, "[secret]"), payload);
  try {
    JSON.parse(clean);
    return clean;
  } catch {
    return undefined;
  }
}

/** Text without secrets, for logs. */
export function redactText(secrets: Secrets, text: string): string {
  return values(secrets).reduce((rest, value) => rest.replaceAll(value, "[secret]"), text);
}

/** Log fields without secrets. */
export function redactFields(secrets: Secrets, fields: object): object {
  if (values(secrets).length === 0) return fields;
  try {
    const text = JSON.stringify(fields, (_, value: unknown) => (isError(value) ? toldError(value) : value));
    const clean = values(secrets).reduce((rest, value) => rest.replaceAll(encoded(value), "[secret]"), text);
    return clean === text ? fields : (JSON.parse(clean) as object);
  } catch {
    return {};
  }
}

/** What of an error is no property that JSON shows. */
function toldError(error: Error): object {
  const { name, message, stack, cause } = error;
  return { ...error, name, message, stack, ...(cause !== undefined && { cause }) };
}

/**
 * Puts secrets into the places of an input that ask for them.
 *
 * @throws PerdureError `INVALID_ARGUMENT` naming a secret the run was not given.
 */
export function fillSecrets(input: unknown, places: readonly SecretInput[], secrets: Secrets): unknown {
  let root = input;
  for (const { path, parts } of places) {
    const text = parts.map((part) => (typeof part === "string" ? part : secretOf(secrets, part.secret))).join("");
    if (path.length === 0) root = text;
    else place(root, path, text);
  }
  return root;
}

function secretOf(secrets: Secrets, name: string): string {
  const value = Object.hasOwn(secrets, name) ? secrets[name] : undefined;
  if (value !== undefined) return value;
  const error = new PerdureError(
    "INVALID_ARGUMENT",
    `the step needs the secret ${JSON.stringify(name)}, which the run was not given; start it with secrets: { ${name}: … } (command line: --secret ${name}=…)`,
  );
  throw Object.defineProperty(error, FATAL, { value: true });
}

function place(root: unknown, path: readonly (string | number)[], text: string): void {
  let target = root as Record<string | number, unknown>;
  for (const key of path.slice(0, -1)) {
    const next = Object.hasOwn(target, key) ? target[key] : undefined;
    if (typeof next !== "object" || next === null) return;
    target = next as Record<string | number, unknown>;
  }
  Object.defineProperty(target, path.at(-1)!, { value: text, writable: true, enumerable: true, configurable: true });
}
