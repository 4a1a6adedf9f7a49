/** Roles as documented: one owns the schema and changes it, one runs engines, one only looks. Nobody needs more than that. */
import { readFileSync } from "node:fs";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import {
  activity,
  connect,
  entity,
  type OpenOptions,
  open,
  type Perdure,
  query,
  signal,
  update,
  workflow,
} from "../../src/index.ts";
import { openPostgresStore } from "../../src/store/index.ts";
import { MIGRATIONS } from "../../src/store/postgres/migrations/index.ts";
import { folderWith, lastJson, perdure } from "../cli/perdure.ts";
import { ask, postgresForTests } from "./subject.ts";

const postgres = postgresForTests({ fsync: false });
const page = readFileSync(new URL("../../docs/postgres.md", import.meta.url), "utf8");
const [setup, forAuditors] = ["create role", "grant select"].map(
  (start) => new RegExp(`\`\`\`psql\\n(${start}[\\s\\S]*?)\`\`\``).exec(page)![1]!,
);

const as = (role: string, schema = "perdure"): string =>
  `${postgres.server.url.replace("perdure@", `${role}@`)}?schema=${schema}`;
const plain = (role: string): string => as(role).replace(/\?.*/, "");

const key = process.env.PERDURE_KEY;
beforeAll(() => {
  process.env.PERDURE_KEY = "of the tests";
});
afterAll(() => {
  if (key === undefined) delete process.env.PERDURE_KEY;
  else process.env.PERDURE_KEY = key;
});

const double = activity("double", async (n: number) => 2 * n);
const login = activity("login", async (_: null, ctx) => String(ctx.secrets.password).length);
const flaky = activity("flaky", { retry: { initial: "1ms", maxAttempts: 2 } }, async (_: null, ctx) => {
  if (ctx.attempt === 1) throw new Error("not yet");
  return ctx.attempt;
});
const bump = signal<number>("bump");
const total = query<number>("total");
const spend = update<number, number>("spend");

const child = workflow("child", async (wf, n: number) => wf.call(double, n));
const account = workflow("account", async (wf) => {
  let sum = 0;
  wf.on(total, () => sum);
  wf.on(bump, (n) => {
    sum += n;
  });
  wf.on(spend, async (n) => {
    sum -= await wf.call(double, n);
    return sum;
  });
  wf.tag({ kind: "account" });
  wf.progress(0.5);
  await wf.until(() => sum >= 10);
  return sum;
});
const everything = workflow("everything", async (wf) => {
  const children = await wf.map([1, 2, 3], child);
  await wf.sleep("1ms");
  const password = await wf.call(login, null);
  const again = await wf.call(flaky, null);
  const rows = await wf.transaction("book", async (tx) => {
    await tx.query("insert into shop.bookings values ($1)", [wf.info.workflowId]);
    return tx.query("select count(*) as n from shop.bookings");
  });
  return { children, password, again, rows };
});
const counter = entity("counter", { state: { count: 0 }, on: { add: (state, n: number) => (state.count += n) } });
const rolling = workflow("rolling", async (wf, n: number) => (n === 0 ? "done" : wf.continueAsNew(n - 1)));
const fails = workflow("fails", async (wf) => {
  await wf.call(double, 1);
  throw new Error("no");
});

async function engine(options: OpenOptions = {}): Promise<Perdure> {
  const workflows = [child, account, everything, counter, rolling, fails];
  const opened = await open({ store: as("perdure_app"), workflows, logger: silentLogger, ...options });
  onTestFinished(() => opened.close());
  return opened;
}

