/** Looks at a store and its engine every few seconds while they work. */
import type { Store } from "perdure/store";
import type { Probe, TableState } from "./probe.ts";

/** How things stood at a moment. */
export interface Sample {
  /** Seconds since the load began. */
  readonly at: number;
  /** Runs that have ended so far. */
  readonly done: number;
  /** Runs that ended in each second since the last sample. */
  readonly perSecond: number;
  readonly bytes: number;
  readonly rows: number;
  readonly dead: number;
  readonly tables: readonly TableState[];
  readonly rssMb: number;
  readonly heapMb: number;
  /** What questions took, in ms: the fastest of a few, as the machine is busy. */
  readonly find: number;
  readonly list: number;
  readonly claim: number;
}

const TRIES = 5;

export class Sampler {
  readonly samples: Sample[] = [];
  readonly #probe: Probe;
  readonly #store: Store;
  readonly #done: () => number;
  readonly #startedAt = performance.now();
  readonly #seen: (sample: Sample) => void;
  #timer: NodeJS.Timeout | undefined;
  #looking: Promise<void> | undefined;

  /** `store` is a connection of its own: its questions are measured. */
  constructor(probe: Probe, store: Store, done: () => number, seen: (sample: Sample) => void) {
    this.#probe = probe;
    this.#store = store;
    this.#done = done;
    this.#seen = seen;
  }

  start(everyMs: number): void {
    this.#timer = setInterval(() => {
      this.#looking ??= this.look().finally(() => {
        this.#looking = undefined;
      });
    }, everyMs);
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#looking;
  }

  async look(): Promise<void> {
    const at = (performance.now() - this.#startedAt) / 1000;
    const done = this.#done();
    const before = this.samples.at(-1) ?? { at: 0, done: 0 };
    const tables = await this.#probe.tables();
    const questions = await this.#questions();
    const rows = await this.#rows(tables);
    const { rss, heapUsed } = process.memoryUsage();
    const sum = (of: (table: TableState) => number): number => tables.reduce((total, table) => total + of(table), 0);
    const sample = {
      at,
      done,
      perSecond: (done - before.done) / (at - before.at),
      bytes: sum(({ bytes, indexBytes }) => bytes + indexBytes),
      rows,
      dead: sum(({ dead }) => dead),
      tables,
      rssMb: rss / 1e6,
      heapMb: heapUsed / 1e6,
      ...questions,
    };
    this.samples.push(sample);
    this.#seen(sample);
  }

  /** Runs in the store; where nobody counts them, the numbers between the oldest and the newest. */
  async #rows(tables: readonly TableState[]): Promise<number> {
    const table = tables.find(({ name }) => name === "workflow_runs");
    if (table !== undefined) return table.live;
    const [oldest] = await this.#store.list({ after: 0, limit: 1 });
    const [newest] = await this.#store.list({ limit: 1 });
    return oldest === undefined || newest === undefined ? 0 : newest.run - oldest.run + 1;
  }

  async #questions(): Promise<Pick<Sample, "find" | "list" | "claim">> {
    const store = this.#store;
    const [newest] = await store.list({ limit: 1 });
    const lease = await store.register({ label: "soak", at: Date.now(), ttlMs: 60_000 });
    const nobody = [{ workflow: "nobody" }];
    try {
      return {
        find: await fastest(() => store.find({ workflowId: newest?.workflowId ?? "none" })),
        list: await fastest(() => store.list({ workflow: "parent", limit: 100 })),
        claim: await fastest(() => store.claim(lease, { code: nobody, limit: 100, at: Date.now() })),
      };
    } finally {
      await store.release(lease, Date.now());
    }
  }
}

async function fastest(ask: () => Promise<unknown>): Promise<number> {
  let best = Number.POSITIVE_INFINITY;
  for (let n = 0; n < TRIES; n++) {
    const from = performance.now();
    await ask();
    best = Math.min(best, performance.now() - from);
  }
  return best;
}
