/** Addresses of stores: `sqlite:PATH` or just a path, `postgres://…`, `memory:`. */
import { PerdureError } from "../core/errors.ts";

/** The path of a SQLite database in an address, or undefined for stores of another kind. @throws PerdureError INVALID_ARGUMENT */
export function sqlitePath(address: string): string | undefined {
  const scheme = schemeOf(address);
  if (scheme !== undefined && scheme !== "sqlite") return undefined;
  const rest = scheme === undefined ? address : address.slice("sqlite:".length);
  const path = scheme !== undefined && rest.startsWith("//") ? rest.slice(2) : rest;
  if (path === "") {
    throw new PerdureError("INVALID_ARGUMENT", `the store address "${address}" names no file; write sqlite:PATH`);
  }
  return path;
}

/** Whether an address is one of PostgreSQL. */
export function isPostgres(address: string): boolean {
  const scheme = schemeOf(address);
  return scheme === "postgres" || scheme === "postgresql";
}

/** An address as people and logs may see it: without a password. */
export function shownAddress(address: string): string {
  return isPostgres(address) ? shownServerAddress(address) : address;
}

/** Without parameters but the schema, too. */
function shownServerAddress(address: string): string {
  if (!isServerAddress(address)) return address.replace(/\/\/.*@/s, "//").replace(/\?.*/s, "");
  const url = new URL(address);
  if (url.password !== "") url.password = "***";
  const schema = url.searchParams.get("schema");
  url.search = schema === null ? "" : `?schema=${schema}`;
  return url.href;
}

/** A sign @ in the path is one of a password that was cut in two by its sign /. */
export function isServerAddress(address: string): boolean {
  return URL.canParse(address) && !new URL(address).pathname.includes("@");
}

/** What stands before the first colon, if it is long enough not to be a drive letter. */
export function schemeOf(address: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):/i.exec(address)?.[1]?.toLowerCase();
}
