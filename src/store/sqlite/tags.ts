/** The lookup table of tags. The tags themselves are in the run row, as JSON. */
import { type Connection, type Prepared, prepareAll } from "./driver.ts";

/** Keeps `run_tags` true. Only for use inside a write transaction. */
export class Tags {
  readonly #sql: Prepared<typeof SQL>;

  constructor(db: Connection) {
    this.#sql = prepareAll(db, SQL);
  }

  /** Enters the tags of a run. */
  enter(run: number, tags: string | null): void {
    for (const [key, value] of pairsOf(tags)) this.#sql.enter.run([key, value, run]);
  }

  /** Takes the tags of a run out again. */
  withdraw(run: number, tags: string | null): void {
    for (const [key, value] of pairsOf(tags)) this.#sql.withdraw.run([key, value, run]);
  }
}

/**
 * Taken apart here and not by `json_each`: SQLite makes bytes of half a character that are no text, and the library `libsql` ends
 * the process when it reads such bytes.
 */
function pairsOf(tags: string | null): [key: string, value: string][] {
  const texts = JSON.parse(tags ?? "{}") as Readonly<Record<string, unknown>>;
  return Object.entries(texts).map(([key, value]) => [key, String(value)]);
}

const SQL = {
  enter: "insert or ignore into run_tags (key, value, run) values (?, ?, ?)",
  withdraw: "delete from run_tags where key = ? and value = ? and run = ?",
} as const;
