/**
 * Runs attempts of other engines' steps, and of this one's that the whole store counts: claims tasks of the queues it serves, as many as it has
 * places for, carries them out, shows that they are alive and settles them.
 *
 * Owner: the engine. Invariants:
 * - a task is claimed only with a place taken for it, and the place is given back when its attempt ends, in whatever way;
 * - rule 20: no attempt begins while the lease may be lost, and all are aborted when it is;
 * - what the store says this engine has is what runs here: what was withdrawn (its step was cancelled, its run has ended) is aborted at the
 *   next look, what got lost on the way here is given back.
 */
import { CancelledError } from "../core/cancelled.ts";
import { isPerdureError } from "../core/errors.ts";
import { toFailure } from "../core/failure.ts";
import type { ClaimedTask, Lease, Store, TaskKey, TaskWant } from "../store/store.ts";
import type { AnyActivity } from "../workflow/activity.ts";
import type { CancelTimer } from "./clock.ts";
import { foreignOutcome } from "./foreign-outcome.ts";
import type { Pauses } from "./pauses.ts";
import type { Registry } from "./registry.ts";
import type { Secrets } from "./secrets.ts";
import type { Slots, TaskLane, UnusedPlace } from "./slots.ts";
import type { StepRun } from "./step-run.ts";
import { TaskEnds, type TaskEndsHost } from "./task-ends.ts";
import { TaskRun, type TaskRunHost } from "./task-run.ts";

/** What the desk needs from its engine. */
export interface TaskDeskHost
  extends TaskEndsHost,
    Omit<TaskRunHost, "storeId" | "ended" | "beat" | "completionToken"> {
  readonly store: Store;
  readonly registry: Registry;
  readonly pauses: Pauses;
  readonly services: Pick<TaskRunHost, "completionToken">;
  /** The only runs to work for, or undefined for all. */
  readonly ownRuns: ReadonlySet<number> | undefined;
  unseal(text: string): string;
}

/** So many at a time, whatever the limits allow: the others are left to other engines. */
const MOST_RUNNING = 1000;
/** Looks that hints ask for are at least this far apart. */
const MOST_OFTEN_MS = 25;
/** Looks for withdrawn tasks that hints ask for are at least this far apart. */
const CHECK_MS = 500;
const BEAT_MS = 250;
/** Rest after a task this engine is not able to run. */
const REST_MS = 1000;

/** What one look wants, and the places it has taken. */
interface Wanted {
  readonly want: TaskWant;
  /** Undefined: the activities have no limit here. */
  readonly places: UnusedPlace[] | undefined;
}

export class TaskDesk implements TaskRunHost {
  readonly #host: TaskDeskHost;
  readonly #slots: Slots;
  readonly #ends: TaskEnds;
  readonly #running = new Map<string, TaskRun>();
  /** Tasks whose activity said that it is alive since that was last written. */
  readonly #beating = new Set<TaskRun>();
  /** What the store says is this engine's but is not here, at the last look. */
  #astray = new Set<string>();
  #looking: Promise<void> | undefined;
  #again = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  /** Nothing is taken before. */
  #restUntil = Number.NEGATIVE_INFINITY;
  #checkedAt = Number.NEGATIVE_INFINITY;
  #checking: Promise<void> | undefined;
  #timer: CancelTimer | undefined;
  #beatTimer: CancelTimer | undefined;
  #unwatch: (() => void) | undefined;
  #open = false;

  constructor(host: TaskDeskHost, slots: Slots) {
    this.#host = host;
    this.#slots = slots;
    this.#ends = new TaskEnds(host);
  }

  start(): void {
    this.#open = true;
    this.#unwatch = this.#host.store.watch(() => this.#hinted());
    this.hint();
  }

