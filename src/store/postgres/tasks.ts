/** Tasks: claimed, kept and settled, by functions of the database (see the migration of that name). Commits write them. */
import {
  QUEUE_COLUMNS,
  readClaimedTask,
  readQueue,
  readQueueLimit,
  readTask,
  readTaskKey,
  readWaitingActivity,
  TASK_COLUMNS,
  TASK_KEY_COLUMNS,
} from "../rows.ts";
import type {
  ClaimedTask,
  Lease,
  QueueLimit,
  QueueRow,
  TaskBeat,
  TaskClaim,
  TaskEnd,
  TaskKey,
  TaskRow,
  WaitingActivity,
} from "../store.ts";
import type { Database } from "./database.ts";
import { kindOf } from "./failures.ts";
import { leaseLost } from "./lane.ts";
import type { Columns } from "./session.ts";
import { int4s, int8s, jsonText, texts } from "./values.ts";

export class Tasks {
  readonly #database: Database;
  readonly #sql: ReturnType<typeof statements>;

  constructor(database: Database) {
    this.#database = database;
    this.#sql = statements(database.settings.schema);
  }

  /** Asks before it writes: most of the time nothing waits. */
  async claim(lease: Lease, { wants, at, runs, notOf }: TaskClaim): Promise<ClaimedTask[]> {
    const queues = wants.map(({ queue }) => queue);
    const [some] = await this.#database.read(this.#sql.anyWaiting, [queues]);
    if (some === undefined) return [];
    const values = [lease.engine, at, jsonText(wants), runs ?? null, notOf];
    return (await this.#fenced(lease, this.#sql.claim, values)).map((row) => readClaimedTask(row, 0));
  }

  async beat({ engine }: Lease, beats: readonly TaskBeat[], at: number): Promise<TaskKey[]> {
    if (beats.length > 0) {
      const details = texts(beats.map((beat) => beat.details));
      await this.#database.write(this.#sql.beat, [engine, ...keyColumns(beats), details, at]);
    }
    return (await this.#database.read(this.#sql.held, [engine])).map((row) => readTaskKey(row, 0));
  }

  async settle(lease: Lease, ends: readonly TaskEnd[]): Promise<boolean[]> {
    const data = [texts(ends.map((end) => end.data)), int8s(ends.map(({ at }) => at))];
    const [row] = await this.#fenced(lease, this.#sql.settle, [lease.engine, ...keyColumns(ends), ...data]);
    return row![0] as unknown as boolean[];
  }

  async giveBack({ engine }: Lease, tasks: readonly TaskKey[]): Promise<void> {
    await this.#database.write(this.#sql.giveBack, [engine, ...keyColumns(tasks)]);
  }

  /** Ends the tasks of engines that are gone. Returns how many there were. */
  async lose(at: number): Promise<number> {
    const [some] = await this.#database.read(this.#sql.anyLost);
    if (some === undefined) return 0;
    const [row] = await this.#database.write(this.#sql.lose, [at]);
    return row![0] as number;
  }

  async ofRun(run: number): Promise<TaskRow[]> {
    return (await this.#database.read(this.#sql.ofRun, [run])).map((row) => readTask(row, 0));
  }

  async queues(): Promise<QueueRow[]> {
    return (await this.#database.read(this.#sql.queues)).map((row) => readQueue(row, 0));
  }

  async waitingActivities(): Promise<WaitingActivity[]> {
    return (await this.#database.read(this.#sql.waitingActivities)).map((row) => readWaitingActivity(row, 0));
  }

  async limits(): Promise<QueueLimit[]> {
    return (await this.#database.read(this.#sql.limits)).map((row) => readQueueLimit(row, 0));
  }

  async setLimit(queue: string, everywhere: number | null): Promise<void> {
    if (everywhere === null) await this.#database.write(this.#sql.dropLimit, [queue]);
    else await this.#database.write(this.#sql.setLimit, [queue, everywhere]);
  }

  async #fenced({ engine }: Lease, sql: string, values: readonly unknown[]): Promise<Columns[]> {
    try {
      return await this.#database.write(sql, values);
    } catch (error) {
      if (kindOf((error as Error).cause) === "fenced") throw leaseLost(engine);
      throw error;
    }
  }
}

function keyColumns(keys: readonly TaskKey[]): unknown[] {
  return [
    int8s(keys.map(({ run }) => run)),
    int4s(keys.map(({ command }) => command)),
    int4s(keys.map(({ generation }) => generation)),
    int4s(keys.map(({ attempt }) => attempt)),
  ];
}

function statements(schema: string) {
  const ownerless = `from ${schema}.tasks t
    where t.owner is not null and not exists (select from ${schema}.engines e where e.engine = t.owner)`;
  return {
    anyWaiting: `select 1 from unnest($1::text[]) q
      where exists (select from ${schema}.tasks t where t.owner is null and t.queue = q) limit 1`,
    claim: `select * from ${schema}.claim_tasks($1, $2, $3, $4, $5)`,
    beat: `select ${schema}.beat_tasks($1, $2, $3, $4, $5, $6, $7)`,
    held: `select ${TASK_KEY_COLUMNS} from ${schema}.tasks where owner = $1 order by place`,
    settle: `select ${schema}.settle_tasks($1, $2, $3, $4, $5, $6, $7)`,
    giveBack: `select ${schema}.return_tasks($1, $2, $3, $4, $5)`,
    anyLost: `select 1 ${ownerless} limit 1`,
    lose: `select ${schema}.lose_tasks($1)`,
    ofRun: `select ${TASK_COLUMNS} from ${schema}.tasks where run = $1 order by command`,
    queues: `select ${QUEUE_COLUMNS}
      from (select queue from ${schema}.tasks union select queue from ${schema}.queue_limits) q
        left join ${schema}.tasks t using (queue) left join ${schema}.queue_limits l using (queue)
      group by q.queue, l.everywhere order by q.queue collate "C"`,
    waitingActivities: `select queue, activity, run from (
        select distinct on (queue, activity) queue, activity, run from ${schema}.tasks where owner is null
        order by queue, activity, place) first
      order by queue collate "C", activity collate "C"`,
    limits: `select queue, everywhere from ${schema}.queue_limits order by queue collate "C"`,
    setLimit: `insert into ${schema}.queue_limits (queue, everywhere) values ($1, $2)
      on conflict (queue) do update set everywhere = excluded.everywhere`,
    dropLimit: `delete from ${schema}.queue_limits where queue = $1`,
  } as const;
}
