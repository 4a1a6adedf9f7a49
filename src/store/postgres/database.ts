/**
 * The way to the database: how connections are made, the pool for everything that no engine's commits wait for (rule 15), and
 * what errors mean.
 */
import { Client, type ClientConfig, Pool, type PoolClient } from "pg";
import { isPerdureError } from "../../core/errors.ts";
import { endsConnection, isReadOnly, kindOf, storeError } from "./failures.ts";
import { Gate } from "./gate.ts";
import { Places } from "./places.ts";
import { type Columns, Session, storeClosed } from "./session.ts";
import type { PostgresSettings } from "./settings.ts";
import { STORE_TYPES } from "./values.ts";

const CONNECT_TIMEOUT_MS = 5000;
const KEEP_ALIVE_MS = 10_000;
const LOCK_TIMEOUT_MS = 5000;
const IDLE_MS = 30_000;
const TRIES = 5;
/** A process that falls asleep inside a transaction must not keep others from taking over its runs (rule 21). */
export const BOUNDED = "set local idle_in_transaction_session_timeout = 2000";
const QUESTION_MS = 60_000;

/**
 * Statements wait a bounded time for locks. Questions about single rows are planned for their values, as tables may have been
 * empty a moment ago.
 */
const SESSION_SETTINGS = `-c synchronous_commit=on -c lock_timeout=${LOCK_TIMEOUT_MS} -c plan_cache_mode=force_custom_plan`;

/** A pool and the line before it. */
interface LinedUp {
  readonly pool: Pool;
  readonly places: Places;
}

export class Database {
  readonly settings: PostgresSettings;
  readonly gate: Gate = new Gate();
  readonly #pool: LinedUp;
  readonly #transactions: LinedUp;
  readonly #names = new Map<string, string>();
  #closed = false;

  constructor(settings: PostgresSettings) {
    this.settings = settings;
    this.#pool = this.#newPool(settings.pool);
    this.#transactions = this.#newPool(settings.transactions);
  }

  /** A session of its own. */
  session(timeoutMs: number): Session {
    return new Session(this, timeoutMs);
  }

