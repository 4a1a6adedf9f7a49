/**
 * The clients of one run: they call whatever engine is there, give up on a call that gets no answer, and try again elsewhere
 * under the same id or key until they know. What they were told is kept for the checks.
 */

import type { RunHandle } from "../../src/client/run-handle.ts";
import { isPerdureError } from "../../src/core/errors.ts";
import { type Answer, Calls, type ClientHost, closed, follow, handleOf } from "./calls.ts";
import { codeFor, definitionOf } from "./catalogue.ts";
import type { EngineProcess } from "./engine-process.ts";
import type { Bump } from "./interpreter.ts";
import type { Rng } from "./prng.ts";
import { SIGNALS, waitsOf } from "./program.ts";
import type { AskerScript, RunScript, SenderScript } from "./workload.ts";

/** A signal that a sender knows to be in the store. */
export interface AcknowledgedSignal {
  readonly sender: string;
  readonly n: number;
}

/** What an asker was told of an update, in words. */
export interface ToldAnswer {
  readonly id: string;
  readonly answer: string;
}

const LOOK_EVERY_MS = 900;

export class RunClient {
  readonly script: RunScript;
  readonly #host: ClientHost;
  readonly #rng: Rng;
  readonly #calls: Calls;
  run: number | undefined;
  /** Runs that were given as answers to starts. */
  readonly started: number[] = [];
  readonly acknowledged: AcknowledgedSignal[] = [];
  readonly sent = new Map<string, number>();
  /** Every answer anybody was given to an update. */
  readonly told: ToldAnswer[] = [];
  resumed = 0;
  #resuming = false;
  #left = 0;

  constructor(script: RunScript, host: ClientHost, rng: Rng) {
    this.script = script;
    this.#host = host;
    this.#rng = rng;
    this.#calls = new Calls(script.id, host, rng);
  }

  /** Nothing is to be done any more, but for what the end of the simulation needs. */
  get done(): boolean {
    return this.#left === 0;
  }

  begin(): void {
    const { startAt, senders, askers, cancelAt, terminateAt, pauseAt } = this.script;
    for (const at of startAt) this.#do(at, () => this.#start());
    for (const sender of senders) this.#do(0, () => this.#sendAll(sender));
    for (const asker of askers) this.#do(0, () => this.#askAll(asker));
    if (pauseAt !== undefined) this.#do(pauseAt, () => this.#tell((handle) => handle.pause("wait"), "pause"));
    if (cancelAt !== undefined) this.#do(cancelAt, () => this.#tell((handle) => handle.cancel("enough")));
    if (terminateAt !== undefined) this.#do(terminateAt, () => this.#terminate());
  }

  #do(at: number, action: () => Promise<unknown>): void {
    this.#left++;
    const { world } = this.#host;
    world.after(at - world.now, undefined, () => follow(world, this.script.id, action(), () => this.#left--));
  }

  #sleep(ms: number): Promise<void> {
    return this.#calls.sleep(ms);
  }

