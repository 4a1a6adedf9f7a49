/** What an engine can run: workflows by name and version, activities by name. Isolated per engine; nothing is global. */
import { PerdureError } from "../core/errors.ts";
import type { Store } from "../store/store.ts";
import { type ActivityContext, type AnyActivity, activity, isActivity } from "../workflow/activity.ts";
import { type AnyWorkflow, isWorkflow } from "../workflow/workflow.ts";

/** Activities as `open` accepts them: a list, or a record of activities or plain functions by name. */
export type ActivitySet =
  | readonly AnyActivity[]
  // biome-ignore lint/suspicious/noExplicitAny: any handler is welcome here
  | Readonly<Record<string, (input: any, ctx: ActivityContext) => unknown>>;

export class Registry {
  readonly #workflows = new Map<string, AnyWorkflow>();
  readonly #activities = new Map<string, AnyActivity>();
  /** Older definitions of declarative workflows, by hash. */
  readonly #revived = new Map<string, AnyWorkflow>();

  /** @throws PerdureError `INVALID_ARGUMENT` for duplicates and things that are neither workflow nor activity. */
  constructor(workflows: readonly AnyWorkflow[], activities: ActivitySet) {
    for (const one of workflows) this.#addWorkflow(one);
    if (Array.isArray(activities))
      for (const one of activities as readonly AnyActivity[]) this.#addActivity(one.activityName, one);
    else
      for (const [name, one] of Object.entries(activities))
        this.#addActivity(name, isActivity(one) ? one : activity(name, one as never));
  }

  #addWorkflow(one: AnyWorkflow): void {
    if (!isWorkflow(one))
      throw new PerdureError(
        "INVALID_ARGUMENT",
        "open({ workflows }) takes what workflow(…), flow(…) or graph(…) returned",
      );
    if (this.#workflows.has(one.name))
      throw new PerdureError("INVALID_ARGUMENT", `two workflows are named ${JSON.stringify(one.name)}`);
    this.#workflows.set(one.name, one);
  }

  #addActivity(name: string, one: AnyActivity): void {
    if (!isActivity(one))
      throw new PerdureError(
        "INVALID_ARGUMENT",
        `open({ activities }): ${JSON.stringify(name)} is neither an activity nor a function`,
      );
    if (this.#activities.has(name))
      throw new PerdureError("INVALID_ARGUMENT", `two activities are named ${JSON.stringify(name)}`);
    this.#activities.set(name, one);
  }

  get workflowNames(): readonly string[] {
    return [...this.#workflows.keys()];
  }

  get activityNames(): readonly string[] {
    return [...this.#activities.keys()];
  }

  activity(name: string): AnyActivity | undefined {
    return this.#activities.get(name);
  }

  /** The current definition of a workflow. */
  workflow(name: string): AnyWorkflow | undefined {
    return this.#workflows.get(name);
  }

  /** The definition a run is pinned to, or undefined when this engine has none. */
  async pinned(name: string, version: string | null, store: Store): Promise<AnyWorkflow | undefined> {
    const current = this.#workflows.get(name);
    if (current === undefined || (current.version ?? null) === version) return current;
    if (version === null || current.revive === undefined) return undefined;
    const known = this.#revived.get(version);
    if (known !== undefined) return known;
    const stored = await store.definition(version);
    if (stored === undefined) return undefined;
    const revived = current.revive(stored.body);
    this.#revived.set(version, revived);
    return revived;
  }
}
