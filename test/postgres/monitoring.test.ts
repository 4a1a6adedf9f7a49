/** The queries of docs/production.md, executed by the role that is documented there against a store in which everything happens. */
import { readFileSync } from "node:fs";
import { setTimeout as pass } from "node:timers/promises";
import { expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import { activity, type OpenOptions, open, type Perdure, workflow } from "../../src/index.ts";
import { ask, postgresForTests } from "./subject.ts";

const postgres = postgresForTests({ fsync: false });
const page = readFileSync(new URL("../../docs/production.md", import.meta.url), "utf8");
const watching = page.slice(page.indexOf("## Watching"), page.indexOf("### Alerts"));
const [rights, queries] = [...watching.matchAll(/```psql\n([\s\S]*?)```/g)].map((match) => match[1]!);

/** The queries by the words of their comments before any sign. */
const byName = new Map(
  queries!
    .split(/^(?=-- )/m)
    .slice(1)
    .map((text) => [/^-- ([a-z ]*[a-z])/.exec(text)![1]!, text] as const),
);

type Row = Record<string, unknown>;

async function look(name: string): Promise<Row[]> {
  const sql = byName.get(name);
  if (sql === undefined) throw new Error(`no query "${name}" in the page; there are ${[...byName.keys()].join("; ")}`);
  const url = `${postgres.url.replace("perdure@", "perdure_monitor@")}?options=-c%20search_path%3Dperdure`;
  return ask(url, sql);
}

async function engine(options: OpenOptions): Promise<Perdure> {
  const opened = await open({ store: postgres.url, logger: silentLogger, poll: "50ms", leaseTtl: "1s", ...options });
  onTestFinished(() => opened.close());
  return opened;
}

/** Asks until the answer is what it should be. */
async function until(name: string, fits: (rows: Row[]) => boolean): Promise<Row[]> {
  for (let tries = 0; ; tries++) {
    const rows = await look(name);
    if (fits(rows)) return rows;
    if (tries === 200) expect.fail(`${name} says ${JSON.stringify(rows)}`);
    await pass(25);
  }
}

const fine = activity("fine", async (n: number) => n);
const endless = activity("endless", async (_: null, ctx) => {
  await pass(60_000, undefined, { signal: ctx.signal });
});
const broken = activity("broken", { retry: { initial: "20ms", factor: 1, maxAttempts: 1000 } }, async () => {
  throw new Error("not today");
});

it("every query of the page says what is there", { timeout: 30_000 }, async () => {
  const done = workflow("done", async (wf) => wf.call(fine, 1));
  const naps = workflow("naps", async (wf) => wf.sleep("30m"));
  const works = workflow("works", async (wf) => wf.call(endless, null));
  const retries = workflow("retries", async (wf) => wf.call(broken, undefined));
  const orphan = workflow("orphan", { version: "1" }, async (wf) => wf.waitFor("go"));
  const changed = (step: string) =>
    workflow("changed", async (wf) => {
      await wf.step(step, () => 1);
      await wf.waitFor("go");
    });
  const stops = workflow("stops", async (wf) => wf.call(fine, 2));

  const old = await engine({ workflows: [orphan, changed("before")] });
  await old.start(orphan, undefined, { id: "orphan" });
  await old.start("changed", undefined, { id: "changed" });
  while (old.inMemory.active > 0) await pass(5);
  await old.close();
  await postgres.ask(rights!);

  const one = await engine({ workflows: [done, naps, works, retries, stops, changed("after")] });
  await (await one.start(done, undefined, { id: "done" })).result();
  await one.start(naps, undefined, { id: "naps" });
  await one.start(works, undefined, { id: "works" });
  await one.start(retries, undefined, { id: "retries" });
  await one.pause({ workflow: "stops" }, "too dear");
  await one.start(stops, undefined, { id: "stops" });
  await (await one.handle("orphan")).signal("go");

  await (await one.handle("changed")).signal("go");
  await postgres.ask("update perdure.workflow_runs set crashes = 3 where workflow_id = 'naps'");

  expect(await until("open runs by status", (rows) => rows.some(({ workflow }) => workflow === "works"))).toEqual(
    expect.arrayContaining([
      { workflow: "naps", version: null, status: "running", runs: "1" },
      { workflow: "orphan", version: "1", status: "running", runs: "1" },
    ]),
  );
  const [late] = await until("lag", (rows) => rows.some(({ workflow }) => workflow === "orphan"));
  expect(late).toMatchObject({ workflow: "orphan", version: "1", runs: "1" });
  await one.pause("all", "maintenance");
  expect(await look("lag")).toEqual([]);
  await one.unpause("all");
  const engines = await look("engines");
  expect(engines).toHaveLength(1);
  expect(Number(engines[0]!.lease)).toBeGreaterThan(0);
  expect(Number(engines[0]!.runs)).toBeGreaterThanOrEqual(2);
  expect(await look("inboxes")).toEqual([expect.objectContaining({ workflow: "orphan", runs: "1", messages: "1" })]);
  const [blocked] = await until("blocked runs and why", (rows) => rows.length > 0);
  expect(blocked).toMatchObject({ workflow_id: "changed", message: expect.stringContaining("before") });
  expect(await look("poison")).toEqual([expect.objectContaining({ workflow_id: "naps", crashes: 3 })]);
  await until("steps that run longest", (rows) => rows.some(({ name }) => name === "endless"));
  await until("steps that fail again and again", (rows) => rows.some(({ name }) => name === "broken"));
  expect(await look("what becomes due in the next hour")).toContainEqual({ workflow: "naps", runs: "1" });
  expect(await look("pauses that are in force")).toEqual([
    expect.objectContaining({ scope: "workflow", name: "stops", reason: "too dear" }),
  ]);
  await postgres.ask("analyze");
  expect((await look("tables")).map(({ relname }) => relname)).toEqual(expect.arrayContaining(["events", "tasks"]));
  expect(await look("connections")).toContainEqual(expect.objectContaining({ application_name: "perdure" }));
  await until("events written since the statistics were reset", (rows) => Number(rows[0]!.events) > 0);
  for (const name of ["queues", "admissions", "statements that wait for locks of others"]) {
    expect(await look(name), name).toEqual([]);
  }
  expect(await look("standbys and how far behind they are")).toEqual([]);
  expect(byName.size).toBe(17);
});

it("a task nobody serves and an admission nobody decides are seen", async () => {
  await postgres.ask(
    "insert into perdure.tasks (run, command, generation, attempt, queue, activity, workflow, body, lost, created_at) values (1, 1, 0, 1, 'gpu', 'gpu/train', 'x', '', '', 1000)",
  );
  expect(await look("queues")).toEqual([
    expect.objectContaining({ queue: "gpu", waiting: "1", running: "0", limit: null }),
  ]);
  await postgres.ask("insert into perdure.admissions (kind, workflow_id, asked_at) values ('start', 'a', 1000)");
  expect(await look("admissions")).toEqual([expect.objectContaining({ kind: "start", waiting: "1" })]);
});

/** Everything that came from users, or may quote it. */
const PAYLOADS: Readonly<Record<string, readonly string[]>> = {
  workflow_runs: ["detail", "meta", "request", "tags", "progress"],
  tasks: ["input", "body", "lost", "details"],
  messages: ["name", "data"],
  message_keys: ["key"],
  attempts: ["error", "details"],
  admissions: ["body", "refused"],
  answers: ["data"],
  events: ["data"],
  run_tags: ["key", "value"],
  tx_outcomes: ["data"],
  definitions: ["body"],
  secrets: ["body"],
  runs: ["input", "result", "error"],
  stages: ["error"],
  decisions: ["data"],
  checkpoints: ["data"],
};

it("the role of the page sees no payloads", async () => {
  const url = postgres.url.replace("perdure@", "perdure_monitor@");
  for (const [relation, columns] of Object.entries(PAYLOADS))
    for (const column of ["*", ...columns]) {
      const sql = `select ${column} from perdure.${relation}`;
      await expect(ask(url, sql), sql).rejects.toMatchObject({ code: "42501" });
    }
});

it("the role of the page sees no message that quotes an error", async () => {
  const detail = JSON.stringify({ blocked: { reason: "defect", message: "it threw: the card 4242 \u0000" } });
  await postgres.ask("update perdure.workflow_runs set detail = $1 where workflow_id = 'changed'", [detail]);
  expect(await look("blocked runs and why")).toEqual([expect.objectContaining({ reason: "defect", message: null })]);
});

it("the role of the page sees nothing that came later without somebody having looked at it", async () => {
  const seen = await postgres.ask(
    `select relname || '.' || attname as column from pg_class c join pg_attribute a on attrelid = c.oid and attnum > 0
      where relnamespace = 'perdure'::regnamespace and relkind in ('r', 'v') and atttypid = 'text'::regtype
        and has_column_privilege('perdure_monitor', c.oid, attnum, 'select') order by 1`,
  );
  expect(seen.map(({ column }) => column)).toEqual([
    "admissions.kind",
    "admissions.workflow_id",
    "attempts.kind",
    "attempts.name",
    "blocked.message",
    "blocked.reason",
    "blocked.version",
    "blocked.workflow",
    "blocked.workflow_id",
    "engines.activities",
    "engines.label",
    "engines.serves",
    "messages.kind",
    "pauses.name",
    "pauses.reason",
    "pauses.scope",
    "queue_limits.queue",
    "tasks.activity",
    "tasks.queue",
    "tasks.workflow",
    "workflow_runs.status",
    "workflow_runs.version",
    "workflow_runs.workflow",
    "workflow_runs.workflow_id",
  ]);
});
