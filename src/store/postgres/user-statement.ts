/**
 * What a statement in a step's transaction may be: anything that neither ends the transaction nor changes the session, and that
 * writes to no table of the store. A guard rail for honest code, read off the text.
 */
import { PerdureError } from "../../core/errors.ts";

const MAX_LENGTH = 1_000_000;

/** Comments, strings, quoted names, words, and any other sign. */
const TOKEN =
  /--[^\n]*|\/\*[\s\S]*?(?:\*\/|$)|\$(\w*)\$[\s\S]*?\$\1\$|[eE]?'(?:[^'\\]|''|\\.)*'|"(?:[^"]|"")*"|[\w\u0080-\uffff]+|\S/g;

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

const READING: ReadonlySet<string> = new Set(["select", "values", "table", "show", "explain"]);

/** @throws PerdureError INVALID_ARGUMENT */
export function checkStatement(sql: unknown, schema: string): asserts sql is string {
  if (typeof sql !== "string") throw invalid("a statement must be text");
  if (sql.length > MAX_LENGTH)
    throw invalid(`a statement may have ${MAX_LENGTH} characters; pass values as parameters`);
  const words = tokensOf(sql);
  const first = words[0];
  if (first === undefined) throw invalid("the statement is empty");
  if (words.includes(";")) throw invalid("one statement at a time: send each with a query of its own");
  const endsAll = first === "rollback" && !words.includes("to");
  const outlives = first === "set" && words[1] !== "local" && words[1] !== "constraints";
  if (FORBIDDEN.has(first) || endsAll || outlives) {
    const hint = outlives ? "; SET LOCAL is" : "";
    throw invalid(`"${first.toUpperCase()}" is not for a step's transaction, which begins and ends by itself${hint}`);
  }
  if (READING.has(first)) return;
  if (words.some((word, at) => words[at + 1] === "." && unquoted(word) === schema)) {
    throw invalid(
      `tables in the schema "${schema}" belong to the store and can only be read; write to tables of your own`,
    );
  }
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
