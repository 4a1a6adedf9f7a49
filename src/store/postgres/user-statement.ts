/**
 * What a statement in a step's transaction may be: anything that neither ends the transaction nor changes the session, and that
 * writes to no table of the store. A guard against mistakes of honest code, read off the text; what is not plain from the text is
 * told by the locks that the transaction has in the end. The boundary is what the role may do.
 */
import { PerdureError } from "../../core/errors.ts";
import { MIGRATIONS } from "./migrations/index.ts";

const MAX_LENGTH = 1_000_000;

/** Comments, which nest; strings, where a backslash is a sign like others unless an E stands before; quoted names, words, other signs. */
const TOKEN = new RegExp(
  [
    /--[^\n]*/,
    /\/\*(?:\/\*[\s\S]*?\*\/|(?!\*\/)[\s\S])*(?:\*\/|$)/,
    /\$((?:[a-z_\u0080-\uffff][\w\u0080-\uffff]*)?)\$[\s\S]*?\$\1\$/,
    /e'(?:[^'\\]|''|\\[\s\S])*'/,
    /'(?:[^']|'')*'/,
    /"(?:[^"]|"")*"/,
    /[a-z_\u0080-\uffff][\w$\u0080-\uffff]*/,
    /\$?\d+/,
    /\S/,
  ]
    .map(({ source }) => source)
    .join("|"),
  "gi",
);

const FORBIDDEN: ReadonlySet<string> = new Set([
  "begin",
  "start",
  "commit",
  "end",
  "abort",
  "prepare",
  "execute",
  "deallocate",
  "discard",
  "listen",
  "unlisten",
  "copy",
  "reset",
  "vacuum",
  "cluster",
]);

/** Statements that change the table they name. */
const CHANGING: ReadonlySet<string> = new Set([
  "alter",
  "drop",
  "truncate",
  "lock",
  "grant",
  "revoke",
  "comment",
  "reindex",
]);

/** Tables and views of the store. */
export const STORE_RELATIONS: readonly string[] = [
  "migrations",
  ...MIGRATIONS.flatMap(({ sql }) => [...sql.matchAll(/create (?:table|view) @\.(\w+)/g)]).map(([, name]) => name!),
];

const RELATION_NAMES: ReadonlySet<string> = new Set(STORE_RELATIONS);
const ANY_RELATION = new RegExp(`\\b(?:${STORE_RELATIONS.join("|")})\\b`, "i");

/** Whether a relation of the store may be meant, somewhere in the statement. */
export function namesStoreRelation(sql: string): boolean {
  return ANY_RELATION.test(sql);
}

/** @throws PerdureError INVALID_ARGUMENT */
export function checkStatement(sql: unknown, schema: string): asserts sql is string {
  if (typeof sql !== "string") throw invalid("a statement must be text");
  if (sql.length > MAX_LENGTH)
    throw invalid(`a statement may have ${MAX_LENGTH} characters; pass values as parameters`);
  const words = tokensOf(sql);
  const first = words[0];
  if (first === undefined) throw invalid("the statement is empty");
  // The body of a function that begins with "begin atomic" has its own. The server takes one statement in any case.
  if (words.includes(";") && !words.includes("atomic"))
    throw invalid("one statement at a time: send each with a query of its own");
  const endsAll = first === "rollback" && !words.includes("to");
  const outlives = first === "set" && words[1] !== "local" && words[1] !== "constraints";
  if (FORBIDDEN.has(first) || endsAll || outlives) {
    const hint = outlives ? "; SET LOCAL is" : "";
    throw invalid(`"${first.toUpperCase()}" is not for a step's transaction, which begins and ends by itself${hint}`);
  }
  const written = words.find((_, at) => isStoreRelation(words, at, schema) && isTarget(words, at - 2));
  if (written !== undefined) throw invalid(`"${schema}.${unquoted(written)}" ${BELONGS}`);
}

/** What is said about a relation of the store that a transaction wanted to change. */
export const BELONGS = "belongs to the store and can only be read; write to tables of your own";

function isStoreRelation(words: readonly string[], at: number, schema: string): boolean {
  return RELATION_NAMES.has(unquoted(words[at]!)) && words[at - 1] === "." && unquoted(words[at - 2] ?? "") === schema;
}

/** Whether what begins here is what the statement writes to. */
function isTarget(words: readonly string[], at: number): boolean {
  if (CHANGING.has(words[0]!)) return true;
  const before = words[at - 1] === "only" ? at - 2 : at - 1;
  const word = words[before];
  return word === "into" || word === "update" || (word === "from" && words[before - 1] === "delete");
}

function tokensOf(sql: string): string[] {
  const tokens = (sql.match(TOKEN) ?? []).filter((token) => !token.startsWith("--") && !token.startsWith("/*"));
  while (tokens.at(-1) === ";") tokens.pop();
  return tokens.map((token) => (token.startsWith('"') || token.includes("'") ? token : token.toLowerCase()));
}

function unquoted(name: string): string {
  return name.startsWith('"') ? name.slice(1, -1) : name;
}

function invalid(why: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", `the statement was not run: ${why}`);
}
