/**
 * What people have stopped, as far as this engine knows: workflows, queues, everything. Read from the store with every look for work,
 * so that all engines of a store know it within a poll.
 */
import type { CodeKey, PauseRow } from "../store/store.ts";

/** Queue of the activities whose name has no slash. */
export const DEFAULT_QUEUE = "default";

/** The queue an activity belongs to: `etl` for `etl/extract`. */
export function queueOf(activity: string): string {
  const slash = activity.indexOf("/");
  return slash <= 0 ? DEFAULT_QUEUE : activity.slice(0, slash);
}

export class Pauses {
  #known = "";
  #all = false;
  #workflows: ReadonlySet<string> = new Set();
  #queues: ReadonlySet<string> = new Set();

  /** Whether anything is stopped. */
  get any(): boolean {
    return this.#all || this.#workflows.size > 0 || this.#queues.size > 0;
  }

  /** Takes over what the store says. @returns whether it is something new */
  update(rows: readonly PauseRow[]): boolean {
    const names = (scope: PauseRow["scope"]): string[] =>
      rows.filter((row) => row.scope === scope).map(({ name }) => name);
    const known = JSON.stringify([names("all"), names("workflow"), names("queue")]);
    if (known === this.#known) return false;
    this.#known = known;
    this.#all = names("all").length > 0;
    this.#workflows = new Set(names("workflow"));
    this.#queues = new Set(names("queue"));
    return true;
  }

  /** Whether runs of a workflow stand still. */
  stopsWorkflow(name: string): boolean {
    return this.#all || this.#workflows.has(name);
  }

  /** Workflows whose runs stand still, beside {@link all}. */
  get workflows(): readonly string[] {
    return [...this.#workflows];
  }

  /** Whether everything stands still. */
  get all(): boolean {
    return this.#all;
  }

  /** Whether activities of a queue are not started. */
  stopsQueue(name: string): boolean {
    return this.#all || this.#queues.has(name);
  }

  /** The code without that of workflows that stand still. */
  running(code: readonly CodeKey[]): readonly CodeKey[] {
    return this.any ? code.filter(({ workflow }) => !this.stopsWorkflow(workflow)) : code;
  }
}
