/**
 * Transactions of users in which they ask for starts and signals, over a connection of the program they run in. The database ends one when
 * it restarts, and some time after its program has gone or given it up: until then a commit that is under way may still arrive.
 */
import { PerdureError } from "../../src/core/errors.ts";
import type { AdmissionRequest, LentTransaction, Ticket } from "../../src/store/admissions.ts";
import type { AdmissionTable, Asked, AskingTransaction } from "./admission-table.ts";
import type { SendStatement } from "./transactions.ts";
import type { World } from "./world.ts";

/** How long a connection outlives what used it. */
const LINGER_MS = 5000;

export class UserTransaction implements AskingTransaction {
  readonly xid: string;
  readonly #table: AdmissionTable;
  readonly #world: World;
  readonly #send: SendStatement;
  readonly #rows: Asked[] = [];
  #savedAt = 0;
  state: "open" | "committed" | "aborted" = "open";

  constructor(xid: string, table: AdmissionTable, world: World, send: SendStatement) {
    this.xid = xid;
    this.#table = table;
    this.#world = world;
    this.#send = send;
  }

  /** The same as what libraries lend. */
  get lent(): LentTransaction {
    return this as unknown as LentTransaction;
  }

  ask(request: AdmissionRequest): Promise<Ticket> {
    const { kind, workflowId, body } = request;
    return this.#send("query", `${this.xid} asks for ${kind} ${workflowId} ${body.length}`, async () => {
      this.#use();
      const asked = this.#table.insert(this, request);
      this.#rows.push(asked);
      return { number: asked.number, transaction: this.xid };
    });
  }

  savepoint(): Promise<void> {
    return this.#send("query", `${this.xid} savepoint`, async () => {
      this.#use();
      this.#savedAt = this.#rows.length;
    });
  }

  rollbackToSavepoint(): Promise<void> {
    return this.#send("query", `${this.xid} rollback to savepoint`, async () => {
      this.#use();
      for (const asked of this.#rows.slice(this.#savedAt)) asked.undone = true;
    });
  }

  commit(): Promise<void> {
    return this.#send("end", `${this.xid} commit`, async () => {
      this.#use();
      this.state = "committed";
      this.#table.committed(this);
    });
  }

  rollback(): Promise<void> {
    return this.#send("end", `${this.xid} rollback`, async () => this.lose());
  }

  /** Whoever used it hears nothing any more. */
  abandon(): void {
    this.#world.after(LINGER_MS, undefined, () => this.lose());
  }

  /** The connection is gone: the database rolls back. */
  lose(): void {
    if (this.state !== "open") return;
    this.state = "aborted";
    this.#world.trace(`transaction ${this.xid} is rolled back`);
  }

  #use(): void {
    if (this.state !== "open") throw new PerdureError("UNAVAILABLE", "simulated: the transaction was ended");
  }
}
