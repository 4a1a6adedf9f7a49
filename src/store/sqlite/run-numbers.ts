/** Numbers of runs. They are reserved a block at a time and never given twice, also after a run was removed. */
import { type Connection, type Prepared, prepareAll } from "./driver.ts";

const NUMBERS_PER_BLOCK = 1024;

/** The numbers this connection may give. Only for use inside a write transaction. */
export class RunNumbers {
  readonly #sql: Prepared<typeof SQL>;
  #next = 0;
  #endOfBlock = 0;

  constructor(db: Connection) {
    this.#sql = prepareAll(db, SQL);
  }

  /** The number the next run gets; the same one until it is taken. */
  next(): number {
    if (this.#next === this.#endOfBlock) {
      this.#next = this.#sql.reserve.all([])[0]![0] as number;
      this.#endOfBlock = this.#next + NUMBERS_PER_BLOCK;
    }
    return this.#next;
  }

  /** Says that a run was created under the next number. */
  take(): void {
    this.#next++;
  }

  /** The transaction was rolled back, perhaps with the reservation. */
  forget(): void {
    this.#next = this.#endOfBlock = 0;
  }
}

const SQL = {
  reserve: `update meta set value = value + ${NUMBERS_PER_BLOCK} where key = 'next_run'
    returning value - ${NUMBERS_PER_BLOCK}`,
} as const;
