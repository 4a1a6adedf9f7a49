/** Typed tokens for messages to a run: signals tell, queries ask, updates change and answer. */
import { checkedName } from "../core/names.ts";
import { checkedSchema, type StandardSchemaV1, schemasOf, type ValueSchemas } from "../core/schema.ts";

/** The name and type of a signal: something told to a run, kept until the run asks for it. */
export interface Signal<T, R = T> {
  readonly kind: "signal";
  readonly name: string;
  /** What its payload goes through: where it is sent with this token, else where the run takes it. */
  readonly input?: StandardSchemaV1 | undefined;
  /** Carries the type only: of what is sent. */
  readonly payload?: T;
  /** Carries the type only: of what the run gets. */
  readonly received?: R;
}

/** The name and types of a query: a question about a run's state that changes nothing. */
export interface Query<O, I = undefined, RO = O, RI = I> extends ValueSchemas {
  readonly kind: "query";
  readonly name: string;
  /** Carries the types only: of who asks. */
  readonly types?: (input: I) => O;
  /** Carries the types only: of who answers. */
  readonly handles?: (input: RI) => RO;
}

/** The name and types of an update: a change to a run that answers. */
export interface Update<I, O, RI = I, RO = O> extends ValueSchemas {
  readonly kind: "update";
  readonly name: string;
  /** Carries the types only: of who sends it. */
  readonly types?: (input: I) => O;
  /** Carries the types only: of who handles it. */
  readonly handles?: (input: RI) => RO;
}

/** Defines a signal whose payload goes through a schema. @example const approved = signal("approved", z.object({ ok: z.boolean() })); */
export function signal<T, R>(name: string, schema: StandardSchemaV1<T, R>): Signal<T, R>;
/** Defines a signal. @example const approved = signal<{ ok: boolean }>("approved"); */
export function signal<T = unknown>(name: string): Signal<T>;
export function signal(name: string, schema?: StandardSchemaV1): Signal<unknown> {
  checkedName(name, "the name of a signal");
  const input = checkedSchema(schema, `the schema of signal ${name}`);
  return { kind: "signal", name, ...(input !== undefined && { input }) };
}

/** Schemas of what is asked and what is answered: either, or both. */
interface BothWays<I, RI, RO, O> {
  readonly input?: StandardSchemaV1<I, RI> | undefined;
  readonly output?: StandardSchemaV1<RO, O> | undefined;
}

/** Defines a query with schemas. @example const total = query("total", { input: z.string(), output: z.number() }); */
export function query<I = undefined, RI = I, RO = unknown, O = RO>(
  name: string,
  schemas: BothWays<I, RI, RO, O>,
): Query<O, I, RO, RI>;
/** Defines a query: what it answers, and what it is asked with. @example const total = query<number>("total"); */
export function query<O = unknown, I = undefined>(name: string): Query<O, I>;
export function query(name: string, schemas?: ValueSchemas): Query<unknown, unknown> {
  return { kind: "query", name: checkedName(name, "the name of a query"), ...schemasOf(`query ${name}`, schemas) };
}

/** Defines an update with schemas. @example const add = update("add", { input: Item, output: z.number() }); */
export function update<I = undefined, RI = I, RO = unknown, O = RO>(
  name: string,
  schemas: BothWays<I, RI, RO, O>,
): Update<I, O, RI, RO>;
/** Defines an update: what it is given, and what it answers. @example const add = update<Item, number>("add"); */
export function update<I = undefined, O = unknown>(name: string): Update<I, O>;
export function update(name: string, schemas?: ValueSchemas): Update<unknown, unknown> {
  return { kind: "update", name: checkedName(name, "the name of an update"), ...schemasOf(`update ${name}`, schemas) };
}
