/** Queues as people see them: what waits in them, and who serves them. */
import { queueOf } from "../engine/pauses.ts";
import type { EngineRow, Store } from "../store/store.ts";

/** A queue that has tasks, a limit in all of the store, a pause, or engines that were opened to serve it. Times are epoch milliseconds. */
export interface QueueStatus {
  readonly queue: string;
  /** Tasks that wait for an engine. */
  readonly waiting: number;
  /** Tasks that engines run. Attempts that run where their run is are no tasks. */
  readonly running: number;
  /** Since when the oldest waiting task waits. */
  readonly oldestAt: number | undefined;
  /** How many of its attempts may run at a time in all of the store. */
  readonly everywhere: number | undefined;
  readonly paused: boolean;
  /**
   * The engines that serve it and have an activity that waits, as `number (host:pid)`. When nothing waits: those that have any activity of
   * it, or were opened to serve it.
   */
  readonly engines: readonly string[];
  /** The activities that wait and that none of the engines which serve the queue has: their tasks wait until one comes that does. */
  readonly unserved: readonly string[];
}

/** All queues that there is something to say about, by name. */
export async function listQueues(store: Store): Promise<QueueStatus[]> {
  const [rows, pauses, engines] = [await store.queues(), await store.pauses(), await store.engines()];
  const wanted = await store.waitingActivities();
  const byName = new Map(rows.map((row) => [row.queue, row]));
  const all = pauses.some(({ scope }) => scope === "all");
  const paused = new Set(pauses.flatMap(({ scope, name }) => (scope === "queue" ? [name] : [])));
  const served = engines.flatMap(({ serves }) => serves ?? []);
  const names = new Set([...byName.keys(), ...paused, ...served]);
  return [...names].sort().map((queue) => {
    const { waiting = 0, running = 0, oldestAt = null, everywhere = null } = byName.get(queue) ?? {};
    const waits = wanted.filter((one) => one.queue === queue).map(({ activity }) => activity);
    const serving = engines.filter((engine) =>
      waits.length > 0 ? waits.some((activity) => has(engine, activity)) : serves(engine, queue),
    );
    return {
      queue,
      waiting,
      running,
      oldestAt: oldestAt ?? undefined,
      everywhere: everywhere ?? undefined,
      paused: all || paused.has(queue),
      engines: serving.map(({ engine, label }) => `${engine} (${label})`),
      unserved: waits.filter((activity) => !engines.some((engine) => has(engine, activity))),
    };
  });
}

/** Engines name activities of queues they serve only. */
function has({ activities }: EngineRow, activity: string): boolean {
  return activities.includes(activity);
}

function serves({ serves: queues, activities }: EngineRow, queue: string): boolean {
  return queues?.includes(queue) === true || activities.some((activity) => queueOf(activity) === queue);
}
