/** CPU profiles of this process, main thread and worker threads, over the part of a round that counts. */
import { mkdirSync, writeFileSync } from "node:fs";
import { Session } from "node:inspector/promises";
import { join } from "node:path";
import type { Span } from "./workloads/workload.ts";

const INTERVAL_US = 200;

/** Writes `main.cpuprofile` and `worker-N.cpuprofile`. */
export class Profiler implements Span {
  readonly #folder: string;
  readonly #session = new Session();
  readonly #workers = new Map<string, WorkerSession>();

  constructor(folder: string) {
    this.#folder = folder;
    this.#session.connect();
  }

  async begin(): Promise<void> {
    this.#session.on("NodeWorker.attachedToWorker", ({ params }) => {
      this.#workers.set(params.sessionId, new WorkerSession(this.#session, params.sessionId));
    });
    this.#session.on("NodeWorker.receivedMessageFromWorker", ({ params }) => {
      this.#workers.get(params.sessionId)?.receive(params.message);
    });
    await this.#session.post("NodeWorker.enable", { waitForDebuggerOnStart: false });
    for (const worker of this.#workers.values()) await startProfile((method, params) => worker.post(method, params));
    await startProfile((method, params) => this.#session.post(method, params));
  }

  async end(): Promise<void> {
    mkdirSync(this.#folder, { recursive: true });
    const { profile } = await this.#session.post("Profiler.stop");
    this.#write("main", profile);
    let number = 0;
    for (const worker of this.#workers.values()) {
      const answer = (await worker.post("Profiler.stop")) as { profile: object };
      this.#write(`worker-${++number}`, answer.profile);
    }
    await this.#session.post("NodeWorker.disable");
    this.#session.disconnect();
  }

  #write(name: string, profile: object): void {
    writeFileSync(join(this.#folder, `${name}.cpuprofile`), JSON.stringify(profile));
  }
}

async function startProfile(post: (method: string, params?: object) => Promise<unknown>): Promise<void> {
  await post("Profiler.enable");
  await post("Profiler.setSamplingInterval", { interval: INTERVAL_US });
  await post("Profiler.start");
}

/** The inspector of a worker thread, spoken to through the one of the main thread. */
class WorkerSession {
  readonly #session: Session;
  readonly #sessionId: string;
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #nextId = 1;

  constructor(session: Session, sessionId: string) {
    this.#session = session;
    this.#sessionId = sessionId;
  }

  async post(method: string, params: object = {}): Promise<unknown> {
    const id = this.#nextId++;
    const answered = new Promise((resolve) => this.#waiting.set(id, resolve));
    const message = JSON.stringify({ id, method, params });
    await this.#session.post("NodeWorker.sendMessageToWorker", { sessionId: this.#sessionId, message });
    return answered;
  }

  receive(message: string): void {
    const { id, result } = JSON.parse(message) as { id?: number; result?: unknown };
    if (id !== undefined) this.#waiting.get(id)?.(result);
  }
}
