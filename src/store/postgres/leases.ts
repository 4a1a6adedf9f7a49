/**
 * Engines: their entry, their signs of life, and what becomes of the runs of those that show none. Everything is told by the
 * database's clock: a lease says until when it holds, and renewals and commits move that on.
 */

import { readEngine } from "../rows.ts";
import type { EngineRow, Lease } from "../store.ts";
import type { Database } from "./database.ts";
import type { Columns, Session } from "./session.ts";

const DEFAULT_TTL_MS = 10_000;
/** Signs of life must come through or fail while there is time to try again. */
const RENEWAL_TIMEOUT_MS = 5000;
/** How long a commit in doubt may take to settle before its fate counts as unknown. */
const SETTLE_TIMEOUT_MS = 10_000;
/** A lease that expires within this time, or a quarter of a time to live, is waited for: engines look for dead ones about as often. */
const SOON_MS = 1000;
const PAST_MS = 5;

export class Leases {
  readonly #database: Database;
  readonly #heartbeats: Session;
  readonly #sql: ReturnType<typeof statements>;
  #closed = false;
  #wake: () => void = () => {};

  constructor(database: Database) {
    this.#database = database;
    this.#heartbeats = database.session(RENEWAL_TIMEOUT_MS);
    this.#sql = statements(database.settings.schema);
  }

  /** The time by the clock that leases go by. */
  async time(): Promise<number> {
    const [row] = await this.#database.read("select (extract(epoch from clock_timestamp()) * 1000)::float8");
    return row![0] as number;
  }

  async register(
    label: string,
    at: number,
    ttlMs: number = DEFAULT_TTL_MS,
    { serves, activities = [] }: { readonly serves?: readonly string[]; readonly activities?: readonly string[] } = {},
  ): Promise<Lease> {
    const queues = serves === undefined ? null : JSON.stringify(serves);
    const values = [label, at, Math.ceil(ttlMs), queues, JSON.stringify(activities)];
    const [row] = await this.#database.write(this.#sql.register, values);
    return { engine: row![0] as number };
  }

  async announce({ engine }: Lease, activities: readonly string[]): Promise<void> {
    await this.#database.write(this.#sql.announce, [engine, JSON.stringify(activities)]);
  }

  async renew({ engine }: Lease): Promise<boolean> {
    try {
      return (await this.#heartbeats.query(this.#sql.renew, [engine])).length > 0;
    } catch (error) {
      throw this.#database.error(error);
    }
  }

  /** On a new connection (rule 13): its lock waits until a commit in doubt has settled. */
  async lastBatch({ engine }: Lease): Promise<number | null> {
    const session = this.#database.session(SETTLE_TIMEOUT_MS);
    try {
      const [row] = await session.query(this.#sql.lastBatch, [engine]);
      return row === undefined ? null : (row[0] as number);
    } catch (error) {
      throw this.#database.error(error);
    } finally {
      await session.close();
    }
  }

  async release({ engine }: Lease, at: number): Promise<void> {
    await this.#database.transaction(async (run) => {
      await run(this.#sql.remove, [engine]);
      await run(this.#sql.free, [[engine], at, 0]);
      await run(this.#sql.freeTasks, [engine]);
    });
  }

  /**
   * Rule 19. Leases that expired while the database was away are left alone for a time to live: their engines could not renew them.
   * One that is about to expire, which healthy engines do not let happen, is waited for. Returns how many runs were freed.
   */
  async sweep(ttlMs: number, at: number): Promise<number> {
    if (this.#database.gate.backForMs < ttlMs) return 0;
    const [found] = await this.#database.read(this.#sql.look);
    const [dead, nearestMs] = found as [number, number | null];
    if (dead === 0 && !(await this.#expiry(nearestMs, Math.min(SOON_MS, ttlMs / 4)))) return 0;
    return this.#database.transaction(async (run) => {
      await run(this.#sql.expire);
      const owners = (await run(this.#sql.orphaned)).map(([owner]) => owner);
      return owners.length === 0 ? 0 : (await run(this.#sql.free, [owners, at, 1])).length;
    });
  }

  /** Waits for the nearest expiry if it is near. False: there is none, or the store was closed meanwhile. */
  async #expiry(nearestMs: number | null, soonMs: number): Promise<boolean> {
    if (nearestMs === null || nearestMs > soonMs) return false;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, Math.max(0, nearestMs) + PAST_MS);
      this.#wake = (): void => {
        clearTimeout(timer);
        resolve();
      };
    });
    return !this.#closed;
  }

  async engines(): Promise<EngineRow[]> {
    return (await this.#database.read(this.#sql.engines)).map((row: Columns) => readEngine(row, 0));
  }

  async close(): Promise<void> {
    this.#closed = true;
    this.#wake();
    await this.#heartbeats.close();
  }
}

function statements(schema: string) {
  /** Distinct owners by skipping along the index, then those without a row. */
  const orphaned = `with recursive owners (owner) as (
      (select coalesce(owner, 0) from ${schema}.workflow_runs
        where closed_at is null and coalesce(owner, 0) > 0 order by coalesce(owner, 0) limit 1)
      union all
      select (select coalesce(r.owner, 0) from ${schema}.workflow_runs r
        where r.closed_at is null and coalesce(r.owner, 0) > owners.owner order by coalesce(r.owner, 0) limit 1)
      from owners where owners.owner is not null
    )
    select owner from owners where owner is not null and owner not in (select engine from ${schema}.engines)`;
  return {
    register: `insert into ${schema}.engines (label, registered_at, ttl_ms, expires, serves, activities)
      values ($1, $2, $3::integer, clock_timestamp() + $3::integer * interval '1 millisecond', $4, $5) returning engine`,
    announce: `update ${schema}.engines set activities = $2 where engine = $1`,
    renew: `update ${schema}.engines set expires = clock_timestamp() + ttl_ms * interval '1 millisecond'
      where engine = $1 returning engine`,
    lastBatch: `select batch from ${schema}.engines where engine = $1 for update`,
    remove: `delete from ${schema}.engines where engine = $1`,
    look: `select case when exists (select from ${schema}.engines where expires < clock_timestamp()) or exists (${orphaned})
      then 1 else 0 end,
      (select (extract(epoch from min(expires) - clock_timestamp()) * 1000)::float8 from ${schema}.engines)`,
    expire: `delete from ${schema}.engines where engine in (
      select engine from ${schema}.engines where expires < clock_timestamp() order by engine for update skip locked)`,
    orphaned,
    free: `with freed as (
        select run from ${schema}.workflow_runs where coalesce(owner, 0) = any ($1::bigint[]) and closed_at is null
        order by run for no key update
      )
      update ${schema}.workflow_runs r set owner = null, wake_at = $2, crashes = crashes + $3::integer
      from freed where r.run = freed.run returning r.run`,
    freeTasks: `update ${schema}.tasks set owner = null, started_at = null, beat_at = null where owner = $1`,
    engines: `select engine, registered_at, label,
      (select count(*) from ${schema}.workflow_runs r where coalesce(r.owner, 0) = e.engine and r.closed_at is null) as runs,
      serves, activities
      from ${schema}.engines e order by engine`,
  } as const;
}
