/** Tasks: written with attempts in commits, claimed, kept and settled here. */
import {
  CLAIMED_TASK_COLUMNS,
  type Flat,
  pushRows,
  QUEUE_COLUMNS,
  TASK_COLUMNS,
  TASK_KEY_COLUMNS,
  type Value,
} from "../rows.ts";
import type { NewTask, TaskBeat, TaskEnd, TaskKey, TaskWant } from "../tasks.ts";
import { leaseLost } from "./committer.ts";
import { type Connection, type Prepared, prepareAll } from "./driver.ts";
import type { Inboxes } from "./inboxes.ts";
import type { WriteLock } from "./write-lock.ts";

/** A task in a commit, with what its attempt row says. */
export interface WrittenTask extends NewTask {
  readonly command: number;
  readonly attempt: number;
}

/** Requests about tasks, and the same as part of a commit. Lists come as JSON. */
export class Tasks {
  readonly #lock: WriteLock;
  readonly #inboxes: Inboxes;
  readonly #sql: Prepared<typeof SQL>;

  constructor(db: Connection, lock: WriteLock, inboxes: Inboxes) {
    this.#lock = lock;
    this.#inboxes = inboxes;
    this.#sql = prepareAll(db, SQL);
  }

  // ---- inside write transactions ---------------------------------------------------------------------------------------

  write(run: number, task: WrittenTask): void {
    const { command, generation, attempt, queue, activity, workflow, input, body, lost, details, at } = task;
    this.remove(run, command);
    const key = [run, command, generation, attempt];
    this.#sql.insert.run([...key, queue, activity, workflow, input, body, lost, details, at]);
  }

  remove(run: number, command: number): void {
    this.#sql.remove.run([run, command]);
  }

  /** The tasks of an engine that leaves wait again. */
  free(engine: number): void {
    this.#sql.free.run([engine]);
  }

  /** Tasks whose engine is gone: their runs are told that the attempts were lost. */
  lose(at: number): void {
    for (const [place, run, data] of this.#sql.lost.all([]) as [number, number, string][]) {
      this.#sql.removePlace.run([place]);
      this.#inboxes.deliver({ run, kind: "outcome", name: "", data, at, key: null });
    }
  }

  hasLost(): boolean {
    return this.#sql.anyLost.all([]).length > 0;
  }

  // ---- requests --------------------------------------------------------------------------------------------------------

  /** `engine, at, wants, runs or null, not of`. */
  claim(args: Flat, reply: Flat): void {
    const [engine, at, wanted, runs, notOf] = args.slice(2) as [number, number, string, string | null, string];
    if (this.#sql.anyWaiting.all([]).length === 0) return;
    const wants = JSON.parse(wanted) as TaskWant[];
    this.#lock.hold(() => {
      this.#assertLease(engine);
      for (const want of wants) this.#claim(engine, at, want, [runs, runs, notOf], reply);
    });
  }

  #claim(engine: number, at: number, { queue, activities, limit }: TaskWant, filter: Value[], reply: Flat): void {
    const everywhere = (this.#sql.limit.all([queue])[0]?.[0] ?? null) as number | null;
    const claimed = everywhere === null ? 0 : (this.#sql.claimed.all([queue])[0]![0] as number);
    const room = everywhere === null ? limit : Math.min(limit, everywhere - claimed);
    if (room <= 0) return;
    const places = this.#sql.waiting.all([queue, JSON.stringify(activities), ...filter, room]).map(([place]) => place!);
    if (places.length === 0) return;
    const taken = JSON.stringify(places);
    this.#sql.take.run([engine, at, at, taken]);
    pushRows(reply, this.#sql.taken.all([taken]));
  }

  /** `engine, at, beats`; answers the keys of all tasks of the engine. */
  beat(args: Flat, reply: Flat): void {
    const [engine, at, list] = args.slice(2) as [number, number, string];
    const beats = JSON.parse(list) as TaskBeat[];
    if (beats.length > 0) {
      this.#lock.hold(() => {
        for (const beat of beats) this.#sql.beat.run([at, beat.details, ...keyOf(beat), engine]);
      });
    }
    pushRows(reply, this.#sql.held.all([engine]));
  }

  /** `engine, ends`; answers 1 or 0 for each. */
  settle(args: Flat, reply: Flat): void {
    const [engine, list] = args.slice(2) as [number, string];
    this.#lock.hold(() => {
      this.#assertLease(engine);
      for (const end of JSON.parse(list) as TaskEnd[]) reply.push(this.#end(engine, end));
    });
  }

  #end(engine: number, { data, at, ...key }: TaskEnd): number {
    const ended = this.#sql.end.run([...keyOf(key), engine]);
    if (ended === 1) this.#inboxes.deliver({ run: key.run, kind: "outcome", name: "", data, at, key: null });
    return ended;
  }

  /** `engine, keys`. */
  giveBack(args: Flat): void {
    const [engine, list] = args.slice(2) as [number, string];
    this.#lock.hold(() => {
      for (const key of JSON.parse(list) as TaskKey[]) this.#sql.giveBack.run([...keyOf(key), engine]);
    });
  }

  ofRun(args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.ofRun.all([args[2]!]));
  }

  queues(_args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.queues.all([]));
  }

  waitingActivities(_args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.waitingActivities.all([]));
  }

  limits(_args: Flat, reply: Flat): void {
    pushRows(reply, this.#sql.limits.all([]));
  }

  /** `queue, everywhere or null`. */
  setLimit(args: Flat): void {
    const [queue, everywhere] = args.slice(2) as [string, number | null];
    this.#lock.hold(() => {
      if (everywhere === null) this.#sql.dropLimit.run([queue]);
      else this.#sql.setLimit.run([queue, everywhere]);
    });
  }

  #assertLease(engine: number): void {
    if (this.#sql.engine.all([engine]).length === 0) throw leaseLost(engine);
  }
}

