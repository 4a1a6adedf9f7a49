/** Addresses of stores: `sqlite:PATH` or just a path, `memory:`. */
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

/** What stands before the first colon, if it is long enough not to be a drive letter. */
export function schemeOf(address: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):/i.exec(address)?.[1]?.toLowerCase();
}
