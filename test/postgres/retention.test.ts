/** Retention of several engines on one database, and deleting beside whoever holds a row. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pg from "pg";
import { afterAll, expect, test } from "vitest";
import { open } from "../../src/client/open.ts";
import { recordRun } from "../../src/engine/recording.ts";
import { openPostgresStore } from "../../src/store/index.ts";
import { readFixtures } from "../../src/testing/history-fixture.ts";
import { activity } from "../../src/workflow/activity.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { eventually } from "../crash/eventually.ts";
import { postgresForTests } from "./subject.ts";

const postgres = postgresForTests({ fsync: false });
const folder = mkdtempSync(join(tmpdir(), "perdure-archive-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const work = activity("work", async (n: number) => n);
const quick = workflow("quick", { retention: "5s" }, async (wf, n: number) => wf.call(work, n));

test("engines that share rules and a folder archive and delete every run", { timeout: 60_000 }, async () => {
  const address = postgres.freshAddress();
  const archive = join(folder, "shared");
  const logs: string[] = [];
  const logger = (name: string) => ({
    debug() {},
    info: (_: object, text?: string) => void logs.push(`${name} ${text}`),
    warn: (_: object, text?: string) => void logs.push(`${name} ${text}`),
    error() {},
  });
  const names = ["a", "b", "c"];
  const engines = await Promise.all(
    names.map((name) => open({ store: address, workflows: [quick], archive, logger: logger(name) })),
  );
  const days = new Set<string>();
  const run = async (n: number): Promise<void> => {
    const handle = await engines[n % 3]!.start(quick, n, { id: `q${n}`, tags: { n } });
    await handle.result();
    days.add(new Date().toISOString().slice(0, 10));
  };
  await Promise.all(Array.from({ length: 600 }, (_, n) => run(n)));
  await eventually(async () => (await engines[0]!.runs.list({ limit: 1 })).length === 0, "the last run to go", 45_000);
  await Promise.all(engines.map((engine) => engine.close()));
  expect(logs.filter((text) => !text.includes("deleted runs whose retention is over"))).toEqual([]);
  const kept = [...days].flatMap((day) => readFixtures(join(archive, "quick", `${day}.jsonl`)));
  expect(new Set(kept.map(({ workflowId }) => workflowId)).size).toBe(600);
  const left = await postgres.ask(
    `select (select count(*) from ${new URL(address).searchParams.get("schema")}.events)::int as events,
       (select count(*) from ${new URL(address).searchParams.get("schema")}.run_tags)::int as tags`,
  );
  expect(left).toEqual([{ events: 0, tags: 0 }]);
});

test("what somebody holds is passed over, and goes the next time", async () => {
  const address = postgres.freshAddress();
  const store = await openPostgresStore(address);
  const engine = await open({ store, workflows: [quick] });
  for (const n of [1, 2, 3]) await (await engine.start(quick, n)).result();
  await engine.close();
  const rows = await store.list({ after: 0, limit: 9 });
  expect(rows).toHaveLength(3);
  const holder = new pg.Client({ connectionString: postgres.server.url });
  await holder.connect();
  await holder.query("begin");
  await holder.query(`select from ${store.schema}.workflow_runs where run = $1 for update`, [rows[1]!.run]);
  expect(await store.purge(rows)).toEqual([rows[0]!.run, rows[2]!.run]);
  await holder.query("rollback");
  await holder.end();
  expect(await store.purge(rows)).toEqual([rows[1]!.run]);
  await store.close();
});

test("a history of any length is read whole", async () => {
  const store = await openPostgresStore(postgres.freshAddress());
  const engine = await open({ store, workflows: [quick] });
  const handle = await engine.start(quick, 1);
  await handle.result();
  expect((await recordRun(store, 1))?.events).toHaveLength((await handle.history()).length);
  await engine.close();
  await store.close();
});
