/** Tasks in memory. Owned by {@link Tables}; nothing here is asynchronous. */
import type {
  AttemptRow,
  ClaimedTask,
  NewTask,
  QueueLimit,
  QueueRow,
  TaskBeat,
  TaskClaim,
  TaskEnd,
  TaskKey,
  TaskRow,
  WaitingActivity,
} from "../store.ts";
import { isAdvancing } from "./advancing.ts";
import { deliver } from "./delivery.ts";
import { compare } from "./queries.ts";
import type { Tables } from "./tables.ts";

interface MemoryTask extends TaskKey, NewTask {
  details: string | null;
  owner: number | null;
  startedAt: number | null;
  beatAt: number | null;
}

export class MemoryTasks {
  readonly #tables: Tables;
  /** By run and command; in each the order of writing. */
  readonly #byRun = new Map<number, Map<number, MemoryTask>>();
  /** Those that nobody has, in the order of writing. */
  readonly #waiting = new Set<MemoryTask>();
  readonly #claimed = new Set<MemoryTask>();
  readonly #limits = new Map<string, number>();

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  /** An attempt row was written: its task comes, stays or goes. */
  follow(run: number, { command, attempt, task }: AttemptRow): void {
    if (task === true) return;
    this.remove(run, command);
    if (task === undefined) return;
    const made: MemoryTask = { ...task, run, command, attempt, owner: null, startedAt: null, beatAt: null };
    const tasks = this.#byRun.get(run) ?? new Map<number, MemoryTask>();
    this.#byRun.set(run, tasks.set(command, made));
    this.#waiting.add(made);
  }

  remove(run: number, command: number): void {
    const tasks = this.#byRun.get(run);
    const task = tasks?.get(command);
    if (tasks === undefined || task === undefined) return;
    tasks.delete(command);
    if (tasks.size === 0) this.#byRun.delete(run);
    this.#waiting.delete(task);
    this.#claimed.delete(task);
  }

