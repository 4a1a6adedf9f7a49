/** Where and how to open a PostgreSQL store: an address with parameters, or options. */
import { PerdureError } from "../../core/errors.ts";
import { didYouMean } from "../../core/suggestion.ts";
import { serverUrl, shownAddress } from "../address.ts";
import { checkParameters, OWN } from "./parameters.ts";
import { settleTls } from "./tls.ts";

/** Options of a PostgreSQL store. Each but `url` is also a parameter of the address: `postgres://host/db?schema=orders&pool=8`. */
export interface PostgresOptions {
  /** `postgres://user:password@host:5432/database`, with the parameters that the page on PostgreSQL lists; TLS with `sslmode`. */
  readonly url: string;
  /** Schema of the store's tables, made when it is missing and may be. Default `perdure`. */
  readonly schema?: string;
  /** Most connections for claims, messages and questions. Default 4. */
  readonly pool?: number;
  /** Most transactions of `wf.transaction` at a time, each with a connection. Default 4. */
  readonly transactions?: number;
  /** Named statements and settings of sessions. Off behind PgBouncer in transaction mode. Default true. */
  readonly prepare?: boolean;
  /** Hear about changes of others at once with LISTEN. Without it changes are found by looking. Default: as `prepare`. */
  readonly listen?: boolean;
  /** What the server shows for the connections. Default `perdure`. */
  readonly applicationName?: string;
}

/** Options with everything filled in; `url` without the parameters that are ours. */
export type PostgresSettings = Required<PostgresOptions> & {
  /** The address without its password, for people. */
  readonly shown: string;
  /** Settings for the server that came with the address. */
  readonly serverOptions: string;
};

const NAME = /^[a-z_][a-z0-9_]{0,49}$/;
const OPTIONS: readonly (keyof PostgresOptions)[] = [
  "url",
  "schema",
  "pool",
  "transactions",
  "prepare",
  "listen",
  "applicationName",
];

/** @throws PerdureError INVALID_ARGUMENT */
export function postgresSettings(
  target: string | PostgresOptions,
  env: Readonly<Record<string, string | undefined>> = process.env,
): PostgresSettings {
  const options = typeof target === "string" ? { url: target } : target;
  checkNames(options);
  const url = parsed(options.url);
  checkParameters(url.searchParams);
  const given = Object.fromEntries(OWN.map((name) => [name, url.searchParams.get(name) ?? undefined]));
  for (const name of OWN) url.searchParams.delete(name);
  settleTls(url.searchParams, env);
  const prepare = flag("prepare", options.prepare ?? given.prepare, true);
  return {
    url: url.href,
    shown: shownAddress(options.url),
    schema: schemaName(options.schema ?? given.schema ?? "perdure"),
    pool: count("pool", options.pool ?? given.pool, 4),
    transactions: count("transactions", options.transactions ?? given.transactions, 4),
    prepare,
    listen: flag("listen", options.listen ?? given.listen, prepare),
    applicationName: text("applicationName", options.applicationName ?? given.application_name, "perdure"),
    serverOptions: given.options ?? "",
  };
}

function checkNames(options: PostgresOptions): void {
  for (const name of Object.keys(options)) {
    if (OPTIONS.includes(name as keyof PostgresOptions)) continue;
    const hint = didYouMean(name, OPTIONS) ?? `known are ${OPTIONS.join(", ")}`;
    throw invalid(`a PostgreSQL store has no option "${name}"; ${hint}`);
  }
}

function parsed(address: string): URL {
  const url = typeof address === "string" ? serverUrl(address) : undefined;
  if (url !== undefined) return url;
  throw invalid(
    `the store address ${typeof address === "string" ? shownAddress(address) : typeof address} is no address of PostgreSQL; write postgres://user:password@host:5432/database, signs like @, /, ? or # in a password or a parameter as %40, %2F, %3F or %23`,
  );
}

function schemaName(schema: string): string {
  if (typeof schema === "string" && NAME.test(schema) && !schema.startsWith("pg_")) return schema;
  throw invalid(`the schema "${schema}" must be small letters, digits and _, at most 50, and not begin with pg_`);
}

/** What is given comes as text from an address, and as it is from options, which are not of their type where nobody checked. */
function count(name: string, given: unknown, otherwise: number): number {
  const value = typeof given === "string" && /^\d+$/.test(given) ? Number(given) : (given ?? otherwise);
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= 1000) return value as number;
  throw wrong(name, given, "a whole number from 1 to 1000");
}

const FLAGS: ReadonlyMap<unknown, boolean> = new Map<unknown, boolean>([
  [true, true],
  ["true", true],
  ["1", true],
  [false, false],
  ["false", false],
  ["0", false],
]);

function flag(name: string, given: unknown, otherwise: boolean): boolean {
  const value = FLAGS.get(given ?? otherwise);
  if (value !== undefined) return value;
  throw wrong(name, given, "true or false");
}

function text(name: string, given: unknown, otherwise: string): string {
  const value = given ?? otherwise;
  if (typeof value === "string") return value;
  throw wrong(name, given, "a text");
}

function wrong(name: string, given: unknown, wanted: string): PerdureError {
  return invalid(`"${name}=${String(given)}" of a PostgreSQL store must be ${wanted}`);
}

function invalid(message: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", message);
}