  /** Whether this engine could run anything for others. */
  get serves(): boolean {
    for (const _ of this.#host.registry.served()) return true;
    return false;
  }

  /** Whether something is on its way between here and the store; attempts that run are not asked. */
  get busy(): boolean {
    return this.#looking !== undefined || this.#checking !== undefined || this.#ends.busy;
  }

  // ---- looking for tasks -----------------------------------------------------------------------------------------------

  /** There may be tasks: looks at once. */
  hint(): void {
    if (!this.#open) return;
    if (this.#looking !== undefined) {
      this.#again = true;
      return;
    }
    this.#timer?.();
    this.#timer = undefined;
    this.#looking = this.#look().finally(() => {
      this.#looking = undefined;
      if (!this.#again) return;
      this.#again = false;
      this.hint();
    });
  }

  /** Somebody changed something: looks soon. */
  #hinted(): void {
    if (this.#running.size > 0 && this.#since(this.#checkedAt) >= CHECK_MS) void this.check();
    const wait = MOST_OFTEN_MS - this.#since(this.#lookedAt);
    if (wait <= 0) this.hint();
    else this.#timer ??= this.#host.clock.after(wait, () => this.hint());
  }

  /** The engine looks for work: here, too, unless that was done a moment ago. */
  poll(everyMs: number): void {
    if (this.#since(this.#lookedAt) >= everyMs / 2) this.hint();
  }

  #since(monotonicMs: number): number {
    return this.#host.clock.monotonic() - monotonicMs;
  }

  async #look(): Promise<void> {
    this.#lookedAt = this.#host.clock.monotonic();
    const { pauses, store, clock } = this.#host;
    const lease = this.#host.lease();
    if (lease === undefined || pauses.all || clock.monotonic() < this.#restUntil) return;
    const wanted = this.#wanted();
    if (wanted.length === 0) return;
    const { ownRuns } = this.#host;
    try {
      const tasks = await store.claimTasks(lease, {
        wants: wanted.map(({ want }) => want),
        at: clock.now(),
        notOf: pauses.workflows,
        ...(ownRuns !== undefined && { runs: [...ownRuns] }),
      });
      if (lease !== this.#host.lease()) return;
      if (!this.#open) await store.returnTasks(lease, tasks);
      else for (const task of tasks) this.#begin(task, wanted);
      if (wanted.some(({ want }) => want.limit > 0 && tasks.filter(isWantedBy(want)).length === want.limit))
        this.#again = true;
    } catch (error) {
      if (this.#open) this.#host.log.warn({ error: String(error) }, "looking for tasks failed; trying again");
    } finally {
      for (const { places } of wanted) for (const place of places ?? []) place.giveBack();
    }
  }

  /** As many tasks as there are places, lane by lane. */
  #wanted(): Wanted[] {
    const wanted: Wanted[] = [];
    let room = MOST_RUNNING - this.#running.size;
    const lanes = this.#slots.taskLanes(this.#host.registry.served());
    for (const lane of lanes.sort(byQueue)) {
      if (room <= 0) break;
      const places = this.#slots.places(lane, room, () => this.hint());
      const limit = places?.length ?? room;
      if (limit === 0) continue;
      wanted.push({ want: { queue: lane.queue, activities: lane.activities, limit }, places });
      // Lanes without a limit share what is left; what that claims too much is not much.
      if (places !== undefined) room -= limit;
    }
    return wanted;
  }

  // ---- running them ----------------------------------------------------------------------------------------------------

  #begin(task: ClaimedTask, wanted: readonly Wanted[]): void {
    let run: TaskRun | undefined;
    try {
      run = this.#made(task);
    } catch (error) {
      this.#leave(task, error as Error);
    }
    if (run === undefined) return;
    run.step.ticket = wanted.find(({ want }) => isWantedBy(want)(task))?.places?.pop();
    this.#running.set(nameOf(task), run);
    this.#astray.delete(nameOf(task));
    run.step.begin();
  }

  #made(task: ClaimedTask): TaskRun | undefined {
    const { run: u, command: c, generation: g, attempt: a, secrets } = task;
    try {
      const activity = this.#host.registry.activity(task.activity) as AnyActivity;
      const known = secrets === null ? {} : (JSON.parse(this.#host.unseal(secrets)) as Secrets);
      return new TaskRun(this, task, activity, known);
    } catch (error) {
      if (isPerdureError(error, "INCOMPATIBLE_STORE")) throw error;
      this.#ends.add(task, foreignOutcome({ c, g, a, u, e: toFailure(error) }));
      return undefined;
    }
  }

  /** This engine cannot read the secrets of a task: that is no failure of the attempt, and others may be able to. */
  #leave(task: ClaimedTask, error: Error): void {
    const lease = this.#host.lease();
    if (lease === undefined) return;
    this.#restUntil = this.#host.clock.monotonic() + REST_MS;
    this.#host.log.error(
      { run: task.run, workflowId: task.workflowId, error: String(error) },
      `a task of ${task.activity} cannot be run by this engine and is left to others: ${error.message}`,
    );
    this.#host.store
      .returnTasks(lease, [task])
      .catch((failed: unknown) =>
        this.#host.log.warn(
          { run: task.run, error: String(failed) },
          "returning a task failed; it is found by the next check",
        ),
      );
  }

  ended(run: TaskRun, outcome: string): void {
    this.#forget(run);
    this.#ends.add(run.task, outcome);
    // Its place is free.
    if (this.#running.size === MOST_RUNNING - 1) this.hint();
  }

  #forget(run: TaskRun): void {
    this.#beating.delete(run);
    if (this.#running.get(nameOf(run.task)) === run) this.#running.delete(nameOf(run.task));
  }

  #stop(run: TaskRun, reason: Error): void {
    this.#forget(run);
    run.step.stop(reason);
  }

