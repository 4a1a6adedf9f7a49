/** Everything the checker looks at: the tables as plain SQL finds them, what the recorder saw, and the logs. Nothing of the engine is used. */
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import pg from "pg";
import type { FaultLine } from "./faults.ts";

export interface SeenEvent {
  readonly seq: number;
  readonly type: string;
  readonly at: number;
  readonly data: EventFields;
  /** When it was inserted, epoch milliseconds with fractions, on whose connection and in which transaction. */
  readonly seenAt: number;
  readonly by: string;
  readonly tx: string;
}

/** Keys of an event's JSON, as the documentation of the tables has them. */
export interface EventFields {
  readonly c?: number;
  readonly k?: string;
  readonly n?: string;
  readonly l?: string;
  readonly a?: number;
  readonly p?: unknown;
  readonly e?: { readonly message?: string; readonly code?: string };
  readonly m?: number;
  readonly h?: string;
  readonly s?: readonly number[];
  readonly f?: number;
}

export interface SeenRun {
  readonly run: number;
  readonly runId: string;
  readonly workflowId: string;
  readonly workflow: string;
  readonly status: string;
  readonly owner: number | null;
  readonly inbox: number;
  readonly chain: number;
  readonly closedAt: number | null;
  readonly length: number;
  readonly superseded: boolean;
  readonly parent: { readonly run: number; readonly command: number; readonly generation: number } | undefined;
  readonly events: readonly SeenEvent[];
}

export interface SeenMessage {
  readonly run: number;
  readonly number: number;
  readonly kind: string;
  readonly at: number;
  readonly by: string;
  readonly tx: string;
}

export interface SeenLease {
  readonly engine: number;
  readonly label: string;
  readonly by: string;
  readonly began: number;
  readonly ended: number | null;
  readonly ended_by: string | null;
}

/** A line of the effect log. */
export interface EffectLine {
  readonly at: number;
  readonly phase: "begin" | "end" | "fail" | "abort" | "look";
  readonly incarnation: string;
  readonly token: string;
  readonly pid?: number;
  readonly workflowId: string;
  readonly runId: string;
  readonly step: string;
  readonly key: string;
  readonly attempt: number;
  readonly cause: number;
  readonly max: number;
  /** Of a look: the last event there was. */
  readonly seen?: number;
  readonly error?: string;
}

/** A line of a client's journal. */
export interface ClientLine {
  readonly at: number;
  readonly client: number;
  readonly scenario: string;
  readonly kind: string;
  readonly op: string;
  readonly ok?: unknown;
  readonly code?: string;
  readonly message?: string;
  readonly workflow?: string;
  readonly input?: unknown;
  readonly key?: string;
  readonly id?: string;
}

type Row = Readonly<Record<string, unknown>>;

export interface Snapshot {
  readonly ttlMs: number;
  readonly runs: readonly SeenRun[];
  readonly byRun: ReadonlyMap<number, SeenRun>;
  readonly byRunId: ReadonlyMap<string, SeenRun>;
  /** Rows that should be gone, by table. */
  readonly left: Readonly<Record<string, readonly Row[]>>;
  /** Events without a run. */
  readonly orphans: readonly Row[];
  readonly keys: readonly { readonly run: number; readonly key: string; readonly number: number }[];
  readonly answers: readonly {
    readonly chain: number;
    readonly number: number;
    readonly status: string;
    readonly data: string;
  }[];
  readonly seenMessages: readonly SeenMessage[];
  readonly leases: readonly SeenLease[];
  /** Starts and signals of clients' transactions that nobody has admitted. */
  readonly waiting: readonly Row[];
  /** Outcomes of transactional steps that are in no history; those that are may leave an empty row. */
  readonly kept: readonly { readonly run: number; readonly command: number; readonly generation: number }[];
  readonly accounts: readonly { readonly account: number; readonly balance: number }[];
  readonly ledger: readonly LedgerRow[];
  readonly ticks: readonly string[];
  /** Ids of orders, each written in the transaction that started the run of this id. */
  readonly orders: readonly string[];
  readonly effects: readonly EffectLine[];
  readonly clients: readonly ClientLine[];
  readonly faults: readonly FaultLine[];
}

export interface LedgerRow {
  readonly run_id: string;
  readonly step: string;
  readonly source: number;
  readonly target: number;
  readonly amount: number;
}

export interface SnapshotOptions {
  readonly url: string;
  readonly schema: string;
  readonly folder: string;
  readonly faults: readonly FaultLine[];
  readonly ttlMs: number;
  /** Statements before anything is read, in a transaction that is rolled back. */
  readonly corruption?: string;
}

