/**
 * What a statement of the user's may be: one statement that neither ends the transaction nor changes the connection, and that
 * writes to no table of the store. A guard rail for honest code, read off the text: SQLite itself offers none that every supported
 * Node has.
 */
import { PerdureError } from "../../core/errors.ts";
import { MIGRATIONS } from "./migrations/index.ts";

const ALLOWED: ReadonlySet<string> = new Set([
  "select",
  "values",
  "with",
  "insert",
  "replace",
  "update",
  "delete",
  "create",
  "drop",
  "alter",
]);

const MAX_LENGTH = 1_000_000;

/** Comments, strings, names in three kinds of quotes, words, and any other sign. */
const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|'(?:[^']|'')*'|"(?:[^"]|"")*"|`(?:[^`]|``)*`|\[[^\]]*\]|[\w$\u0080-\uffff]+|\S/g;

/** @throws PerdureError INVALID_ARGUMENT */
export function checkStatement(sql: unknown): asserts sql is string {
  if (typeof sql !== "string") throw invalid("a statement must be text");
  if (sql.length > MAX_LENGTH)
    throw invalid(`a statement may have ${MAX_LENGTH} characters; pass values as parameters`);
  const tokens = tokensOf(sql);
  const first = tokens[0]?.toLowerCase();
  if (first === undefined) throw invalid("the statement is empty");
  if (tokens.includes(";")) throw invalid("one statement at a time: send each with a query of its own");
  if (!ALLOWED.has(first)) {
    throw invalid(
      `"${first.toUpperCase()}" is not for a step's transaction, which begins and ends by itself; it may ${[...ALLOWED].join(", ")}`,
    );
  }
  if (first === "create") checkCreate(tokens);
  for (const name of targets(tokens, first)) {
    if (OWN.has(name)) {
      throw invalid(`"${name}" belongs to the store and can only be read; write to tables of your own`, {
        table: name,
      });
    }
  }
}

function tokensOf(sql: string): string[] {
  const tokens = (sql.match(TOKEN) ?? []).filter((token) => !token.startsWith("--") && !token.startsWith("/*"));
  while (tokens.at(-1) === ";") tokens.pop();
  return tokens;
}

function checkCreate(tokens: readonly string[]): void {
  const what = tokens.slice(1, 3).map((token) => token.toLowerCase());
  if (what[0] === "temp" || what[0] === "temporary") {
    throw invalid(
      "temporary tables would outlive the step on the store's connection; create a table, or use a WITH clause",
    );
  }
  if (what.includes("trigger")) throw invalid("triggers are to be created with a connection of your own");
}

/** Names of what a statement writes to, changes or creates. */
function* targets(tokens: readonly string[], first: string): Iterable<string> {
  const word = (at: number): string => tokens[at]?.toLowerCase() ?? "";
  const defining = first === "create" || first === "drop" || first === "alter";
  for (let at = 0; at < tokens.length; at++) {
    const isTarget =
      word(at) === "into" ||
      word(at) === "update" ||
      (word(at) === "from" && word(at - 1) === "delete") ||
      (defining && (OBJECTS.has(word(at)) || word(at) === "on"));
    if (isTarget) yield nameAt(tokens, at + 1);
  }
}

const OBJECTS: ReadonlySet<string> = new Set(["table", "view", "index", "trigger"]);

/** The name that begins at a token, behind `or ignore`, `if not exists` and the name of a schema. */
function nameAt(tokens: readonly string[], from: number): string {
  let at = from;
  const word = (): string => tokens[at]?.toLowerCase() ?? "";
  if (word() === "or") at += 2;
  while (word() === "if" || word() === "not" || word() === "exists") at++;
  if (tokens[at + 1] === ".") at += 2;
  return unquoted(word());
}

function unquoted(name: string): string {
  return /^["'`[]/.test(name) ? name.slice(1, -1) : name;
}

/** Tables, views and indexes of the store. */
const OWN: ReadonlySet<string> = new Set([
  "migrations",
  ...MIGRATIONS.flatMap(({ sql }) => [...sql.matchAll(/create (?:unique )?(?:table|view|index) (\w+)/g)]).map(
    ([, name]) => name!,
  ),
]);

function invalid(why: string, details: Record<string, unknown> = {}): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", `the statement was not run: ${why}`, { details });
}