  // ---- signs of life ---------------------------------------------------------------------------------------------------

  beat(run: TaskRun): void {
    this.#beating.add(run);
    this.#beatTimer ??= this.#host.clock.after(BEAT_MS, () => {
      this.#beatTimer = undefined;
      void this.check();
    });
  }

  /** The lease was renewed: looks after what runs, and for what a claim took whose answer was lost, however late it arrived. */
  async renewed(): Promise<void> {
    if (this.serves) await this.check();
  }

  /** Tells the store which tasks are alive and aborts those that are not this engine's any more. */
  check(): Promise<void> {
    this.#checking ??= this.#check()
      .catch((error: unknown) => {
        if (this.#open)
          this.#host.log.warn({ error: String(error) }, "looking after running tasks failed; trying again");
      })
      .finally(() => {
        this.#checking = undefined;
      });
    return this.#checking;
  }

  async #check(): Promise<void> {
    const lease = this.#host.lease();
    if (lease === undefined) return;
    this.#checkedAt = this.#host.clock.monotonic();
    const before = new Map(this.#running);
    const beats = [...this.#beating].map(({ task, step }) => ({ ...keyOf(task), details: step.heartbeatText }));
    this.#beating.clear();
    const claiming = this.#looking !== undefined;
    const held = await this.#host.store.beatTasks(lease, beats, this.#host.clock.now());
    if (lease !== this.#host.lease()) return;
    const names = new Set(held.map(nameOf));
    for (const [name, run] of before)
      if (!names.has(name) && this.#running.get(name) === run)
        this.#stop(run, new CancelledError("the step was cancelled or settled otherwise, or its run has ended"));
    if (!claiming && this.#looking === undefined) await this.#giveBackAstray(lease, held);
  }

  /** A claim whose answer was lost: what it took is not here. It is given back when that is so twice in a row. */
  async #giveBackAstray(lease: Lease, held: readonly TaskKey[]): Promise<void> {
    const astray = held.filter((key) => !this.#running.has(nameOf(key)) && !this.#ends.has(key.run, key.command));
    const twice = astray.filter((key) => this.#astray.has(nameOf(key)));
    this.#astray = new Set(astray.map(nameOf));
    if (twice.length > 0) await this.#host.store.returnTasks(lease, twice);
  }

  // ---- TaskRunHost -----------------------------------------------------------------------------------------------------

  get storeId(): string {
    return this.#host.store.id;
  }

  get clock(): TaskDeskHost["clock"] {
    return this.#host.clock;
  }

  get log(): TaskDeskHost["log"] {
    return this.#host.log;
  }

  get observers(): TaskDeskHost["observers"] {
    return this.#host.observers;
  }

  get codec(): TaskDeskHost["codec"] {
    return this.#host.codec;
  }

  get deps(): unknown {
    return this.#host.deps;
  }

  get around(): TaskDeskHost["around"] {
    return this.#host.around;
  }

  mayStartTask(step: StepRun): boolean {
    return this.#host.mayStartTask(step);
  }

  watch(step: StepRun): void {
    this.#host.watch(step);
  }

  completionToken(...of: Parameters<TaskRunHost["completionToken"]>): string {
    return this.#host.services.completionToken(...of);
  }

  // ---- ending ----------------------------------------------------------------------------------------------------------

  /** The lease is gone, and all tasks with it. */
  leaseLost(reason: string): void {
    for (const run of [...this.#running.values()]) this.#stop(run, new DOMException(reason, "AbortError"));
    this.#ends.clear();
    this.#astray.clear();
  }

  /** Stops for good: attempts are aborted and left to others, what has ended is still told. */
  async close(): Promise<void> {
    this.#open = false;
    this.#unwatch?.();
    this.#timer?.();
    this.#beatTimer?.();
    for (const run of [...this.#running.values()])
      this.#stop(run, new DOMException("the engine shuts down", "AbortError"));
    await this.#looking;
    await this.#checking;
    await this.#ends.settled();
  }
}

function byQueue(a: TaskLane, b: TaskLane): number {
  return a.queue < b.queue ? -1 : a.queue > b.queue ? 1 : 0;
}

function isWantedBy({ queue, activities }: TaskWant): (task: ClaimedTask) => boolean {
  return (task) => task.queue === queue && activities.includes(task.activity);
}

function keyOf({ run, command, generation, attempt }: TaskKey): TaskKey {
  return { run, command, generation, attempt };
}

function nameOf({ run, command, generation, attempt }: TaskKey): string {
  return `${run}/${command}/${generation}/${attempt}`;
}
