/**
 * Users' transactions over the network: their statements and the store's last one go one by one, on a connection of their own, which
 * is lost with the database, with its process, or when it stands still for half a lease (rule 21).
 */

import { PerdureError } from "../../src/core/errors.ts";
import type { StoreTransaction } from "../../src/core/sql-transaction.ts";
import type { Lease, OutcomeRow } from "../../src/store/store.ts";
import { type Database, leaseLost, type StepPlace } from "./database.ts";
import type { World } from "./world.ts";

type Step = StepPlace & { readonly at: number };

/** Sends one statement of a transaction. */
export type SendStatement = <T>(
  operation: "begin" | "query" | "settle" | "end",
  about: string,
  run: () => Promise<T>,
) => Promise<T>;

/** Part of a lease after which the database ends a transaction that stands still. */
const IDLE_SHARE = 0.5;
const KEY_LOOK_MS = 100;

export class Transaction {
  readonly #database: Database;
  readonly #world: World;
  readonly #send: SendStatement;
  readonly #rows: unknown[] = [];
  #usedAt = 0;
  #untilMs = Number.POSITIVE_INFINITY;
  #idleMs = 0;
  #lost = false;
  #over = false;

  constructor(database: Database, world: World, send: SendStatement) {
    this.#database = database;
    this.#world = world;
    this.#send = send;
  }

  /** The connection is gone: the database rolls back. */
  lose(): void {
    this.#lost = true;
  }

  /** Whether the database still has it, with the key of its step. */
  get isOpen(): boolean {
    const { now } = this.#world;
    return !this.#over && !this.#lost && now < this.#untilMs && now - this.#usedAt < this.#idleMs;
  }

  async run(
    lease: Lease,
    step: Step,
    limitMs: number,
    work: (tx: StoreTransaction) => Promise<string>,
  ): Promise<OutcomeRow> {
    const { run, command, generation, at } = step;
    const about = `run ${run} command ${command}.${generation}`;
    const database = this.#database;
    const kept = await this.#send("begin", about, async () => {
      this.#usedAt = this.#world.now;
      this.#untilMs = this.#world.now + limitMs;
      this.#idleMs = database.ttlOf(lease.engine) * IDLE_SHARE;
      if (!(await database.owns(lease, run))) throw leaseLost(lease.engine);
      return database.outcome(step);
    });
    if (kept !== undefined) return kept;
    const data = await work({ query: (sql, values) => this.#query(about, sql, values) });
    const outcome: OutcomeRow = { command, generation, data, at };
    const meanwhile = await this.#send("settle", about, () => this.#settle(lease, step));
    if (meanwhile !== undefined) return meanwhile;
    await this.#send("end", about, async () => {
      this.#use();
      this.#over = true;
      database.letGo(lease);
      database.keep(lease, step, outcome, this.#rows);
    });
    return outcome;
  }

  /** The last statement: it has the key of the step to itself, once others that have it are over. */
  async #settle(lease: Lease, step: Step): Promise<OutcomeRow | undefined> {
    const database = this.#database;
    this.#use();
    while (!database.takeKey(step, this)) {
      await new Promise<void>((resolve) => this.#world.after(KEY_LOOK_MS, undefined, resolve));
      // Waiting for a lock is not standing still.
      if (!this.#lost) this.#usedAt = this.#world.now;
      this.#use();
    }
    const kept = database.outcome(step);
    if (kept === undefined && !(await database.owns(lease, step.run))) throw leaseLost(lease.engine);
    if (kept !== undefined) this.#over = true;
    else database.hold(lease, this.#idleMs);
    return kept;
  }

  #query(about: string, sql: string, values: readonly unknown[] = []): Promise<Record<string, unknown>[]> {
    return this.#send("query", about, async () => {
      this.#use();
      this.#rows.push([sql, ...values]);
      return [{ n: this.#rows.length }];
    });
  }

  #use(): void {
    if (!this.isOpen) throw new PerdureError("UNAVAILABLE", "simulated: the transaction was ended");
    this.#usedAt = this.#world.now;
  }
}
