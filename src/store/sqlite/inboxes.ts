/** Sending: the number of a message comes from the run row, in the transaction that inserts it. */
import { type Connection, type Prepared, prepareAll } from "./driver.ts";
import type { Flat } from "./rows.ts";
import type { WriteLock } from "./write-lock.ts";

const MESSAGE_WIDTH = 6;

/** Requests that put messages into inboxes. */
export class Inboxes {
  readonly #lock: WriteLock;
  readonly #sql: Prepared<typeof SQL>;

  constructor(db: Connection, lock: WriteLock) {
    this.#lock = lock;
    this.#sql = prepareAll(db, SQL);
  }

  /** `run, kind, name, data, at, key` per message; answers per message its number, `closed` or `not_found`. */
  send(args: Flat, reply: Flat): void {
    this.#lock.hold(() => {
      for (let at = 2; at < args.length; at += MESSAGE_WIDTH) reply.push(this.#send(args, at));
    });
  }

  #send(args: Flat, from: number): number | string {
    const [run, kind, name, data, at, key] = args.slice(from, from + MESSAGE_WIDTH) as [
      number,
      string,
      string,
      string,
      number,
      string | null,
    ];
    const earlier = key === null ? undefined : this.#sql.earlier.all([run, key])[0];
    if (earlier !== undefined) return earlier[0] as number;
    const counted = this.#sql.count.all([at, at, run])[0];
    if (counted === undefined) return this.#sql.exists.all([run]).length > 0 ? "closed" : "not_found";
    const number = counted[0] as number;
    this.#sql.insert.run([run, number, kind, name, data, at]);
    if (key !== null) this.#sql.remember.run([run, key, number]);
    return number;
  }
}

const SQL = {
  earlier: "select number from message_keys where run = ? and key = ?",
  count: `update workflow_runs set inbox = inbox + 1, wake_at = case
      when owner is null and status in ('pending', 'running') then min(coalesce(wake_at, ?), ?) else wake_at end
    where run = ? and closed_at is null returning inbox`,
  exists: "select 1 from workflow_runs where run = ?",
  insert: "insert into messages (run, number, kind, name, data, at) values (?, ?, ?, ?, ?, ?)",
  remember: "insert into message_keys (run, key, number) values (?, ?, ?)",
} as const;
