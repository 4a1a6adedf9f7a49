/** Addresses of stores: `sqlite:PATH` or just a path, `postgres://…`, `memory:`. White space around them means nothing. */
import { PerdureError } from "../core/errors.ts";
import { didYouMean } from "../core/suggestion.ts";

const SCHEMES = ["sqlite", "postgres", "postgresql", "memory"];

/** Addresses of servers that lost their scheme, or never had one: as paths they would put a password into the names of folders. */
const MEANT_FOR_SERVER = /:\/\/|\/\/.*@|:(?![\\/]).*@|^postgres(?:ql)?\b.*@|\b(?:host|password)\s*=/is;
/** The same for what follows `sqlite:`, which says that it is a file. */
const MEANT_FOR_SERVER_SURELY = /:\/\/|^postgres(?:ql)?:/i;
const QUOTE = /^["'`]/;

/**
 * The path of a SQLite database in an address, or undefined for stores of another kind.
 *
 * @throws PerdureError INVALID_ARGUMENT for what is no address of any store, as far as can be seen from here
 */
export function sqlitePath(address: string): string | undefined {
  const text = address.trim();
  if (QUOTE.test(text))
    throw invalid(text, "begins with a quote, which a shell would have taken off: write it without");
  const scheme = schemeOf(text);
  if (scheme !== undefined && !SCHEMES.includes(scheme)) throw unknownScheme(scheme);
  if (scheme !== undefined && scheme !== "sqlite") return undefined;
  const path = pathIn(text);
  if (path === "") throw invalid(text, "names no file; write sqlite:PATH");
  if (!isPath(text))
    throw invalid(text, "is no path of a file; of PostgreSQL it is postgres://user:password@host:5432/database");
  return path;
}

/** Whether an address is one of PostgreSQL, be it right or wrong. */
export function isPostgres(address: string): boolean {
  const scheme = schemeOf(address.trim());
  return scheme === "postgres" || scheme === "postgresql";
}

/** An address of PostgreSQL in its parts; undefined when it has none, or a sign in its password took it apart elsewhere. */
export function serverUrl(address: string): URL | undefined {
  const text = address.trim();
  if (!/^postgres(?:ql)?:\/\//i.test(text) || !URL.canParse(text)) return undefined;
  const url = new URL(text);
  return url.hash !== "" || url.pathname.includes("@") || url.search.includes("@") ? undefined : url;
}

/** An address as people and logs may see it: without a password, and of a server without parameters but the schema. */
export function shownAddress(address: string): string {
  const text = address.trim();
  const url = serverUrl(text);
  if (url === undefined) return isPath(text) ? text : masked(text);
  if (url.password !== "") url.password = "***";
  const schema = url.searchParams.get("schema");
  url.search = schema === null ? "" : `?schema=${schema}`;
  return url.href;
}

/** Hides whatever could be a password in an address that is wrong. */
function masked(text: string): string {
  const scheme = /^["'`]?(?:[a-z][a-z0-9+.-]+(?::\/*|\/\/))?/i.exec(text)?.[0] ?? "";
  if (/password\s*=/i.test(text)) return `${scheme}***`;
  const rest = text.slice(scheme.length);
  const at = rest.lastIndexOf("@");
  const place = rest.slice(at + 1).replace(/[?#].*/s, "");
  return at === -1 ? scheme + place.replace(/:.*/s, ":***") : `${scheme}***@${place}`;
}

/** Whether an address is a path, with or without its scheme, and looks like one. */
function isPath(text: string): boolean {
  const path = pathIn(text);
  const surely = schemeOf(text) === "sqlite";
  if (QUOTE.test(path) || (!surely && schemeOf(text) !== undefined)) return false;
  return !(surely ? MEANT_FOR_SERVER_SURELY : MEANT_FOR_SERVER).test(path);
}

function pathIn(text: string): string {
  return text.replace(/^sqlite:(?:\/\/)?/i, "");
}

/** What stands before the first colon, if it is long enough not to be a drive letter. */
function schemeOf(text: string): string | undefined {
  return /^([a-z][a-z0-9+.-]+):/i.exec(text)?.[1]?.toLowerCase();
}

function unknownScheme(scheme: string): PerdureError {
  const hint = didYouMean(scheme, SCHEMES);
  const message = `no store is called "${scheme}:"; use sqlite:PATH, postgres://… or memory:`;
  return new PerdureError("INVALID_ARGUMENT", message, hint === undefined ? {} : { details: { hint } });
}

function invalid(text: string, what: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", `the store address ${shownAddress(text) || '""'} ${what}`);
}