describe("with the documented roles", () => {
  beforeAll(async () => {
    await postgres.ask(setup!);
    await postgres.ask("create schema shop; create table shop.bookings (id text)");
    await postgres.ask(
      "grant usage on schema shop to perdure_app; grant select, insert on shop.bookings to perdure_app",
    );
  });

  it("only the owner makes and changes tables", { timeout: 60_000 }, async () => {
    for (const schema of ["not_there", "perdure"]) {
      await expect(openPostgresStore(as("perdure_app", schema))).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: expect.stringContaining('Run "perdure migrate"'),
      });
    }
    const folder = folderWith({});
    const refused = await perdure(folder, "migrate", "--store", as("perdure_app"));
    expect(refused.code).not.toBe(0);
    expect(refused.stderr).toContain("perdure migrate");
    expect(await perdure(folder, "migrate", "--store", as("perdure_owner"))).toMatchObject({ code: 0, stderr: "" });
    const status = await perdure(folder, "migrate", "--status", "--store", as("perdure_app"), "--json");
    expect(lastJson(status)).toMatchObject({ applied: MIGRATIONS.map(({ name }) => ({ name })), pending: [] });
  });

  it("engines do everything", { timeout: 30_000 }, async () => {
    const one = await engine();
    const two = await engine();
    const done = await one.start(everything, undefined, { id: "e", secrets: { password: "open sesame" } });
    expect(await done.result()).toEqual({ children: [2, 4, 6], password: 11, again: 2, rows: [{ n: 1 }] });

    const run = await one.start(account, undefined, { id: "a", tags: { customer: 7 } });
    const connection = await connect({ store: as("perdure_app") });
    onTestFinished(() => connection.close());
    await (await connection.handle("a")).signal(bump, 6, { key: "k" });
    expect(await (await two.handle("a")).update(spend, 1)).toBe(4);
    expect(await (await two.handle("a")).query(total)).toBe(4);
    expect((await connection.runs.list({ tags: { customer: 7 } })).map(({ workflowId }) => workflowId)).toEqual(["a"]);
    await run.pause();
    await run.resume();
    await run.signal(bump, 6);
    expect(await run.result()).toBe(10);

    expect(await two.entity(counter, "c").add(3)).toBe(3);
    expect(await (await one.start(rolling, 2, { id: "r" })).result()).toBe("done");
    await two.pause({ queue: "default" }, "lunch");
    expect(await two.pauses()).toHaveLength(1);
    await two.unpause({ queue: "default" });

    const failed = await one.start(fails, undefined, { id: "f" });
    await expect(failed.result()).rejects.toMatchObject({ code: "RUN_FAILED" });
    const fork = await failed.fork({ from: "double" });
    await expect(fork.result()).rejects.toMatchObject({ code: "RUN_FAILED" });
    await failed.reset({ to: "double" });
    await expect(failed.result()).rejects.toMatchObject({ code: "RUN_FAILED" });

    const schedule = await one.schedules.create("nightly", { workflow: child, input: 4, cron: "0 3 * * *" });
    await schedule.trigger();
    await schedule.delete();
    expect(await one.runs.bulk({ workflow: "child" }, "delete")).toMatchObject({ done: 3 + 1, failed: [] });
    await Promise.all([one.close(), two.close()]);
    expect(await postgres.ask("select from perdure.engines")).toEqual([]);
  });

  it("the role of engines owns nothing and can change nothing", async () => {
    const owned = "select relname from pg_class where relowner = 'perdure_app'::regrole";
    expect(await postgres.ask(owned)).toEqual([]);
    for (const sql of [
      "drop table perdure.events",
      "alter table perdure.events add column x text",
      "truncate perdure.events",
      "create table perdure.mine (n integer)",
      "create or replace function perdure.readable(data text) returns json language sql as 'select null::json'",
      "create role more",
    ]) {
      await expect(ask(plain("perdure_app"), sql), sql).rejects.toMatchObject({ code: "42501" });
    }
  });

  it("the auditor reads the views, and nothing else", async () => {
    await postgres.ask(forAuditors!);
    const auditor = plain("perdure_auditor");
    expect(
      await ask(auditor, "select status, input is null as none from perdure.runs where workflow_id = 'e'"),
    ).toEqual([{ status: "completed", none: false }]);
    expect(
      (await ask(auditor, "select step, status, attempts from perdure.stages where workflow_id = 'e'")).map(
        ({ step }) => step,
      ),
    ).toContain("flaky");
    for (const view of ["decisions", "checkpoints"]) await ask(auditor, `select * from perdure.${view}`);
    for (const sql of [
      "select * from perdure.events",
      "select * from perdure.secrets",
      "select * from perdure.messages",
      "delete from perdure.runs",
      "insert into perdure.pauses values ('queue', 'x', '', 1)",
      "select perdure.deliver(1, 'cancel', '', 'null', 1, null)",
    ]) {
      await expect(ask(auditor, sql), sql).rejects.toMatchObject({ code: "42501" });
    }
  });

  it("an engine of a new version says that the owner must migrate first", async () => {
    const last = MIGRATIONS.at(-1)!.number;
    await postgres.ask("create table kept as select * from perdure.migrations");
    await postgres.ask(`delete from perdure.migrations where number = ${last}`);
    await expect(engine()).rejects.toMatchObject({
      code: "UNAVAILABLE",
      message: expect.stringMatching(/lacks migrations, and this role may not make them.*Run "perdure migrate"/),
    });
    await postgres.ask("insert into perdure.migrations select * from kept on conflict do nothing");
    await (await engine()).close();
  });
});
