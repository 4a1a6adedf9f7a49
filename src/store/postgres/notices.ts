/**
 * Hints between the connections of a database (rule 26): LISTEN on a connection of its own, NOTIFY for all of a process on another,
 * never in a transaction of commits. They are coalesced: the first leaves at once, what follows within a moment leaves as one.
 * A lost connection is made again for as long as somebody watches, and then everybody is told to look, as hints were lost meanwhile.
 */
import { randomBytes } from "node:crypto";
import type { Client } from "pg";
import type { Database } from "./database.ts";
import { destroy, type Session } from "./session.ts";

const MOST_OFTEN_MS = 25;
const TELL_TIMEOUT_MS = 5000;
const FIRST_RETRY_MS = 50;
const LAST_RETRY_MS = 2000;

const NOTIFY = "select set_config('synchronous_commit', 'off', true), pg_notify($1, $2)";

export class Notices {
  readonly #database: Database;
  readonly #channel: string;
  readonly #self = randomBytes(6).toString("hex");
  /** Listeners, and the payload each is for; undefined: whatever others tell. */
  readonly #listeners = new Map<() => void, string | undefined>();
  readonly #telling: Session;
  #client: Client | undefined;
  #connecting = false;
  #retry: NodeJS.Timeout | undefined;
  #retryMs = FIRST_RETRY_MS;
  #toldAt = Number.NEGATIVE_INFINITY;
  #pending: NodeJS.Timeout | undefined;
  #closed = false;

  /** `channel` is the same for all that use the store. */
  constructor(database: Database, channel: string) {
    this.#database = database;
    this.#channel = channel;
    this.#telling = database.session(TELL_TIMEOUT_MS);
  }

  /** Tells the others that something has changed. */
  tell(): void {
    if (this.#pending !== undefined || this.#closed) return;
    const waitMs = this.#toldAt + MOST_OFTEN_MS - performance.now();
    if (waitMs <= 0) {
      this.#notify();
      return;
    }
    this.#pending = setTimeout(() => {
      this.#pending = undefined;
      this.#notify();
    }, waitMs);
  }

  /** Calls back for what others {@link tell}, or for notifications with just this payload. */
  watch(listener: () => void, payload?: string): () => void {
    const own = (): void => listener();
    this.#listeners.set(own, payload);
    void this.#listen();
    return () => {
      if (this.#listeners.delete(own) && this.#listeners.size === 0) this.#stopListening();
    };
  }

  async close(): Promise<void> {
    if (this.#pending !== undefined) {
      clearTimeout(this.#pending);
      this.#notify();
    }
    this.#closed = true;
    this.#listeners.clear();
    this.#stopListening();
    await this.#telling.close();
  }

  #notify(): void {
    this.#toldAt = performance.now();
    // A hint need not survive a power cut, so nobody waits for the disk. If it is lost, looking finds what it was about.
    this.#telling.query(NOTIFY, [this.#channel, this.#self]).catch(() => undefined);
  }

  async #listen(): Promise<void> {
    if (!this.#database.settings.listen || this.#client !== undefined || this.#connecting || this.#closed) return;
    this.#connecting = true;
    try {
      const client = await this.#database.connect();
      this.#client = client;
      client.on("notification", ({ payload }) => {
        if (payload !== this.#self) this.#hint(payload);
      });
      client.once("end", () => this.#lost(client));
      client.on("error", () => this.#lost(client));
      await client.query(`listen ${this.#channel}`);
      this.#retryMs = FIRST_RETRY_MS;
      this.#hint();
    } catch {
      this.#lost(this.#client);
    } finally {
      this.#connecting = false;
    }
    if (this.#listeners.size === 0) this.#stopListening();
  }

  #lost(client: Client | undefined): void {
    if (client !== this.#client) return;
    this.#client = undefined;
    if (client !== undefined) destroy(client);
    if (this.#closed || this.#listeners.size === 0 || this.#retry !== undefined) return;
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      void this.#listen();
    }, this.#retryMs);
    this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
  }

  #stopListening(): void {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const client = this.#client;
    this.#client = undefined;
    client?.end().catch(() => undefined);
  }

  /** Without a payload anything may have happened. */
  #hint(payload?: string): void {
    const special = payload !== undefined && [...this.#listeners.values()].includes(payload);
    for (const [listener, wanted] of [...this.#listeners])
      if (payload === undefined || wanted === (special ? payload : undefined)) listener();
  }
}
