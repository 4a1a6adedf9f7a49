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
    if (tags !== null) this.#sql.enter.run([run, tags]);
  }

  /** Takes the tags of a run out again. */
  withdraw(run: number, tags: string | null): void {
    if (tags === null) return;
    for (const [key, value] of this.#sql.pairs.all([tags])) this.#sql.withdraw.run([key!, value!, run]);
  }
}

const SQL = {
  enter: "insert into run_tags (key, value, run) select key, atom, ? from json_each(?)",
  pairs: "select key, atom from json_each(?)",
  withdraw: "delete from run_tags where key = ? and value = ? and run = ?",
} as const;
