/**
 * The main thread's end: numbers requests, matches answers, and tells everybody when the thread is gone. The thread keeps the
 * process alive only while an answer is awaited.
 */
import { randomUUID } from "node:crypto";
import { Worker } from "node:worker_threads";
import { type ErrorCode, PerdureError } from "../../core/errors.ts";
import type { Flat } from "../rows.ts";
import { HINT, OK, OP, type Operation, REFUSED, type WorkerInput } from "./protocol.ts";
import { SqliteError } from "./sqlite-error.ts";

interface Waiting {
  readonly resolve: (answer: unknown[]) => void;
  readonly reject: (error: Error) => void;
}

/** A database thread. */
export class Thread {
  readonly #worker: Worker;
  readonly #path: string;
  readonly #waiting = new Map<number, Waiting>();
  readonly #onHint: () => void;
  #nextId = HINT + 1;
  #gone: PerdureError | undefined;
  #closing: Promise<void> | undefined;

  constructor(input: Omit<WorkerInput, "process">, onHint: () => void) {
    this.#path = input.path;
    this.#onHint = onHint;
    const workerData: WorkerInput = { ...input, process: processName() };
    this.#worker = new Worker(workerFile(), { workerData, execArgv: ["--disable-warning=ExperimentalWarning"] });
    this.#worker.unref();
    this.#worker.on("message", (answer: unknown[]) => this.#receive(answer));
    this.#worker.on("error", (cause) => this.#lost(`its thread failed: ${cause.message}`, cause));
    this.#worker.on("exit", () => this.#lost("its thread has ended"));
  }

  /** Starts a request; arguments are pushed to it before it is handed to {@link ask}. */
  request(operation: Operation): Flat {
    return [this.#nextId++, operation];
  }

  /** Sends a request and answers with what follows the head of its answer. */
  ask(request: Flat): Promise<Flat> {
    return this.askAny(request) as Promise<Flat>;
  }

  /** Like {@link ask}, with values of any kind in request and answer that can be cloned. */
  askAny(request: readonly unknown[]): Promise<unknown[]> {
    if (this.#gone !== undefined) return Promise.reject(this.#gone);
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) this.#worker.ref();
      this.#waiting.set(request[0] as number, { resolve, reject });
      this.#worker.postMessage(request);
    });
  }

  /** Lets requests under way finish, closes the database and ends the thread. */
  close(): Promise<void> {
    this.#closing ??= this.#end();
    return this.#closing;
  }

  async #end(): Promise<void> {
    const closed = this.ask(this.request(OP.close));
    this.#gone ??= new PerdureError("UNAVAILABLE", `the SQLite store ${this.#path} is closed`);
    await closed.catch(() => undefined);
    await this.#worker.terminate();
  }

  #receive(answer: unknown[]): void {
    const id = answer[0] as number;
    if (id === HINT) {
      this.#onHint();
      return;
    }
    const waiting = this.#waiting.get(id);
    this.#waiting.delete(id);
    if (this.#waiting.size === 0) this.#worker.unref();
    if (answer[1] === OK) waiting?.resolve(answer.slice(2));
    else waiting?.reject(failure(answer));
  }

  #lost(why: string, cause?: unknown): void {
    this.#gone ??= new PerdureError(
      "UNAVAILABLE",
      `the SQLite store ${this.#path} is gone: ${why}; open it again`,
      cause === undefined ? {} : { cause },
    );
    const waiting = [...this.#waiting.values()];
    this.#waiting.clear();
    for (const { reject } of waiting) reject(this.#gone);
  }
}

function failure(answer: unknown[]): Error {
  const [, kind, code, message, details] = answer as [number, number, ErrorCode, string, string];
  if (kind === REFUSED) return new SqliteError(message, code);
  return new PerdureError(code, message, { details: JSON.parse(details) as Record<string, unknown> });
}

/** Worker threads cannot run TypeScript, so from the sources the built file is used. */
function workerFile(): URL {
  const fromSources = import.meta.url.endsWith(".ts");
  return new URL(fromSources ? "../../../dist/store/sqlite/worker.js" : "./worker.js", import.meta.url);
}

const PROCESS = Symbol.for("perdure.process");

/** A random name of this process, one for all copies of this module in it. */
function processName(): string {
  const shared = globalThis as { [PROCESS]?: string };
  shared[PROCESS] ??= randomUUID();
  return shared[PROCESS];
}
