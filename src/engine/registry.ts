/** What an engine can run: workflows by name and version, activities by name. Isolated per engine; nothing is global. */
import { PerdureError } from "../core/errors.ts";
import type { StandardSchemaV1 } from "../core/schema.ts";
import type { CodeKey, Store } from "../store/store.ts";
import { type ActivityContext, type AnyActivity, activity, activityParts, isActivity } from "../workflow/activity.ts";
import { SCHEDULE_WORKFLOW, scheduleWorkflow } from "../workflow/schedule.ts";
import { type AnyWorkflow, isWorkflow } from "../workflow/workflow.ts";
import { queueOf } from "./pauses.ts";

/** Activities as `open` accepts them: a list, or a record of activities or plain functions by name. */
export type ActivitySet =
  | readonly AnyActivity[]
  // biome-ignore lint/suspicious/noExplicitAny: any handler is welcome here
  | Readonly<Record<string, (input: any, ctx: ActivityContext) => unknown>>;

/** Version that new starts of a workflow get, by its name, unless the start says which. Default: the one that was given last. */
export type Routes = Readonly<Record<string, string>>;

export class Registry {
  /** Versions of each workflow, in the order in which they were given. */
  readonly #workflows = new Map<string, AnyWorkflow[]>();
  readonly #routes: Routes;
  readonly #activities = new Map<string, AnyActivity>();
  /** Older definitions of declarative workflows, by hash. */
  readonly #revived = new Map<string, AnyWorkflow>();
  /** What runs in place of children of a name. */
  readonly #standIns = new Map<string, AnyWorkflow>();
  /** Queues whose activities run here; undefined: all. */
  readonly #served: ReadonlySet<string> | undefined;
  /** Queues that have a limit in all of the store. */
  #limited: ReadonlySet<string> = new Set();
  #handsOutSome: boolean;
  readonly #provided = new Set<string>();
  readonly #outputs = new Map<string, StandardSchemaV1>();
  /** Called when one more is {@link provided}. */
  onProvided: () => void = () => {};

  /**
   * @param serves Queues whose activities run here. Default: all.
   * @throws PerdureError `INVALID_ARGUMENT` for duplicates and things that are neither workflow nor activity.
   */
  constructor(
    workflows: readonly AnyWorkflow[],
    activities: ActivitySet,
    routes: Routes = {},
    serves?: readonly string[],
  ) {
    this.#routes = routes;
    this.#served = serves === undefined ? undefined : new Set(serves);
    this.#handsOutSome = serves !== undefined;
    for (const one of workflows) this.#addWorkflow(one);
    for (const [name, version] of Object.entries(routes)) this.#checkRoute(name, version);
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
    if (one.name === SCHEDULE_WORKFLOW)
      throw new PerdureError("INVALID_ARGUMENT", `no workflow can be named ${SCHEDULE_WORKFLOW}: schedules are`);
    const versions = this.#workflows.get(one.name) ?? [];
    if (versions.some(({ version }) => version === one.version)) {
      const what = one.version === undefined ? JSON.stringify(one.name) : `${one.name}@${one.version}`;
      throw new PerdureError("INVALID_ARGUMENT", `two workflows are named ${what}; give them different versions`);
    }
    versions.push(one);
    this.#workflows.set(one.name, versions);
  }

