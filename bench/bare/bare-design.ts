/**
 * The yardstick: what the design costs when nothing is built around it. Group commit into SQLite in a worker thread, one event
 * per step, the run's row written at its start and at its end; no replay, retries, timers, leases, inboxes or errors.
 * The engine's speed is read as a share of this one's, measured in the same minute.
 */
import { Worker } from "node:worker_threads";
import type { Durability } from "../store-place.ts";
import { type Flat, RECORD } from "./protocol.ts";

/** Steps of the yardstick answer as those of the engine do. */
async function noop(i: number): Promise<{ ok: boolean; i: number }> {
  return { ok: true, i };
}

/** One writer on a fresh database. */
export class BareDesign {
  readonly #thread: Worker;
  #batch: Flat = [0];
  #waiting: (() => void)[] = [];
  #landing: (() => void)[] | undefined;
  #scheduled = false;
  #number = 0;
  #runs = 0;

  constructor(path: string, durability: Durability) {
    this.#thread = new Worker(new URL("./database-thread.js", import.meta.url), {
      workerData: { path, durability },
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    this.#thread.on("message", () => this.#landed());
  }

  async runSequence(steps: number): Promise<void> {
    const run = await this.#start(steps);
    let sum = 0;
    for (let i = 0; i < steps; i++) sum += (await this.#step(run, i + 1, i)).i;
    await this.#end(run, steps, sum);
  }

  async runFanOut(steps: number): Promise<void> {
    const run = await this.#start(steps);
    const results = await Promise.all(Array.from({ length: steps }, (_, i) => this.#step(run, i + 1, i)));
    await this.#end(run, steps, results.length);
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }

  async #start(input: number): Promise<number> {
    const run = ++this.#runs;
    this.#batch.push(RECORD.runStarted, run, `run-${run}`, String(input));
    this.#batch.push(RECORD.event, run, 1, "RunStarted", Date.now(), "{}");
    await this.#durable();
    return run;
  }

  async #step(run: number, command: number, input: number): Promise<{ ok: boolean; i: number }> {
    const result = await noop(input);
    const data = JSON.stringify({ command, name: "noop", result });
    this.#batch.push(RECORD.event, run, command + 1, "StepCompleted", Date.now(), data);
    await this.#durable();
    return result;
  }

  async #end(run: number, steps: number, result: number): Promise<void> {
    this.#batch.push(RECORD.event, run, steps + 2, "RunCompleted", Date.now(), String(result));
    this.#batch.push(RECORD.runEnded, run, String(result));
    await this.#durable();
  }

  /** Resolves when everything pushed so far is on disk. */
  #durable(): Promise<void> {
    if (!this.#scheduled && this.#landing === undefined) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#send();
      });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  #send(): void {
    if (this.#landing !== undefined || this.#waiting.length === 0) return;
    const batch = this.#batch;
    batch[0] = ++this.#number;
    this.#landing = this.#waiting;
    this.#batch = [0];
    this.#waiting = [];
    this.#thread.postMessage(batch);
  }

  /** What gathered meanwhile leaves before this batch's runs go on, so that the disk is never idle. */
  #landed(): void {
    const landed = this.#landing ?? [];
    this.#landing = undefined;
    this.#send();
    for (const resolve of landed) resolve();
  }
}
