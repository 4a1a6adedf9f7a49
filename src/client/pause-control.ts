/** Stopping workflows, queues or everything in a store, on all its engines, and letting them go on. */
import { PerdureError } from "../core/errors.ts";
import type { PauseRow, Store } from "../store/store.ts";

/** What is stopped: the runs of a workflow, the activities of a queue, or everything. */
export type PauseTarget = { readonly workflow: string } | { readonly queue: string } | "all";

/** A pause that is in force. */
export interface Pause {
  readonly target: PauseTarget;
  readonly reason: string;
  /** Epoch milliseconds. */
  readonly at: number;
}

/** What pausing needs. */
export interface PauseHost {
  readonly store: Store;
  now(): number;
  /** Something was stopped or lifted: lets a local engine know at once. */
  changed(): Promise<void>;
}

export class PauseControl {
  readonly #host: PauseHost;

  constructor(host: PauseHost) {
    this.#host = host;
  }

  async pause(target: PauseTarget, reason: string): Promise<void> {
    await this.#host.store.pause({ ...rowOf(target), reason, at: this.#host.now() });
    await this.#host.changed();
  }

  async unpause(target: PauseTarget): Promise<boolean> {
    const { scope, name } = rowOf(target);
    const was = await this.#host.store.unpause(scope, name);
    await this.#host.changed();
    return was;
  }

  async list(): Promise<Pause[]> {
    const rows = await this.#host.store.pauses();
    return rows.map(({ scope, name, reason, at }) => ({ target: targetOf(scope, name), reason, at }));
  }
}

function rowOf(target: PauseTarget): Pick<PauseRow, "scope" | "name"> {
  if (target === "all") return { scope: "all", name: "" };
  const { workflow, queue } = target as { workflow?: unknown; queue?: unknown };
  if (typeof workflow === "string" && workflow !== "" && queue === undefined)
    return { scope: "workflow", name: workflow };
  if (typeof queue === "string" && queue !== "" && workflow === undefined) return { scope: "queue", name: queue };
  throw new PerdureError("INVALID_ARGUMENT", 'say what is meant: { workflow: "name" }, { queue: "name" } or "all"');
}

function targetOf(scope: PauseRow["scope"], name: string): PauseTarget {
  if (scope === "all") return "all";
  return scope === "workflow" ? { workflow: name } : { queue: name };
}
