/**
 * The yardstick: what the design costs when nothing is built around it. Group commit, one event per step, the run's row written at its
 * start and at its end; no replay, retries, timers, leases worth the name, inboxes or errors. The engine's speed is read as a share of
 * this one's, measured in the same minute.
 */

/** Steps of the yardstick answer as those of the engine do. */
async function noop(i: number): Promise<{ ok: boolean; i: number }> {
  return { ok: true, i };
}

/** What is written in one transaction. */
export interface BareBatch {
  runStarted(run: number, workflowId: string, input: string): void;
  event(run: number, seq: number, type: string, at: number, data: string): void;
  runEnded(run: number, result: string): void;
}

/** Writes batches, one transaction each. */
export interface BareCommitter<Batch extends BareBatch = BareBatch> {
  /** Batches that may be under way at a time. */
  readonly lanes: number;
  newBatch(): Batch;
  /** Resolves when the batch is on disk. */
  commit(batch: Batch): Promise<void>;
  close(): Promise<void>;
}

/** One writer on a fresh database. */
export class BareDesign<Batch extends BareBatch> {
  readonly #committer: BareCommitter<Batch>;
  #batch: Batch;
  #waiting: (() => void)[] = [];
  #free: number;
  #scheduled = false;
  #runs = 0;

  constructor(committer: BareCommitter<Batch>) {
    this.#committer = committer;
    this.#free = committer.lanes;
    this.#batch = committer.newBatch();
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
    await this.#committer.close();
  }

  async #start(input: number): Promise<number> {
    const run = ++this.#runs;
    this.#batch.runStarted(run, `run-${run}`, String(input));
    this.#batch.event(run, 1, "RunStarted", Date.now(), "{}");
    await this.#durable();
    return run;
  }

  async #step(run: number, command: number, input: number): Promise<{ ok: boolean; i: number }> {
    const result = await noop(input);
    const data = JSON.stringify({ command, name: "noop", result });
    this.#batch.event(run, command + 1, "StepCompleted", Date.now(), data);
    await this.#durable();
    return result;
  }

  async #end(run: number, steps: number, result: number): Promise<void> {
    this.#batch.event(run, steps + 2, "RunCompleted", Date.now(), String(result));
    this.#batch.runEnded(run, String(result));
    await this.#durable();
  }

  /** Resolves when everything written so far is on disk. */
  #durable(): Promise<void> {
    if (!this.#scheduled && this.#free > 0) {
      this.#scheduled = true;
      setImmediate(() => {
        this.#scheduled = false;
        this.#send();
      });
    }
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  /** What gathered while a batch was under way leaves before that batch's runs go on, so that the disk is never idle. */
  #send(): void {
    if (this.#free === 0 || this.#waiting.length === 0) return;
    const batch = this.#batch;
    const landing = this.#waiting;
    this.#batch = this.#committer.newBatch();
    this.#waiting = [];
    this.#free--;
    void this.#committer.commit(batch).then(() => {
      this.#free++;
      this.#send();
      for (const resolve of landing) resolve();
    });
  }
}
