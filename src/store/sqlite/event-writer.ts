/** Events of a transaction, inserted many at a time: a statement costs more than a row. */
import type { Value } from "../rows.ts";
import { type Connection, type Prepared, prepareAll } from "./driver.ts";

const EVENT_ROW = 5;
const EVENTS_PER_INSERT = 32;

/** What is added waits until it fills a statement or is flushed; the transaction must not end before. */
export class EventWriter {
  readonly #sql: Prepared<typeof SQL>;
  readonly #rows: Value[] = [];

  constructor(db: Connection) {
    this.#sql = prepareAll(db, SQL);
  }

  add(run: number, seq: number, type: Value, at: Value, data: Value): void {
    const rows = this.#rows;
    rows.push(run, seq, type, at, data);
    if (rows.length < EVENTS_PER_INSERT * EVENT_ROW) return;
    this.#sql.insertMany.run(rows);
    rows.length = 0;
  }

  flush(): void {
    const rows = this.#rows;
    for (let at = 0; at < rows.length; at += EVENT_ROW) this.#sql.insert.run(rows.slice(at, at + EVENT_ROW));
    rows.length = 0;
  }

  /** Drops what waits: its transaction was rolled back. */
  clear(): void {
    this.#rows.length = 0;
  }
}

const SQL = {
  insertMany: `insert into events (run, seq, type, at, data) values ${Array(EVENTS_PER_INSERT).fill("(?, ?, ?, ?, ?)").join(", ")}`,
  insert: "insert into events (run, seq, type, at, data) values (?, ?, ?, ?, ?)",
} as const;
