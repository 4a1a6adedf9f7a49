/**
 * Secrets of a run (I7): activities see them, nothing durable does. Values are looked for in everything that is about to be
 * written; in errors they are blotted out, elsewhere the write fails.
 */
import { PerdureError } from "../core/errors.ts";
import { FATAL, type Failure } from "../core/failure.ts";
import type { SecretInput } from "../workflow/context.ts";

/** Secrets by name. */
export type Secrets = Readonly<Record<string, string>>;

/** Shorter values would match by chance. */
const MIN_LENGTH = 4;

function values(secrets: Secrets): string[] {
  return Object.values(secrets).filter((value) => value.length >= MIN_LENGTH);
}

/** As a value looks inside JSON text, without the quotes. */
function encoded(value: string): string {
  return JSON.stringify(value).slice(1, -1);
}

/** @throws PerdureError `SECRET_LEAK` when the payload holds a secret in clear text. */
export function assertNoSecret(secrets: Secrets, payload: string, what: string): void {
  for (const name in secrets) {
    const value = secrets[name]!;
    if (value.length < MIN_LENGTH || !payload.includes(encoded(value))) continue;
    throw new PerdureError(
      "SECRET_LEAK",
      `${what} contains the secret ${JSON.stringify(name)} in clear text; it was not written. Return something else, or drop that field.`,
      { details: { secret: name } },
    );
  }
}

/** The failure without secrets. */
export function redactFailure(secrets: Secrets, failure: Failure): Failure {
  const known = values(secrets);
  if (known.length === 0) return failure;
  const text = JSON.stringify(failure);
  const clean = known.reduce((rest, value) => rest.replaceAll(encoded(value), "[secret]"), text);
  return clean === text ? failure : (JSON.parse(clean) as Failure);
}

/** Text without secrets, for logs. */
export function redactText(secrets: Secrets, text: string): string {
  return values(secrets).reduce((rest, value) => rest.replaceAll(value, "[secret]"), text);
}

/** Log fields without secrets. */
export function redactFields(secrets: Secrets, fields: object): object {
  if (values(secrets).length === 0) return fields;
  try {
    const text = JSON.stringify(fields);
    const clean = values(secrets).reduce((rest, value) => rest.replaceAll(encoded(value), "[secret]"), text);
    return clean === text ? fields : (JSON.parse(clean) as object);
  } catch {
    return {};
  }
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
