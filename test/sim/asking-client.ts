/**
 * A user who asks for starts and signals inside transactions, through a program with an engine in it. When the answer to a commit is lost
 * the user finds out what became of it, and does it all again if it was rolled back.
 */
import { askForSignal, askForStart } from "../../src/client/asking.ts";
import { AwaitedRun } from "../../src/client/awaited-run.ts";
import { isPerdureError } from "../../src/core/errors.ts";
import { encodePayload } from "../../src/core/payload.ts";
import type { Ticket } from "../../src/store/admissions.ts";
import type { AskerOfTransactions, AskingScript, AskScript } from "./asking-workload.ts";
import { type ClientHost, follow } from "./calls.ts";
import { definitionOf } from "./catalogue.ts";
import type { EngineProcess } from "./engine-process.ts";
import { INDIGESTIBLE } from "./interpreter.ts";
import type { Rng } from "./prng.ts";
import type { UserTransaction } from "./user-transactions.ts";

/** What a user was told of a start. */
export interface ToldFate {
  readonly number: number;
  /** The run; or the code of the error. */
  readonly fate: number | string;
}

/** What a signal carries that was asked for: the checks find it by that. */
export interface AskedPayload {
  readonly asker: string;
  readonly n: number;
}

export interface AskingHost extends ClientHost {
  /** The run of a workflow id that was started otherwise, if there is one. */
  runOf(workflowId: string): number | undefined;
  /** The last start that anybody has asked for, by workflow id, committed or not: handles are passed on. */
  readonly tickets: Map<string, Ticket>;
}

const PATIENCE_MS = 15_000;
const MAX_TRIES = 4;

export class AskingClient {
  readonly script: AskerOfTransactions;
  readonly #host: AskingHost;
  readonly #rng: Rng;
  readonly told: ToldFate[] = [];
  /** Starts of transactions that have committed, as far as the user knows. */
  readonly #tickets = new Map<string, Ticket>();
  #asked = 0;
  done = false;

  constructor(script: AskerOfTransactions, host: AskingHost, rng: Rng) {
    this.script = script;
    this.#host = host;
    this.#rng = rng;
  }

  begin(): void {
    follow(this.#host.world, this.script.name, this.#all(), () => {
      this.done = true;
    });
  }

  async #all(): Promise<void> {
    for (const script of this.script.transactions) {
      await this.#sleep(script.at - this.#host.world.now);
      for (let tries = 1; tries <= MAX_TRIES && !(await this.#try(script)); tries++)
        await this.#sleep(this.#rng.int(50, 2000));
    }
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => this.#host.world.after(ms, undefined, resolve));
  }

  /** True: there is nothing more to be done about it. */
  async #try(script: AskingScript): Promise<boolean> {
    const process = this.#host.engine("alpha", this.#rng);
    if (process === undefined) return false;
    const used: { transaction?: UserTransaction } = {};
    const tickets = new Map<string, Ticket>();
    const answer = await this.#through(process, () => this.#perform(process, script, tickets, used));
    this.#host.world.trace(`user ${this.script.name} through ${process.name}: ${answer ?? "no answer"}`);
    if (answer !== "done") used.transaction?.abandon();
    if (answer === "done" && script.ends === "rollback") return true;
    const known = answer === "done" ? true : await this.#find(tickets);
    if (known) for (const [id, ticket] of tickets) this.#tickets.set(id, ticket);
    for (const [id, ticket] of tickets) if (known && this.#rng.chance(0.5)) await this.#look(id, ticket);
    return known;
  }

  /** Calls into a process, which may die meanwhile. */
  #through(process: EngineProcess, call: () => Promise<void>): Promise<string | undefined> {
    const { world } = this.#host;
    return new Promise((resolve) => {
      world.after(PATIENCE_MS, undefined, () => resolve(undefined));
      world.after(0, process, () =>
        call().then(
          () => world.after(0, undefined, () => resolve("done")),
          (error: unknown) => {
            if (!isPerdureError(error)) world.violate("client", `${this.script.name}: ${(error as Error).stack}`);
            world.after(0, undefined, () => resolve(String(error)));
          },
        ),
      );
    });
  }

  async #perform(
    process: EngineProcess,
    { asks, pauseMs, ends }: AskingScript,
    tickets: Map<string, Ticket>,
    used: { transaction?: UserTransaction },
  ): Promise<void> {
    const transaction = await process.store.lend();
    used.transaction = transaction;
    let isSaved = false;
    for (const ask of asks) {
      if (pauseMs > 0) await process.pause(pauseMs);
      if (ask.undone && !isSaved) await transaction.savepoint();
      isSaved ||= ask.undone;
      await this.#ask(process, ask, tickets, transaction);
    }
    if (isSaved) await transaction.rollbackToSavepoint();
    if (ends === "commit") await transaction.commit();
    else await transaction.rollback();
  }

  async #ask(
    process: EngineProcess,
    ask: AskScript,
    tickets: Map<string, Ticket>,
    transaction: UserTransaction,
  ): Promise<void> {
    const { store } = process;
    const host = { store, codec: undefined, now: () => process.now };
    const mark: AskedPayload = { asker: this.script.name, n: ++this.#asked };
    if (ask.op === "start") {
      const { to, workflow, program, delayMs, reuse, conflict } = ask;
      const about = {
        delayMs,
        timeoutMs: undefined,
        secrets: {},
        meta: null,
        request: null,
        tags: {},
      };
      const spec = { workflow: definitionOf(workflow)!, workflowId: to, input: { ...program, mark }, ...about };
      const ticket = await askForStart(host, (text) => text, spec, { reuse, conflict }, transaction.lent);
      if (!ask.undone) tickets.set(to, ticket);
      this.#host.tickets.set(to, ticket);
      return;
    }
    const { to, name, rotten } = ask;
    const passedOn = this.#rng.chance(0.5) ? this.#host.tickets.get(to) : undefined;
    const after = tickets.get(to) ?? passedOn ?? this.#tickets.get(to);
    const run = this.#host.runOf(to);
    if (after === undefined && run === undefined) return;
    const place = after === undefined ? { workflowId: to, run: run! } : { workflowId: to, after };
    const data = encodePayload({ ...mark, ...(rotten && { rotten: INDIGESTIBLE }) });
    await askForSignal(host, place, { name, data, key: null }, transaction.lent);
  }

  /** Whether the transaction has committed, found out by its first start; without one nobody can know. */
  async #find(tickets: ReadonlyMap<string, Ticket>): Promise<boolean> {
    for (const [id, ticket] of tickets) return (await this.#look(id, ticket)) !== "NOT_FOUND";
    return true;
  }

  /** Looks until there is something to be seen. */
  async #look(workflowId: string, ticket: Ticket): Promise<number | string> {
    for (;;) {
      const process = this.#host.engine("alpha", this.#rng);
      let fate: number | string | undefined;
      if (process !== undefined)
        await this.#through(process, async () => {
          try {
            fate = await new AwaitedRun(process.handleHost, workflowId, ticket).look();
          } catch (error) {
            if (!isPerdureError(error)) throw error;
            if (error.code !== "UNAVAILABLE") fate = error.code;
          }
        });
      if (fate === undefined) {
        await this.#sleep(this.#rng.int(50, 1000));
        continue;
      }
      this.#host.world.trace(`user ${this.script.name} is told of ${workflowId}: ${fate}`);
      this.told.push({ number: ticket.number, fate });
      return fate;
    }
  }
}