  #call<T>(what: string, call: (process: EngineProcess) => Promise<T>): Promise<Answer<T> | undefined> {
    return this.#calls.call(codeFor(this.script.workflow, this.script.version), what, call);
  }

  async #start(): Promise<void> {
    const { id, workflow, version, input, delayMs, timeoutMs } = this.script;
    const definition = definitionOf(workflow, version)!;
    const spec = {
      workflow: definition,
      workflowId: id,
      input,
      delayMs,
      timeoutMs,
      secrets: {},
      meta: null,
      request: null,
      tags: {},
    };
    for (;;) {
      const answer = await this.#call("start", ({ engine }) => engine?.start(spec) ?? closed());
      if (answer === undefined) continue;
      if (!answer.ok) throw answer.error;
      if ("orphan" in answer.value) throw new Error("a run without parent has lost it");
      this.run = "run" in answer.value ? answer.value.run : answer.value.conflict.run;
      this.started.push(this.run);
      return;
    }
  }

  /** What became of a run that does not exist any more: its number where its chain goes on. Undefined: it is gone. */
  async #successor(run: number): Promise<number | undefined> {
    if (!this.#host.isPurged(run) && !this.#host.isEndPurged(this.script.id, run))
      throw new Error(`run ${run} does not exist, and nobody has deleted it`);
    for (;;) {
      const found = await this.#call("find", ({ store }) => store.find({ workflowId: this.script.id }));
      if (found?.ok !== true) continue;
      const row = found.value;
      if (row === undefined || row.chain === row.run || row.run === run) return undefined;
      this.run = row.run;
      return row.run;
    }
  }

  async #until(ready: () => boolean): Promise<void> {
    while (!ready()) await this.#sleep(100);
  }

  /** Does something to the run until it is known to have happened. False: the run takes no more of it. */
  async #tell(action: (handle: RunHandle) => Promise<void>, what = "cancel"): Promise<boolean> {
    await this.#until(() => this.run !== undefined);
    // Every attempt is one at the same run: a newer one of the same id is another addressee.
    for (let run = this.run!; ; ) {
      const answer = await this.#call(what, (process) => action(handleOf(process, this.script.id, run)));
      if (answer === undefined) continue;
      if (!answer.ok && isPerdureError(answer.error, "NOT_FOUND")) {
        const next = await this.#successor(run);
        if (next === undefined) return false;
        run = next;
        continue;
      }
      if (!answer.ok && !isPerdureError(answer.error, "RUN_CLOSED") && !isPerdureError(answer.error, "CONFLICT")) {
        if (isPerdureError(answer.error, "LEASE_LOST")) continue;
        throw answer.error;
      }
      return answer.ok;
    }
  }

  async #terminate(): Promise<void> {
    await this.#tell((handle) => handle.terminate("stop it"), "terminate");
  }

  async #sendAll({ sender, signals }: SenderScript): Promise<void> {
    for (const { at, name } of signals) {
      await this.#sleep(at - this.#host.world.now);
      if (!(await this.#signal(sender, name))) return;
    }
  }

  async #signal(sender: string, name: string): Promise<boolean> {
    const n = (this.sent.get(sender) ?? 0) + 1;
    this.sent.set(sender, n);
    const key = `${sender}#${n}`;
    const sent = await this.#tell((handle) => handle.signal(name, { sender, n }, { key }), `signal ${name} ${key}`);
    if (sent) this.acknowledged.push({ sender, n });
    return sent;
  }

  /** Asks one after another, each until there is an answer; some are asked for once more after that. */
  async #askAll({ asker, asks, at }: AskerScript): Promise<void> {
    await this.#until(() => this.run !== undefined);
    for (const [index, time] of at.entries()) {
      await this.#sleep(time - this.#host.world.now);
      const id = `${asker}#${index}`;
      const again = this.#rng.chance(0.3);
      const asked = await this.#ask(this.run!, id, asks, { asker, n: index + 1 });
      if (again && asked !== undefined) await this.#ask(asked, id, asks, { asker, n: index + 1 });
    }
  }

  /** Answers the run that knows of it; undefined when there is none any more. */
  async #ask(of: number, id: string, asks: string, bump: Bump): Promise<number | undefined> {
    for (let run = of; ; ) {
      const answer = await this.#call(`update ${id}`, (process) =>
        handleOf(process, this.script.id, run).update(asks, bump, { id }),
      );
      if (answer === undefined) continue;
      if (!answer.ok && isPerdureError(answer.error, "NOT_FOUND")) {
        const next = await this.#successor(run);
        if (next === undefined) return undefined;
        run = next;
        continue;
      }
      if (answer.ok) {
        this.told.push({ id, answer: JSON.stringify(answer.value) });
        return run;
      }
      const { error } = answer;
      if (isPerdureError(error, "RUN_BLOCKED") || isPerdureError(error, "LEASE_LOST")) {
        await this.#sleep(1000);
        continue;
      }
      if (isPerdureError(error, "RUN_CLOSED")) return run;
      if (!isPerdureError(error, "UPDATE_FAILED")) throw error;
      this.told.push({ id, answer: `failed: ${String((error.cause as Error | undefined)?.message)}` });
      return run;
    }
  }

  // ---- the end ---------------------------------------------------------------------------------------------------------

  /** Looks after the run once: resumes it if it stopped early and should go on. Status is the store's. */
  look(status: string): void {
    const { resumes, resumeAfterMs } = this.script;
    const stands = status === "blocked" || status === "paused";
    if (stands || (this.resumed < resumes && ["failed", "cancelled", "timed_out"].includes(status))) {
      // Whoever waits for an answer waits for the run to go on.
      if (this.#resuming || (!stands && !this.done)) return;
      if (!stands) this.resumed++;
      this.#resuming = true;
      const resume = async (): Promise<void> => {
        await this.#tell((handle) => handle.resume(), "resume");
        this.#resuming = false;
      };
      this.#do(this.#host.world.now + resumeAfterMs, resume);
    }
  }

  /** Sends enough of every signal to release whatever the run may still wait for. */
  finish(): void {
    const waits = waitsOf(this.script.program) * (1 + this.resumed);
    if (waits === 0) return;
    for (const name of SIGNALS) {
      const sender = `${this.script.id}/finish-${name}`;
      const signals = Array.from({ length: waits }, () => ({ at: 0, name }));
      this.#do(0, () => this.#sendAll({ sender, signals }));
    }
  }

  static readonly lookEveryMs = LOOK_EVERY_MS;
}
