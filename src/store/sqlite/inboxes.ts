/**
 * Sending: the number of a message comes from the run row, in the transaction that inserts it. What is sent to a run that was
 * continued as new goes to the open run of its chain; keys are unique in a chain.
 */

import { type Flat, MESSAGE_WIDTH } from "../rows.ts";
import type { FirstMessage, MessageRow, NewMessage } from "../store.ts";
import { type Connection, type Prepared, prepareAll } from "./driver.ts";
import type { WriteLock } from "./write-lock.ts";

type Refused = "closed" | "not_found";

/** Where a message goes. */
interface Place {
  readonly run: number;
  readonly number: number;
  readonly chain: number;
}

/** Requests that put messages into inboxes, and the same as part of a commit. */
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
      for (let at = 2; at < args.length; at += MESSAGE_WIDTH) reply.push(this.#sendFrom(args, at));
    });
  }

  /** Sends a message inside a write transaction. */
  deliver({ run, kind, name, data, at, key }: NewMessage): number | Refused {
    return this.#deliver(run, kind, name, data, at, key);
  }

  /** Puts the first messages into the inbox of a run that was created in this transaction. */
  fill(run: number, messages: readonly FirstMessage[]): void {
    let number = 0;
    for (const { kind, name, data, at, key } of messages) {
      if (key !== null && this.#sql.remember.run([run, key, number + 1, at]) === 0) continue;
      this.#sql.insert.run([run, ++number, kind, name, data, at]);
    }
    this.#sql.setCount.run([number, run]);
  }

  /** Puts a message into an inbox under the number it has. */
  put(run: number, { number, kind, name, data, at }: MessageRow): void {
    this.#sql.insert.run([run, number, kind, name, data, at]);
  }

  /** Moves what waits for one run to the one that continues it, without what is for its steps. */
  move(from: number, to: number): void {
    this.#sql.move.run([to, from]);
    this.#sql.drop.run([from]);
  }

  /** Makes a run without owner due at `at`, or leaves it due earlier. */
  wake(run: number, at: number): void {
    this.#sql.wake.run([at, at, run]);
  }

  #sendFrom(args: Flat, from: number): number | Refused {
    const [run, kind, name, data, at, key] = args.slice(from, from + MESSAGE_WIDTH) as [
      number,
      string,
      string,
      string,
      number,
      string | null,
    ];
    return this.#deliver(run, kind, name, data, at, key);
  }

  #deliver(to: number, kind: string, name: string, data: string, at: number, key: string | null): number | Refused {
    const place = this.#place(to, at, key);
    if (typeof place !== "object") return place;
    const { run, number, chain } = place;
    this.#sql.insert.run([run, number, kind, name, data, at]);
    if (key !== null) this.#sql.remember.run([chain, key, number, at]);
    return number;
  }

  /** Counts a message: where it goes, or why nowhere. A plain one to an open run takes one statement. */
  #place(to: number, at: number, key: string | null): Place | number | Refused {
    const counted = key === null ? this.#count(to, at) : undefined;
    if (counted !== undefined) return { run: to, number: counted, chain: to };
    const found = this.#sql.target.all([to])[0];
    if (found === undefined) return "not_found";
    const [chain, run] = found as [number, number | null];
    const earlier = key === null ? undefined : this.#sql.earlier.all([chain, key])[0];
    if (earlier !== undefined) return earlier[0] as number;
    return run === null ? "closed" : { run, number: this.#count(run, at)!, chain };
  }

  #count(run: number, at: number): number | undefined {
    return this.#sql.count.all([at, at, run])[0]?.[0] as number | undefined;
  }
}

const DUE = `case when owner is null and closed_at is null and status in ('pending', 'running')
  then min(coalesce(wake_at, ?), ?) else wake_at end`;

const SQL = {
  earlier: "select number from message_keys where run = ? and key = ?",
  /** The chain of a run, and the open run in it that takes its messages. */
  target: `select coalesce(chain, run), case
      when closed_at is null then run
      when status = 'continued_as_new' then (
        select n.run from workflow_runs n where n.workflow_id = r.workflow_id and n.superseded = 0
          and n.closed_at is null and n.chain = coalesce(r.chain, r.run))
      end
    from workflow_runs r where run = ?`,
  count: `update workflow_runs set inbox = inbox + 1, wake_at = ${DUE}
    where run = ? and closed_at is null returning inbox`,
  setCount: "update workflow_runs set inbox = ? where run = ?",
  wake: `update workflow_runs set wake_at = ${DUE} where run = ?`,
  insert: "insert or replace into messages (run, number, kind, name, data, at) values (?, ?, ?, ?, ?, ?)",
  move: "update messages set run = ? where run = ? and kind not in ('outcome', 'retry')",
  drop: "delete from messages where run = ?",
  remember: "insert into message_keys (run, key, number, at) values (?, ?, ?, ?) on conflict do nothing",
} as const;