export async function takeSnapshot({
  url,
  schema,
  folder,
  faults,
  ttlMs,
  corruption,
}: SnapshotOptions): Promise<Snapshot> {
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  try {
    await client.query("begin isolation level repeatable read");
    if (corruption !== undefined) await client.query(corruption);
    // All numbers are small enough for one.
    const types = {
      getTypeParser: (oid: number) => (oid === 20 || oid === 23 || oid === 21 || oid === 701 ? Number : String),
    };
    const rows = async <T = Row>(sql: string): Promise<T[]> =>
      (await client.query({ text: sql, types: types as never })).rows as T[];
    const tables = await readTables(rows, schema);
    await client.query("rollback");
    return {
      ...tables,
      ttlMs,
      faults,
      effects: linesOf<EffectLine>(join(folder, "effects.log")),
      clients: clientLines(folder),
    };
  } finally {
    await client.end();
  }
}

type Rows = <T = Row>(sql: string) => Promise<T[]>;

async function readTables(
  rows: Rows,
  schema: string,
): Promise<Omit<Snapshot, "ttlMs" | "faults" | "effects" | "clients">> {
  const runs = await readRuns(rows, schema);
  const left: Record<string, Row[]> = {};
  for (const table of ["messages", "attempts", "tasks", "engines"])
    left[table] = await rows(`select * from ${schema}.${table}`);
  return {
    runs,
    byRun: new Map(runs.map((run) => [run.run, run])),
    byRunId: new Map(runs.map((run) => [run.runId, run])),
    left,
    orphans: await rows(`select * from ${schema}.events where run not in (select run from ${schema}.workflow_runs)`),
    keys: await rows(`select run, key, number from ${schema}.message_keys`),
    answers: await rows(`select chain, number, status, data from ${schema}.answers`),
    seenMessages: await rows("select * from seen.messages order by at"),
    leases: await rows("select * from seen.leases order by engine"),
    waiting: await rows(`select * from ${schema}.admissions where decided_at is null`),
    kept: await rows(`select run, command, generation from ${schema}.tx_outcomes where data <> ''`),
    accounts: await rows("select * from public.accounts order by account"),
    ledger: await rows("select * from public.ledger"),
    orders: (await rows("select id from public.orders")).map(({ id }) => String(id)),
    ticks: (await rows("select workflow_id from public.ticks")).map(({ workflow_id: id }) => String(id)),
  };
}

async function readRuns(rows: Rows, schema: string): Promise<SeenRun[]> {
  const [meta] = await rows(`select value from ${schema}.meta where key = 'id'`);
  const events = new Map<number, SeenEvent[]>();
  const sql = `select e.run, e.seq, e.type, e.at, e.data, s.at as seen_at, s.by, s.tx
    from ${schema}.events e left join seen.events s using (run, seq) order by e.run, e.seq`;
  for (const { run, data, seen_at: seenAt, ...row } of await rows(sql)) {
    const event = { ...row, data: JSON.parse(String(data)), seenAt } as unknown as SeenEvent;
    const list = events.get(run as number);
    if (list === undefined) events.set(run as number, [event]);
    else list.push(event);
  }
  const found =
    await rows(`select run, workflow_id, workflow, status, owner, inbox, coalesce(chain, run) as chain, closed_at, length, superseded,
    parent, parent_command, parent_generation from ${schema}.workflow_runs order by run`);
  return found.map((row) => ({
    run: row.run as number,
    runId: `${meta?.value}-${(row.run as number).toString(36)}`,
    workflowId: String(row.workflow_id),
    workflow: String(row.workflow),
    status: String(row.status),
    owner: row.owner as number | null,
    inbox: row.inbox as number,
    chain: row.chain as number,
    closedAt: row.closed_at as number | null,
    length: row.length as number,
    superseded: row.superseded === 1,
    parent:
      row.parent === null
        ? undefined
        : {
            run: row.parent as number,
            command: row.parent_command as number,
            generation: row.parent_generation as number,
          },
    events: events.get(row.run as number) ?? [],
  }));
}

function clientLines(folder: string): ClientLine[] {
  const files = readdirSync(folder).filter((name) => /^client-\d+\.log$/.test(name));
  return files.flatMap((name) => linesOf<ClientLine>(join(folder, name)));
}

/** Lines of a journal; one that its process died over is left out. */
function linesOf<T>(path: string): T[] {
  if (!existsSync(path)) return [];
  return readFileSync(path, "utf8")
    .split("\n")
    .flatMap((line) => {
      try {
        return [JSON.parse(line) as T];
      } catch {
        return [];
      }
    });
}

export function groupBy<T, K>(items: readonly T[], keyOf: (item: T) => K): Map<K, T[]> {
  const groups = new Map<K, T[]>();
  for (const item of items) {
    const key = keyOf(item);
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [item]);
    else group.push(item);
  }
  return groups;
}
