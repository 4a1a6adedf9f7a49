/**
 * Load that goes on while a store is copied, and what must be true of the copy. Every effect is written down with its idempotency key,
 * over all stores, as the world outside would see it.
 */
import { setTimeout as pass } from "node:timers/promises";
import { silentLogger } from "../../src/engine/log.ts";
import { activity, type OpenOptions, open, type Perdure, signal, workflow } from "../../src/index.ts";

/** What a step did to the world outside. */
interface Effect {
  readonly workflowId: string;
  readonly step: string;
  readonly key: string;
}

const go = signal<number>("go");

/** The world outside of all stores. */
export class World {
  readonly effects: Effect[] = [];

  /** Steps, a child, a timer and a message, as most workflows have them. */
  readonly workflows = (() => {
    const effect = activity("effect", async (step: string, ctx) => {
      this.effects.push({ workflowId: ctx.workflowId, step, key: ctx.idempotencyKey });
      await pass(2);
      return step;
    });
    const part = workflow("part", async (wf, n: number) => wf.call(effect, `part ${n}`));
    const order = workflow("order", async (wf, n: number) => {
      const first = await wf.call(effect, "first");
      const amount = await wf.waitFor(go);
      await wf.sleep("20ms");
      const child = await wf.child(part, n);
      return [first, amount, child, await wf.call(effect, "last")];
    });
    return [part, order] as const;
  })();

  /** Keys that stood for more than one thing: somebody outside would have left out the second. */
  get ambiguous(): string[] {
    const meanings = new Map<string, string>();
    const wrong: string[] = [];
    for (const { key, workflowId, step } of this.effects) {
      const meaning = `${workflowId} ${step}`;
      const known = meanings.get(key);
      if (known !== undefined && known !== meaning) wrong.push(`${key}: ${known}, then ${meaning}`);
      meanings.set(key, meaning);
    }
    return wrong;
  }

  open(store: string, options: OpenOptions = {}): Promise<Perdure> {
    return open({ store, workflows: [...this.workflows], logger: silentLogger, poll: "200ms", ...options });
  }
}

/** Starts orders and sends them what they wait for, on all engines in turn, until it is told to stop. */
export class SteadyLoad {
  readonly #world: World;
  readonly #engines: readonly Perdure[];
  readonly #name: string;
  readonly #lanes: Promise<void>[];
  #going = true;
  #next = 0;
  /** Ids of runs whose start was acknowledged, in order. */
  readonly started: string[] = [];

  constructor(world: World, engines: readonly Perdure[], name: string, lanes = 8) {
    this.#world = world;
    this.#engines = engines;
    this.#name = name;
    this.#lanes = Array.from({ length: lanes }, () => this.#run());
  }

  /** Resolves when so many more runs have been started. */
  async more(count: number): Promise<void> {
    const wanted = this.started.length + count;
    while (this.started.length < wanted) {
      await Promise.race([pass(5), ...this.#lanes.map((lane) => lane.then(() => pass(5)))]);
    }
  }

  /** Stops starting; what was started may not have ended. */
  async stop(): Promise<void> {
    this.#going = false;
    await Promise.all(this.#lanes);
  }

  async #run(): Promise<void> {
    while (this.#going) {
      const n = this.#next++;
      const engine = this.#engines[n % this.#engines.length]!;
      const id = `${this.#name}-${n}`;
      try {
        const handle = await engine.start(this.#world.workflows[1], n, { id });
        this.started.push(id);
        await handle.signal(go, n, { key: "go" });
      } catch (error) {
        if (!["UNAVAILABLE", "LEASE_LOST"].includes((error as { code?: string }).code ?? "")) throw error;
        await pass(20);
      }
      await pass(10);
    }
  }
}

/** Repeats what senders cannot know to have arrived, under the same keys, and waits until all orders have ended. */
export async function finishOrders(engine: Perdure): Promise<Map<string, unknown>> {
  const results = new Map<string, unknown>();
  for (;;) {
    const open = await engine.runs.list({ workflow: "order", status: ["pending", "running"], limit: 1000 });
    if (open.length === 0) break;
    for (const { workflowId } of open) {
      const handle = await engine.handle(workflowId);
      const n = Number(workflowId.split("-").at(-1));
      await handle.signal(go, n, { key: "go" }).catch(() => undefined);
      await handle.result({ timeout: "20s" });
    }
  }
  for (const { workflowId, status } of await engine.runs.list({ workflow: "order", limit: 10_000 })) {
    results.set(workflowId, status);
  }
  return results;
}