  removeRun(run: number): void {
    for (const command of [...(this.#byRun.get(run)?.keys() ?? [])]) this.remove(run, command);
  }

  claim(engine: number, { wants, at, runs, notOf }: TaskClaim): ClaimedTask[] {
    if (this.#waiting.size === 0) return [];
    const taken: ClaimedTask[] = [];
    for (const { queue, activities, limit } of wants) {
      let room = Math.min(limit, this.#room(queue));
      for (const task of this.#waiting) {
        if (room <= 0) break;
        const fits = task.queue === queue && activities.includes(task.activity) && !notOf.includes(task.workflow);
        const row = this.#tables.runs.get(task.run)!.row;
        if (!fits || !isAdvancing(row) || (runs !== undefined && !runs.includes(task.run))) continue;
        this.#waiting.delete(task);
        this.#claimed.add(task);
        Object.assign(task, { owner: engine, startedAt: at, beatAt: at });
        taken.push(this.#withRun(task));
        room--;
      }
    }
    return taken;
  }

  #room(queue: string): number {
    const limit = this.#limits.get(queue) ?? Number.POSITIVE_INFINITY;
    return limit - [...this.#claimed].filter((task) => task.queue === queue).length;
  }

  #withRun(task: MemoryTask): ClaimedTask {
    const { run, command, generation, attempt, queue, activity, workflow, input, body, details, at: createdAt } = task;
    const { row, secrets } = this.#tables.runs.get(run)!;
    const key = { run, command, generation, attempt };
    return { ...key, queue, activity, workflow, workflowId: row.workflowId, input, body, details, secrets, createdAt };
  }

  beat(engine: number, beats: readonly TaskBeat[], at: number): TaskKey[] {
    for (const beat of beats) {
      const task = this.#held(engine, beat);
      if (task === undefined) continue;
      task.beatAt = at;
      task.details = beat.details ?? task.details;
    }
    return [...this.#claimed].filter(({ owner }) => owner === engine).map(keyOf);
  }

  settle(engine: number, ends: readonly TaskEnd[]): boolean[] {
    return ends.map((end) => {
      const task = this.#held(engine, end);
      if (task !== undefined) this.#end(task, end.data, end.at);
      return task !== undefined;
    });
  }

  #end({ run, command }: MemoryTask, data: string, at: number): void {
    this.remove(run, command);
    deliver(this.#tables, { run, kind: "outcome", name: "", data, at, key: null });
  }

  /** Lets go of tasks. */
  giveBack(engine: number, keys: readonly TaskKey[]): void {
    for (const key of keys) {
      const task = this.#held(engine, key);
      if (task === undefined) continue;
      Object.assign(task, { owner: null, startedAt: null, beatAt: null });
      this.#claimed.delete(task);
      this.#waiting.add(task);
    }
  }

  /** An engine is gone: its tasks wait again, or their attempts were lost. Returns how many there were. */
  leave(engine: number, at: number, lost: boolean): number {
    const tasks = [...this.#claimed].filter(({ owner }) => owner === engine);
    if (!lost) this.giveBack(engine, tasks);
    else for (const task of tasks) this.#end(task, lostOutcome(task), at);
    return tasks.length;
  }

  #held(engine: number, { run, command, generation, attempt }: TaskKey): MemoryTask | undefined {
    const task = this.#byRun.get(run)?.get(command);
    const same = task?.owner === engine && task.generation === generation && task.attempt === attempt;
    return same ? task : undefined;
  }

  ofRun(run: number): TaskRow[] {
    const tasks = [...(this.#byRun.get(run)?.values() ?? [])].sort((a, b) => a.command - b.command);
    return tasks.map((task) => {
      const { queue, activity, at: createdAt, owner: engine, startedAt, beatAt } = task;
      return { ...keyOf(task), queue, activity, createdAt, engine, startedAt, beatAt };
    });
  }

  queues(): QueueRow[] {
    const rows = new Map<string, QueueRow>();
    const rowOf = (queue: string): QueueRow =>
      rows.get(queue) ?? { queue, waiting: 0, running: 0, oldestAt: null, everywhere: this.#limits.get(queue) ?? null };
    for (const queue of this.#limits.keys()) rows.set(queue, rowOf(queue));
    for (const { queue, at } of this.#waiting) {
      const row = rowOf(queue);
      rows.set(queue, { ...row, waiting: row.waiting + 1, oldestAt: Math.min(row.oldestAt ?? at, at) });
    }
    for (const { queue } of this.#claimed) rows.set(queue, { ...rowOf(queue), running: rowOf(queue).running + 1 });
    return [...rows.values()].sort((a, b) => compare(a.queue, b.queue));
  }

  waitingActivities(): WaitingActivity[] {
    const byName = new Map<string, WaitingActivity>();
    for (const { queue, activity, run } of this.#waiting) {
      const name = `${queue}\n${activity}`;
      if (!byName.has(name)) byName.set(name, { queue, activity, run });
    }
    return [...byName.values()].sort((a, b) => compare(a.queue, b.queue) || compare(a.activity, b.activity));
  }

  limits(): QueueLimit[] {
    const limits = [...this.#limits].map(([queue, everywhere]) => ({ queue, everywhere }));
    return limits.sort((a, b) => compare(a.queue, b.queue));
  }

  limit(queue: string, everywhere: number | null): void {
    if (everywhere === null) this.#limits.delete(queue);
    else this.#limits.set(queue, everywhere);
  }
}

function keyOf({ run, command, generation, attempt }: TaskKey): TaskKey {
  return { run, command, generation, attempt };
}

/** What the run is told, with the details of the last heartbeat. */
function lostOutcome({ lost, details }: MemoryTask): string {
  return details === null ? lost : `${lost.slice(0, -1)},"d":${details}}`;
}
