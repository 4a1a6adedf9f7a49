/** Batches of the bare design into SQLite, in a worker thread: the disk and JavaScript work at the same time. */
import { Worker } from "node:worker_threads";
import type { Durability } from "../store-place.ts";
import type { BareBatch, BareCommitter } from "./bare-design.ts";
import { type Flat, RECORD } from "./protocol.ts";

class FlatBatch implements BareBatch {
  readonly flat: Flat = [0];

  runStarted(run: number, workflowId: string, input: string): void {
    this.flat.push(RECORD.runStarted, run, workflowId, input);
  }

  event(run: number, seq: number, type: string, at: number, data: string): void {
    this.flat.push(RECORD.event, run, seq, type, at, data);
  }

  runEnded(run: number, result: string): void {
    this.flat.push(RECORD.runEnded, run, result);
  }
}

export class SqliteCommitter implements BareCommitter<FlatBatch> {
  readonly lanes = 1;
  readonly #thread: Worker;
  #number = 0;
  #landed: () => void = () => {};

  constructor(path: string, durability: Durability) {
    this.#thread = new Worker(new URL("./database-thread.js", import.meta.url), {
      workerData: { path, durability },
      execArgv: ["--disable-warning=ExperimentalWarning"],
    });
    this.#thread.on("message", () => this.#landed());
  }

  newBatch(): FlatBatch {
    return new FlatBatch();
  }

  commit({ flat }: FlatBatch): Promise<void> {
    flat[0] = ++this.#number;
    this.#thread.postMessage(flat);
    return new Promise((resolve) => {
      this.#landed = resolve;
    });
  }

  async close(): Promise<void> {
    await this.#thread.terminate();
  }
}
