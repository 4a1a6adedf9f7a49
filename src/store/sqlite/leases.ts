/** Engines: their entry, their signs of life, and what becomes of the runs of those that show none. */

import { type Flat, pushRows } from "../rows.ts";
import { StillLeases } from "../still-leases.ts";
import type { Committer } from "./committer.ts";
import { type Connection, type Prepared, prepareAll } from "./driver.ts";
import { Sidecars } from "./sidecars.ts";
import type { Tasks } from "./tasks.ts";
import { uptimeMs } from "./uptime.ts";
import type { WriteLock } from "./write-lock.ts";

interface Row {
  readonly engine: number;
  readonly batch: number;
  readonly renewals: number;
  readonly process: string;
}

/** Waits too short to matter against the margin of any time to live. */
const UNNOTICED_MS = 100;

/** Requests about engines. */
export class Leases {
  readonly #process: string;
  readonly #lock: WriteLock;
  readonly #committer: Committer;
  readonly #tasks: Tasks;
  readonly #sidecars: Sidecars;
  readonly #still = new StillLeases();
  readonly #sql: Prepared<typeof SQL>;

  constructor(
    db: Connection,
    lock: WriteLock,
    { committer, tasks }: { readonly committer: Committer; readonly tasks: Tasks },
    { path, process }: { readonly path: string; readonly process: string },
  ) {
    this.#process = process;
    this.#lock = lock;
    this.#committer = committer;
    this.#tasks = tasks;
    this.#sidecars = new Sidecars(path);
    this.#sql = prepareAll(db, SQL);
  }

  /** The sidecar is locked before anyone else can see the row. */
  register(args: Flat, reply: Flat): void {
    let engine: number | undefined;
    try {
      this.#lock.hold(() => {
        engine = this.#sql.insert.all([args[2]!, args[3]!, this.#process, args[4] ?? null, args[5]!])[0]![0] as number;
        this.#sidecars.hold(engine);
        this.#sidecars.removeOrphans(new Set(this.#rows().map((row) => row.engine)));
      });
    } catch (error) {
      if (engine !== undefined) this.#sidecars.discard(engine);
      throw error;
    }
    reply.push(engine!);
  }

  announce(args: Flat): void {
    this.#lock.hold(() => this.#sql.announce.run([args[3]!, args[2]!]));
  }

  renew(args: Flat, reply: Flat): void {
    reply.push(this.#lock.hold(() => this.#sql.renew.run([args[2]!])));
  }

  lastBatch(args: Flat, reply: Flat): void {
    reply.push(this.#sql.batch.all([args[2]!])[0]?.[0] ?? null);
  }

  release(args: Flat): void {
    const engine = args[2] as number;
    this.#lock.hold(() => {
      this.#sql.remove.run([engine]);
      this.#sql.free.run([args[3]!, 0, engine]);
      this.#tasks.free(engine);
    });
    this.#committer.forget(engine);
    this.#sidecars.discard(engine);
  }

  /** Reads without the lock; takes it only when somebody died. */
  sweep(args: Flat, reply: Flat): void {
    const [ttlMs, askedMs, at, sentMs] = args.slice(2) as [number, number, number, number];
    const rows = this.#rows();
    // Signs of life are seen now, not when the request was sent: it may have waited behind others for long.
    const waitedMs = uptimeMs() - sentMs;
    const monotonicMs = waitedMs < UNNOTICED_MS ? askedMs : askedMs + waitedMs;
    const signs = rows.map(({ engine, batch, renewals }) => ({ engine, sign: `${batch}/${renewals}` }));
    const still = new Set(this.#still.observe(signs, { ttlMs, monotonicMs }));
    const dead = rows.filter((row) => still.has(row.engine) || this.#isDead(row));
    const orphaned = this.#orphaned();
    if (dead.length === 0 && orphaned.length === 0 && !this.#tasks.hasLost()) {
      reply.push(0);
      return;
    }
    const { freed, removed } = this.#lock.hold(() => this.#bury(dead, at));
    for (const engine of removed) {
      this.#committer.forget(engine);
      this.#sidecars.discard(engine);
    }
    reply.push(freed);
  }

  engines(_args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.list.all([]));
  }

  /** Whether an engine of another process is registered. */
  hasCompany(): boolean {
    return this.#sql.others.all([this.#process]).length > 0;
  }

  close(): void {
    for (const engine of this.#sidecars.held()) this.#sidecars.discard(engine);
  }

  #rows(): Row[] {
    return this.#sql.rows.all([]).map(([engine, batch, renewals, process]) => ({
      engine: engine as number,
      batch: batch as number,
      renewals: renewals as number,
      process: process as string,
    }));
  }

  #isDead(row: Row): boolean {
    return row.process !== this.#process && this.#sidecars.isFree(row.engine);
  }

  /** Removes those of the dead that gave no sign of life meanwhile, and frees every run whose owner is gone. */
  #bury(dead: readonly Row[], at: number): { freed: number; removed: number[] } {
    const gone = dead.filter(
      ({ engine, batch, renewals }) => this.#sql.removeIfStill.run([engine, batch, renewals]) === 1,
    );
    let freed = 0;
    for (const owner of this.#orphaned()) freed += this.#sql.free.run([at, 1, owner]);
    this.#tasks.lose(at);
    return { freed, removed: gone.map(({ engine }) => engine) };
  }

  #orphaned(): number[] {
    return this.#sql.orphaned.all([]).map(([owner]) => owner as number);
  }
}

const SQL = {
  insert:
    "insert into engines (label, registered_at, process, serves, activities) values (?, ?, ?, ?, ?) returning engine",
  announce: "update engines set activities = ? where engine = ?",
  renew: "update engines set renewals = renewals + 1 where engine = ?",
  batch: "select batch from engines where engine = ?",
  remove: "delete from engines where engine = ?",
  removeIfStill: "delete from engines where engine = ? and batch = ? and renewals = ?",
  free: `update workflow_runs set owner = null, wake_at = ?, crashes = crashes + ?
    where owner = ? and closed_at is null`,
  rows: "select engine, batch, renewals, process from engines",
  others: "select 1 from engines where process <> ? limit 1",
  list: `select engine, registered_at, label,
    (select count(*) from workflow_runs r where r.owner = e.engine and r.closed_at is null) as runs, serves, activities
    from engines e order by engine`,
  /** Distinct owners by skipping along the index, then those without a row. */
  orphaned: `with recursive owners (owner) as (
      select min(owner) from workflow_runs where closed_at is null and owner is not null
      union all
      select (select min(owner) from workflow_runs where closed_at is null and owner > owners.owner)
      from owners where owners.owner is not null
    )
    select owner from owners where owner is not null and owner not in (select engine from engines)`,
} as const;