function keyOf({ run, command, generation, attempt }: TaskKey): number[] {
  return [run, command, generation, attempt];
}

const MINE = "run = ? and command = ? and generation = ? and attempt = ? and owner = ?";
const OWNERLESS = "t.owner is not null and t.owner not in (select engine from engines)";

const SQL = {
  engine: "select 1 from engines where engine = ?",
  insert: `insert into tasks
    (run, command, generation, attempt, queue, activity, workflow, input, body, lost, details, created_at)
    values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
  remove: "delete from tasks where run = ? and command = ?",
  removePlace: "delete from tasks where place = ?",
  free: "update tasks set owner = null, started_at = null, beat_at = null where owner = ?",
  anyLost: `select 1 from tasks t where ${OWNERLESS} limit 1`,
  lost: `select t.place, t.run,
      case when details is null then lost else substr(lost, 1, length(lost) - 1) || ',"d":' || details || '}' end
    from tasks t where ${OWNERLESS} order by t.place`,
  anyWaiting: "select 1 from tasks where owner is null limit 1",
  limit: "select everywhere from queue_limits where queue = ?",
  claimed: "select count(*) from tasks where queue = ? and owner is not null",
  waiting: `select place from tasks t
    where owner is null and queue = ? and activity in (select value from json_each(?))
      and (? is null or run in (select value from json_each(?)))
      and workflow not in (select value from json_each(?))
      and exists (select 1 from workflow_runs r where r.run = t.run and r.closed_at is null and r.status in ('pending', 'running'))
    order by place limit ?`,
  take: "update tasks set owner = ?, started_at = ?, beat_at = ? where place in (select value from json_each(?))",
  taken: `select ${CLAIMED_TASK_COLUMNS} from tasks t join workflow_runs r using (run)
    where place in (select value from json_each(?)) order by place`,
  beat: `update tasks set beat_at = ?, details = coalesce(?, details) where ${MINE}`,
  held: `select ${TASK_KEY_COLUMNS} from tasks where owner = ? order by place`,
  end: `delete from tasks where ${MINE}`,
  giveBack: `update tasks set owner = null, started_at = null, beat_at = null where ${MINE}`,
  ofRun: `select ${TASK_COLUMNS} from tasks where run = ? order by command`,
  queues: `select ${QUEUE_COLUMNS}
    from (select queue from tasks union select queue from queue_limits) q
      left join tasks t using (queue) left join queue_limits l using (queue)
    group by queue, everywhere order by queue`,
  waitingActivities: `select queue, activity, run from (
      select queue, activity, run, min(place) from tasks where owner is null group by queue, activity)
    order by queue, activity`,
  limits: "select queue, everywhere from queue_limits order by queue",
  setLimit:
    "insert into queue_limits (queue, everywhere) values (?, ?) on conflict (queue) do update set everywhere = excluded.everywhere",
  dropLimit: "delete from queue_limits where queue = ?",
} as const;