  /** Makes a connection. @throws the reason, at once while the database is known to be away */
  async connect(): Promise<Client> {
    this.gate.pass();
    const client = new Client(this.#config());
    client.on("error", () => undefined);
    try {
      await client.connect();
    } catch (error) {
      this.gate.failed(error);
      client.end().catch(() => undefined);
      throw error;
    }
    this.gate.opened();
    return client;
  }

  /** A statement as the driver takes it: named, if this database may have names. */
  statement(sql: string): { readonly text: string; readonly name?: string } {
    if (!this.settings.prepare) return { text: sql };
    const name = this.#names.get(sql) ?? `perdure_${this.#names.size + 1}`;
    this.#names.set(sql, name);
    return { text: sql, name };
  }

  /** Asks a question. It is asked again when its connection was lost or it yielded to another transaction. */
  read(sql: string, values: readonly unknown[] = []): Promise<Columns[]> {
    return this.#ask(this.statement(sql), values, true);
  }

  /** Like {@link read}, for texts that are put together: they get no name. */
  readOnce(sql: string, values: readonly unknown[]): Promise<Columns[]> {
    return this.#ask({ text: sql }, values, true);
  }

  /** Writes with one statement. It is repeated only when the database says that it did not happen. */
  write(sql: string, values: readonly unknown[] = []): Promise<Columns[]> {
    return this.#ask(this.statement(sql), values, false);
  }

  /** Writes with several statements in one transaction. */
  async transaction<T>(
    work: (run: (sql: string, values?: readonly unknown[]) => Promise<Columns[]>) => Promise<T>,
  ): Promise<T> {
    return this.#repeated(false, () =>
      this.#withClient(this.#pool, async (client) => {
        await client.query(`begin; ${BOUNDED}`);
        try {
          const result = await work((sql, values = []) => rowsOf(client, { text: sql }, values));
          await client.query("commit");
          return result;
        } catch (error) {
          if (!endsConnection(error)) await client.query("rollback");
          throw error;
        }
      }),
    );
  }

  /** Lends a connection for a transaction of the user's. `keep` says whether it can be used again. */
  async lend(): Promise<{ readonly client: PoolClient; giveBack(keep: boolean): void }> {
    const { client, release } = await this.#checkedOut(this.#transactions);
    return { client, giveBack: (keep) => release(!keep) };
  }

  /** An error as callers get it. */
  error(error: unknown): Error {
    return storeError(error, this.settings.shown);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await Promise.all([this.#pool.pool.end(), this.#transactions.pool.end()]);
  }

  async #ask(
    statement: { text: string; name?: string },
    values: readonly unknown[],
    repeatable: boolean,
  ): Promise<Columns[]> {
    return this.#repeated(repeatable, () =>
      this.#withClient(this.#pool, (client) => rowsOf(client, statement, values)),
    );
  }

  async #repeated<T>(evenWhenLost: boolean, work: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await work();
      } catch (error) {
        const didNotHappen = kindOf(error) === "yielded" || isReadOnly(error);
        const again = didNotHappen || (evenWhenLost && endsConnection(error) && !isAway(error));
        if (!again || tries === TRIES || isPerdureError(error)) throw this.error(error);
      }
    }
  }

  async #withClient<T>(lined: LinedUp, work: (client: PoolClient) => Promise<T>): Promise<T> {
    const { client, release } = await this.#checkedOut(lined);
    let lost = false;
    try {
      return await work(client);
    } catch (error) {
      lost = endsConnection(error);
      throw error;
    } finally {
      release(lost);
    }
  }

  async #checkedOut({ pool, places }: LinedUp): Promise<{ client: PoolClient; release(lost: boolean): void }> {
    await places.take();
    try {
      const client = await this.#connected(pool);
      const release = (lost: boolean): void => {
        client.release(lost);
        places.giveBack();
      };
      return { client, release };
    } catch (error) {
      places.giveBack();
      throw error;
    }
  }

  async #connected(pool: Pool): Promise<PoolClient> {
    if (this.#closed) throw storeClosed();
    if (pool.idleCount > 0) return pool.connect();
    this.gate.pass();
    try {
      const client = await pool.connect();
      this.gate.opened();
      return client;
    } catch (error) {
      this.gate.failed(error);
      throw error;
    }
  }

  #newPool(max: number): LinedUp {
    const pool = new Pool({ ...this.#config(), max, idleTimeoutMillis: IDLE_MS, query_timeout: QUESTION_MS });
    pool.on("error", () => undefined);
    pool.on("connect", (client) => void client.on("error", () => undefined));
    return { pool, places: new Places(max) };
  }

  #config(): ClientConfig {
    const { url, applicationName, prepare, serverOptions } = this.settings;
    const options = prepare ? `${SESSION_SETTINGS} ${serverOptions}`.trim() : serverOptions;
    return {
      connectionString: url,
      application_name: applicationName,
      ...(options !== "" && { options }),
      connectionTimeoutMillis: CONNECT_TIMEOUT_MS,
      keepAlive: true,
      keepAliveInitialDelayMillis: KEEP_ALIVE_MS,
    };
  }
}

/** Whether no connection could be made at all: asking again at once would be in vain. */
function isAway(error: unknown): boolean {
  const { code, errors } = error as { readonly code?: unknown; readonly errors?: unknown };
  return (
    errors !== undefined || (typeof code === "string" && /^(ECONNREFUSED|ENOTFOUND|EAI_|EHOST|ENET|57P03)/.test(code))
  );
}

async function rowsOf(
  client: PoolClient,
  statement: { text: string; name?: string },
  values: readonly unknown[],
): Promise<Columns[]> {
  const query = { ...statement, values: values as unknown[], rowMode: "array" as const, types: STORE_TYPES };
  return (await client.query<Columns>(query)).rows;
}
