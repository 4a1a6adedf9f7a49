/**
 * Schemas of values: the Standard Schema interface (https://standardschema.dev) that zod, valibot, arktype and others have, and the one
 * place where a value goes through one.
 */
import { PerdureError } from "./errors.ts";
import { FATAL } from "./failure.ts";
import { described } from "./foreign.ts";
import { type SchemaIssue, toldIssues } from "./schema-issues.ts";

/** A schema as zod, valibot, arktype and others make it: what it takes, and what it makes of it. */
export interface StandardSchemaV1<Input = unknown, Output = Input> {
  readonly "~standard": StandardProps<Input, Output>;
}

/** What a schema has. */
export interface StandardProps<Input = unknown, Output = Input> {
  readonly version: 1;
  readonly vendor: string;
  readonly validate: (value: unknown) => StandardResult<Output> | Promise<StandardResult<Output>>;
  /** Carries the types only. */
  readonly types?: { readonly input: Input; readonly output: Output } | undefined;
}

/** What a schema says of a value. */
export type StandardResult<Output> =
  | { readonly value: Output; readonly issues?: undefined }
  | { readonly issues: readonly SchemaIssue[] };

/** What goes into a schema. */
export type InferInput<S extends StandardSchemaV1> = NonNullable<S["~standard"]["types"]>["input"];
/** What comes out of a schema. */
export type InferOutput<S extends StandardSchemaV1> = NonNullable<S["~standard"]["types"]>["output"];

/** The schemas of something that is given a value and gives one back. */
export interface ValueSchemas {
  /** What its input goes through before anything is written: code gets what comes out. */
  readonly input?: StandardSchemaV1 | undefined;
  /** What its output goes through before it is written: who asked gets what comes out. */
  readonly output?: StandardSchemaV1 | undefined;
}

/** The schemas among options. @throws PerdureError `INVALID_ARGUMENT` for what is no schema. */
export function schemasOf(of: string, { input, output }: ValueSchemas = {}): ValueSchemas {
  if (input === undefined && output === undefined) return NO_SCHEMAS;
  return {
    ...(input !== undefined && { input: checkedSchema(input, `the input of ${of}`) }),
    ...(output !== undefined && { output: checkedSchema(output, `the output of ${of}`) }),
  };
}

const NO_SCHEMAS: ValueSchemas = {};

/** Makes the error of a value that a schema refused. */
type Refuse = (message: string, details: Record<string, unknown>) => Error;

/**
 * The value as the schema gives it: at once, or as a promise when the schema is asynchronous.
 *
 * @param what names the value in the error: `the input of workflow order`.
 * @throws what `refuse` makes, by default PerdureError `INVALID_ARGUMENT`: it names the issues and shows no value.
 */
export function validated(
  schema: StandardSchemaV1,
  value: unknown,
  what: string,
  refuse: Refuse = invalidInput,
): unknown {
  let answer: unknown;
  try {
    answer = schema["~standard"].validate(value);
  } catch (error) {
    throw gaveUp(error, value, what, refuse);
  }
  if (!isThenable(answer)) return outcomeOf(answer, value, what, refuse);
  return Promise.resolve(answer).then(
    (result) => outcomeOf(result, value, what, refuse),
    (error: unknown) => Promise.reject(gaveUp(error, value, what, refuse)),
  );
}

/** Like {@link validated}, where nothing can be waited for: workflow code. @throws also for a schema that does not answer at once. */
export function validatedNow(
  schema: StandardSchemaV1,
  value: unknown,
  what: string,
  refuse: Refuse = invalidInput,
): unknown {
  const answer = validated(schema, value, what, refuse);
  if (!isThenable(answer)) return answer;
  // It is refused, whatever becomes of it.
  Promise.resolve(answer).catch(() => {});
  throw refuse(
    `${what} cannot be validated here: its schema answers with a promise (an async check, or one that throws), and inside of a workflow a schema must be synchronous. Check asynchronously in an activity`,
    {},
  );
}

/** A value that came in is wrong. */
export function invalidInput(message: string, details: Record<string, unknown>): Error {
  return new PerdureError("INVALID_ARGUMENT", message, { details });
}

/** What an activity was given is wrong, which no further attempt mends. */
export function invalidActivityInput(message: string, details: Record<string, unknown>): Error {
  return Object.defineProperty(invalidInput(message, details), FATAL, { value: true });
}

/** What code gave back is wrong: it would be again. Name and code say so wherever the error is read. */
export function invalidOutput(message: string, details: Record<string, unknown>): Error {
  const error = Object.assign(new Error(message), { code: "INVALID_OUTPUT", ...details });
  Object.defineProperty(error, "name", { value: "InvalidOutput", writable: true, configurable: true });
  return Object.defineProperty(error, FATAL, { value: true });
}

/** @throws PerdureError `INVALID_ARGUMENT` for what is no schema. */
export function checkedSchema(given: StandardSchemaV1 | undefined, what: string): StandardSchemaV1 | undefined {
  if (given === undefined) return undefined;
  const holder = typeof given === "object" || typeof given === "function" ? given : undefined;
  const { version, validate } = (holder?.["~standard"] ?? {}) as Partial<StandardProps>;
  if (version === 1 && typeof validate === "function") return given;
  throw new PerdureError(
    "INVALID_ARGUMENT",
    `${what} must be a Standard Schema, as zod, valibot and arktype make them, not ${typeof given}`,
  );
}

function outcomeOf(answer: unknown, given: unknown, what: string, refuse: Refuse): unknown {
  const { issues, value } = (answer ?? {}) as { issues?: readonly SchemaIssue[]; value?: unknown };
  if (issues === undefined) return value;
  const { told, more } = toldIssues(issues, given);
  const texts = told.map(({ path, message }) => (path === "" ? message : `${path}: ${message}`));
  const rest = more === 0 ? "" : `; and ${more} more`;
  throw refuse(`${what} does not fit its schema: ${texts.join("; ")}${rest}`, { issues: told });
}

/** A schema that throws says no more about the value than one that lists issues. */
function gaveUp(error: unknown, given: unknown, what: string, refuse: Refuse): Error {
  const message = described((error as { message?: unknown } | null)?.message ?? error);
  const { told } = toldIssues([{ message }], given);
  return refuse(`${what} could not be validated, its schema threw: ${told[0]!.message}`, {});
}

function isThenable(value: unknown): value is PromiseLike<unknown> {
  return typeof value === "object" && value !== null && typeof (value as { then?: unknown }).then === "function";
}