  #checkRoute(name: string, version: string): void {
    if (this.#versioned(name, version) !== undefined) return;
    const has = (this.#workflows.get(name) ?? []).map((one) => one.version ?? "unversioned").join(", ") || "none";
    throw new PerdureError(
      "INVALID_ARGUMENT",
      `routes send ${name} to version ${version}, which is not given; it has ${has}`,
    );
  }

  #versioned(name: string, version: string | undefined): AnyWorkflow | undefined {
    return this.#workflows.get(name)?.find((one) => one.version === version);
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

  /** Queues whose activities run here, as they were given; undefined: all. */
  get serves(): readonly string[] | undefined {
    return this.#served === undefined ? undefined : [...this.#served];
  }

  /** Activities that can be run here for others: of queues that are served. */
  *served(): Iterable<AnyActivity> {
    for (const [name, one] of this.#activities) if (!this.elsewhere(name)) yield one;
  }

  get servedNames(): readonly string[] {
    return Array.from(this.served(), ({ activityName }) => activityName);
  }

  /** Whether an activity is none of this engine's: its queue is not served here. */
  elsewhere(name: string): boolean {
    return this.#served !== undefined && !this.#served.has(queueOf(name));
  }

  /** These queues have a limit in all of the store: their activities are handed out, as only the store can count them. */
  limit(queues: Iterable<string>): void {
    this.#limited = new Set(queues);
    this.#handsOutSome = this.#served !== undefined || this.#limited.size > 0;
  }

  /**
   * The queue whose tasks the attempts of an activity are, or undefined when they run where their run is. One that is not `known` here can
   * only be handed out when its queue is none of this engine's.
   */
  taskQueue(activity: string, known: boolean): string | undefined {
    if (!this.#handsOutSome) return undefined;
    const queue = queueOf(activity);
    return this.elsewhere(activity) || (known && this.#limited.has(queue)) ? queue : undefined;
  }

  /** Adds an activity that calls by name find from now on, unless there is one of this name. */
  provide(one: AnyActivity): void {
    const { activityName: name } = one;
    if (!this.#activities.has(name)) this.#activities.set(name, one);
    if (this.#provided.has(name) || this.elsewhere(name)) return;
    this.#provided.add(name);
    this.onProvided();
  }

  /** Remembers the schema of an activity's output: activities that are called by reference are not registered. */
  rememberOutput(one: AnyActivity): void {
    const { output } = activityParts(one).config;
    if (output !== undefined) this.#outputs.set(one.activityName, output);
  }

  /** The schema that the output of an activity goes through, as far as it is known here. */
  outputOf(activity: string): StandardSchemaV1 | undefined {
    const known = this.#activities.get(activity);
    return known === undefined ? this.#outputs.get(activity) : activityParts(known).config.output;
  }

  /** Names of the activities that runs here have handed out though their queue is served here, too. */
  get provided(): readonly string[] {
    return [...this.#provided];
  }

  /** From now on runs this in place of children of its name. Its version tells it from the real one. */
  standIn(one: AnyWorkflow): void {
    this.#standIns.set(one.name, one);
  }

  /** The definition of a workflow that a child gets. */
  child(of: string | AnyWorkflow): AnyWorkflow | undefined {
    return this.#standIns.get(typeof of === "string" ? of : of.name) ?? this.workflow(of);
  }

  /** What runs may need that this engine has. */
  get code(): readonly CodeKey[] {
    const keys: CodeKey[] = [];
    for (const [workflow, versions] of this.#workflows) {
      if (versions.some(({ revive }) => revive !== undefined)) keys.push({ workflow });
      else for (const { version = null } of versions) keys.push({ workflow, version });
    }
    for (const { name, version = null } of this.#standIns.values()) keys.push({ workflow: name, version });
    return keys;
  }

  /** The same for schedules: those of each workflow that is here. */
  get schedules(): readonly CodeKey[] {
    return this.workflowNames.map((version) => ({ workflow: SCHEDULE_WORKFLOW, version }));
  }

  /** The definition of a workflow that a start gets: the one that is meant, in this version, or where starts are routed. */
  workflow(of: string | AnyWorkflow, version?: string): AnyWorkflow | undefined {
    const name = typeof of === "string" ? of : of.name;
    if (typeof of !== "string" && version === undefined) return this.#versioned(name, of.version);
    const wanted = version ?? this.#routes[name];
    return wanted === undefined ? this.#workflows.get(name)?.at(-1) : this.#versioned(name, wanted);
  }

  /** The definition a run is pinned to, or undefined when this engine has none. */
  async pinned(
    name: string,
    version: string | null,
    store: Pick<Store, "definition">,
  ): Promise<AnyWorkflow | undefined> {
    if (name === SCHEDULE_WORKFLOW) return this.#schedule(version);
    const standIn = this.#standIns.get(name);
    if (standIn !== undefined && standIn.version === version) return standIn;
    const given = this.#versioned(name, version ?? undefined);
    const reviver = this.#workflows.get(name)?.find(({ revive }) => revive !== undefined);
    if (given !== undefined || version === null || reviver?.revive === undefined) return given;
    const known = this.#revived.get(version);
    if (known !== undefined) return known;
    const stored = await store.definition(version);
    if (stored === undefined) return undefined;
    const revived = reviver.revive(stored.body);
    this.#revived.set(version, revived);
    return revived;
  }

  /** The workflow of the schedules of a workflow that is here. */
  #schedule(target: string | null): AnyWorkflow | undefined {
    return target !== null && this.#workflows.has(target) ? scheduleWorkflow(target) : undefined;
  }
}
