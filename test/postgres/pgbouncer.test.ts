/** Engines behind PgBouncer: what works in transaction mode, what is refused, and what the error says to do. */
import { readFileSync } from "node:fs";
import { setTimeout as pass } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import { activity, type OpenOptions, open, type Perdure, signal, workflow } from "../../src/index.ts";
import { openPostgresStore } from "../../src/store/index.ts";
import { audit } from "./audit.ts";
import { PGBOUNCER, PgBouncer } from "./pgbouncer.ts";
import { postgresForTests } from "./subject.ts";

const postgres = postgresForTests({ fsync: false });
const title =
  PGBOUNCER === undefined
    ? "PgBouncer (skipped: the program pgbouncer is not installed here)"
    : `PgBouncer ${PGBOUNCER}`;

const add = activity("add", async ([a, b]: [number, number]) => a + b);
const item = signal<number>("item");
const steps = workflow("steps", async (wf, count: number) => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum = await wf.call(add, [sum, 1]);
  return sum;
});
const parent = workflow("parent", async (wf, count: number) => wf.child(steps, count));
const mixed = workflow("mixed", async (wf, count: number) => {
  let sum = 0;
  for (let i = 0; i < count; i++) sum += (await wf.waitFor(item)) as number;
  await wf.sleep("50ms");
  const booked = await wf.transaction(
    "book",
    async (tx) => {
      await tx.query("insert into public.bookings (id) values ($1)", [wf.info.workflowId]);
      return (await tx.query("select count(*) as n from public.bookings where id = $1", [wf.info.workflowId]))[0];
    },
    { retry: { initial: "50ms", factor: 1, maxAttempts: 50 } },
  );
  return [sum, await wf.call(add, [sum, 1]), booked];
});

async function bouncer(settings: Record<string, string | number>): Promise<PgBouncer> {
  const started = await PgBouncer.start(postgres.server, settings);
  onTestFinished(() => started[Symbol.asyncDispose]());
  return started;
}

async function engine(store: string, options: OpenOptions = {}): Promise<Perdure> {
  const opened = await open({
    store,
    workflows: [steps, parent, mixed],
    logger: silentLogger,
    poll: "200ms",
    ...options,
  });
  onTestFinished(() => opened.close());
  return opened;
}

function through({ url }: PgBouncer, parameters: string, user = "perdure"): string {
  const schema = new URL(postgres.freshAddress()).searchParams.get("schema");
  return `${url.replace("perdure@", `${user}@`)}?schema=${schema}${parameters}`;
}

async function insist<T>(work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!["UNAVAILABLE", "LEASE_LOST"].includes((error as { code?: string }).code ?? "")) throw error;
      await pass(20);
    }
  }
}

/** Runs of everything there is, each started here and signalled there. */
async function work(engines: readonly Perdure[], runs: number): Promise<void> {
  await postgres.ask("create table if not exists public.bookings (id text primary key)");
  await postgres.ask("truncate public.bookings");
  const at = (n: number): Perdure => engines[n % engines.length]!;
  const one = async (n: number): Promise<unknown> => {
    const id = `m-${n}`;
    await insist(() => at(n).start(mixed, 3, { id, idempotencyKey: id }));
    const child = await insist(() => at(n).start(parent, 3, { id: `p-${n}`, idempotencyKey: id }));
    for (const amount of [1, 2, 3])
      await insist(async () => (await at(n + 1).handle(id)).signal(item, amount, { key: `${amount}` }));
    const result = await insist(async () => (await at(n + 2).handle(id)).result({ timeout: "20s" }));
    return [result, await insist(() => child.result({ timeout: "20s" }))];
  };
  const results = await Promise.all(Array.from({ length: runs }, (_, n) => one(n)));
  expect(results).toEqual(Array.from({ length: runs }, () => [[6, 7, { n: 1 }], 3]));
}

const SETTINGS =
  "select name, reset_val from pg_settings where name in ('lock_timeout', 'plan_cache_mode', 'synchronous_commit') order by name";

describe.skipIf(PGBOUNCER === undefined)(title, () => {
  it("in transaction mode carries three engines over six connections with prepare=false", async () => {
    const pooler = await bouncer({ pool_mode: "transaction", default_pool_size: 6 });
    const store = through(pooler, "&prepare=false");
    const engines = [await engine(store), await engine(store), await engine(store)];
    await work(engines, 20);
    const sessions = "select count(*)::int as n from pg_stat_activity where application_name = 'perdure'";
    expect((await postgres.ask(sessions))[0]!.n).toBeLessThanOrEqual(6);
    await Promise.all(engines.map((one) => one.close()));
    expect(await audit(postgres.server.url, new URL(store).searchParams.get("schema")!)).toEqual([]);
  });

  it("may end and come back: nothing is lost", async () => {
    const pooler = await bouncer({ pool_mode: "transaction" });
    const store = through(pooler, "&prepare=false");
    const engines = [await engine(store), await engine(store)];
    const done = work(engines, 20);
    for (let round = 0; round < 3; round++) {
      await pass(100);
      await pooler.stop();
      await pass(100);
      await pooler.resume();
    }
    await done;
    await Promise.all(engines.map((one) => insist(() => one.close())));
    expect(await audit(postgres.server.url, new URL(store).searchParams.get("schema")!)).toEqual([]);
  });

  it("in session mode hears of others at once, too, with prepare=false&listen=true", async () => {
    const pooler = await bouncer({ pool_mode: "session", default_pool_size: 60 });
    const store = through(pooler, "&prepare=false&listen=true");
    const engines = [await engine(store, { poll: "30s" }), await engine(store, { poll: "30s" })];
    await work(engines, 5);
  });

  it("refuses what transaction mode cannot carry, and says what to do", async () => {
    const strict = await bouncer({ pool_mode: "transaction" });
    const lax = await bouncer({ pool_mode: "transaction", ignore_startup_parameters: "options,extra_float_digits" });
    for (const pooler of [strict, lax]) {
      await expect(openPostgresStore(through(pooler, ""))).rejects.toMatchObject({
        code: "UNAVAILABLE",
        message: expect.stringContaining("add prepare=false to the address"),
      });
    }
  });

  it("with the documented settings of the role has those of sessions without it", async () => {
    const page = readFileSync(new URL("../../docs/postgres.md", import.meta.url), "utf8");
    const settings = /```psql\n(alter role perdure_app set[\s\S]*?)```/.exec(page)![1]!;
    await postgres.ask("create role bouncer superuser login");
    await postgres.ask(settings.replaceAll("perdure_app", "bouncer"));
    const pooler = await bouncer({ pool_mode: "transaction" });
    const store = through(pooler, "&prepare=false", "bouncer");
    const shown = workflow("shown", async (wf) =>
      wf.transaction("show", async (tx) =>
        (await tx.query(SETTINGS)).map((row) => Object.values(row as object).join("=")),
      ),
    );
    const looking = await engine(store, { workflows: [shown] });
    expect(await (await looking.start(shown)).result()).toEqual([
      "lock_timeout=5000",
      "plan_cache_mode=force_custom_plan",
      "synchronous_commit=on",
    ]);
  });
});
