/** Where and how to open a PostgreSQL store: an address with parameters, or options. */
import { PerdureError } from "../../core/errors.ts";
import { isPostgres, isServerAddress, shownAddress } from "../address.ts";

/** Options of a PostgreSQL store. Each but `url` is also a parameter of the address: `postgres://host/db?schema=orders&pool=8`. */
export interface PostgresOptions {
  /** Address as libpq and node-postgres take it, TLS with `sslmode`. */
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
const OWN = ["schema", "pool", "transactions", "prepare", "listen", "application_name", "options"] as const;

/** @throws PerdureError INVALID_ARGUMENT */
export function postgresSettings(target: string | PostgresOptions): PostgresSettings {
  const options = typeof target === "string" ? { url: target } : target;
  const url = parsed(options.url);
  const given = Object.fromEntries(OWN.map((name) => [name, url.searchParams.get(name) ?? undefined]));
  for (const name of OWN) url.searchParams.delete(name);
  useMeaningsOfLibpq(url);
  const { schema = given.schema ?? "perdure" } = options;
  if (!NAME.test(schema) || schema.startsWith("pg_")) {
    throw invalid(`the schema "${schema}" must be small letters, digits and _, at most 50, and not begin with pg_`);
  }
  const prepare = options.prepare ?? flag("prepare", given.prepare, true);
  return {
    url: url.href,
    shown: shownAddress(options.url),
    schema,
    pool: options.pool ?? count("pool", given.pool, 4),
    transactions: options.transactions ?? count("transactions", given.transactions, 4),
    prepare,
    listen: options.listen ?? flag("listen", given.listen, prepare),
    applicationName: options.applicationName ?? given.application_name ?? "perdure",
    serverOptions: given.options ?? "",
  };
}

function parsed(address: string): URL {
  if (!isPostgres(address)) throw invalid(`"${address}" is no address of PostgreSQL; write postgres://…`);
  const wrong = `the store address ${shownAddress(address)} is no address of PostgreSQL; write postgres://user:password@host:5432/database, signs like @ or / in a password as %40 or %2F`;
  if (!isServerAddress(address)) throw invalid(wrong);
  return new URL(address);
}

/** `sslmode=require` and the like mean what they mean everywhere else; node-postgres alone takes them all for verify-full. */
function useMeaningsOfLibpq(url: URL): void {
  const { searchParams } = url;
  if (searchParams.has("sslmode") && !searchParams.has("uselibpqcompat")) searchParams.set("uselibpqcompat", "true");
}

function count(name: string, text: string | undefined, otherwise: number): number {
  if (text === undefined) return otherwise;
  const value = Number(text);
  if (Number.isInteger(value) && value >= 1 && value <= 1000) return value;
  throw invalid(`"${name}=${text}" in the store address must be a whole number from 1 to 1000`);
}

function flag(name: string, text: string | undefined, otherwise: boolean): boolean {
  if (text === undefined) return otherwise;
  if (text === "true" || text === "1") return true;
  if (text === "false" || text === "0") return false;
  throw invalid(`"${name}=${text}" in the store address must be true or false`);
}

function invalid(message: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", message);
}
