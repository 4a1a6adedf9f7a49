/**
 * One connection for one purpose, made when it is first needed and again after it was lost. Statements run one after the other.
 * What fails on a lost connection is not repeated here: only the caller knows whether it may be.
 */
import type { Client } from "pg";
import { PerdureError } from "../../core/errors.ts";
import type { Database } from "./database.ts";
import { endsConnection } from "./failures.ts";
import { STORE_TYPES } from "./values.ts";

/** A row as the values of its columns. */
export type Columns = (string | number | null)[];

export class Session {
  readonly #database: Database;
  readonly #timeoutMs: number;
  #client: Promise<Client> | undefined;
  #last: Promise<unknown> = Promise.resolve();
  #closed = false;

  /** Statements that take longer than `timeoutMs` end the connection. */
  constructor(database: Database, timeoutMs: number) {
    this.#database = database;
    this.#timeoutMs = timeoutMs;
  }

  /** Runs one statement. @throws the error of the driver */
  async query(sql: string, values: readonly unknown[]): Promise<Columns[]> {
    return this.exclusively((run) => run(sql, values));
  }

  /** Runs several statements with nothing of others in between. */
  exclusively<T>(
    work: (run: (sql: string, values?: readonly unknown[]) => Promise<Columns[]>) => Promise<T>,
  ): Promise<T> {
    const mine = this.#last.then(async () => {
      const client = await this.#connected();
      return work((sql, values = []) => this.#run(client, sql, values));
    });
    this.#last = mine.catch(() => undefined);
    return mine;
  }

  /** Gives up the connection, whatever is under way on it. */
  drop(): void {
    const client = this.#client;
    this.#client = undefined;
    client?.then(destroy, () => undefined);
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#last;
    const client = this.#client;
    this.#client = undefined;
    await client?.then(
      (open) => open.end(),
      () => undefined,
    );
  }

  async #connected(): Promise<Client> {
    if (this.#closed) throw storeClosed();
    if (this.#client !== undefined) return this.#client;
    const connecting = this.#database.connect();
    this.#client = connecting;
    const forget = (): void => {
      if (this.#client === connecting) this.#client = undefined;
    };
    try {
      const client = await connecting;
      client.on("error", forget);
      client.on("end", forget);
      return client;
    } catch (error) {
      forget();
      throw error;
    }
  }

  async #run(client: Client, sql: string, values: readonly unknown[]): Promise<Columns[]> {
    const tooLong = setTimeout(() => this.#giveUp(client), this.#timeoutMs);
    try {
      const { rows } = await client.query<Columns>({
        ...this.#database.statement(sql),
        values: values as unknown[],
        rowMode: "array",
        types: STORE_TYPES,
      });
      return rows;
    } catch (error) {
      if (endsConnection(error)) this.#giveUp(client);
      throw error;
    } finally {
      clearTimeout(tooLong);
    }
  }

  #giveUp(client: Client): void {
    this.#client = undefined;
    destroy(client);
  }
}

/** Closes a connection without a word; statements under way on it fail. */
export function destroy(client: Client): void {
  const { stream } = (client as unknown as { connection: { stream: { destroy(): void } } }).connection;
  stream.destroy();
}

export function storeClosed(): PerdureError {
  return new PerdureError("UNAVAILABLE", "the PostgreSQL store was closed");
}
