/** `wf.transaction` on PostgreSQL: exactly once, whatever happens to the process, its connection or its lease (rules 21, 32). */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as pass } from "node:timers/promises";
import { describe, expect, it, onTestFinished } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import { connect, open, workflow } from "../../src/index.ts";
import { openStore } from "../../src/store/index.ts";
import { Way } from "../chaos/proxy.ts";
import { audit } from "./audit.ts";
import { postgresForTests } from "./subject.ts";

const postgres = postgresForTests();
const RUNS = 6;
const BOOKINGS = 15;

async function site(): Promise<{ address: string; schema: string }> {
  const address = postgres.freshAddress();
  const schema = new URL(address).searchParams.get("schema")!;
  await (await openStore(address)).close();
  await postgres.ask(`create table ${schema}.bookings (workflow_id text, n bigint)`);
  return { address, schema };
}

async function booked(schema: string): Promise<unknown[]> {
  return postgres.ask(
    `select workflow_id, count(*)::int as rows, count(distinct n)::int as numbers from ${schema}.bookings group by 1 order by 1`,
  );
}

const once15 = (id: string) => ({ workflow_id: id, rows: BOOKINGS, numbers: BOOKINGS });

async function booking(address: string): Promise<ChildProcess> {
  const child = fork(join(import.meta.dirname, "booking-process.mjs"), [address], { silent: true });
  onTestFinished(() => void child.kill("SIGKILL"));
  await once(child, "message");
  return child;
}

async function end(child: ChildProcess): Promise<void> {
  child.kill("SIGKILL");
  await once(child, "exit");
}

/** Asks for runs whose code only the processes have. */
async function startRuns(address: string): Promise<string[]> {
  const bookings = workflow("bookings", async (_wf, _count: number) => 0);
  const starter = await open({ store: address, workflows: [bookings], logger: silentLogger, claims: "own" });
  const ids = Array.from({ length: RUNS }, (_, n) => `b${n}`);
  for (const id of ids) await starter.start(bookings, BOOKINGS, { id, delay: "300ms" });
  await starter.close();
  return ids;
}

describe("transactions of steps happen once", () => {
  it("when processes are killed in the middle of them", { timeout: 60_000 }, async () => {
    const { address, schema } = await site();
    const ids = await startRuns(address);
    let child = await booking(address);
    for (let kill = 0; kill < 4; kill++) {
      await pass(500 + 60 * kill);
      const dead = child;
      [child] = await Promise.all([booking(address), end(dead)]);
    }
    const connection = await connect({ store: address });
    for (const id of ids) expect(await (await connection.handle(id)).result({ timeout: "30s" })).toBe(BOOKINGS);
    await connection.close();
    await end(child);
    expect(await booked(schema)).toEqual(ids.map(once15));
    expect(await audit(postgres.server.url, schema)).toEqual([]);
  });

  it("when their process is frozen past its lease and wakes up again", { timeout: 60_000 }, async () => {
    const { address, schema } = await site();
    const ids = await startRuns(address);
    const frozen = await booking(address);
    const heir = await booking(address);
    for (let freeze = 0; freeze < 2; freeze++) {
      await pass(450);
      frozen.kill("SIGSTOP");
      await pass(1800);
      frozen.kill("SIGCONT");
    }
    const connection = await connect({ store: address });
    for (const id of ids) expect(await (await connection.handle(id)).result({ timeout: "30s" })).toBe(BOOKINGS);
    await connection.close();
    await Promise.all([end(frozen), end(heir)]);
    expect(await booked(schema)).toEqual(ids.map(once15));
    expect(await audit(postgres.server.url, schema)).toEqual([]);
  });

  it("when the answer to the commit is lost: its outcome counts, and is booked once", {
    timeout: 30_000,
  }, async () => {
    const { address, schema } = await site();
    // Commits take long enough to be cut off in the middle of them.
    await postgres.ask(`create function ${schema}.dawdle() returns trigger language plpgsql as $$
      begin perform pg_sleep(0.5); return null; end $$`);
    await postgres.ask(`create constraint trigger dawdle after insert on ${schema}.bookings
      deferrable initially deferred for each row execute function ${schema}.dawdle()`);
    const way = await Way.to(Number(new URL(postgres.server.url).port));
    onTestFinished(() => way.close());
    let worked = 0;
    const book = workflow("book", async (wf) =>
      wf.transaction("book", async (tx) => {
        worked++;
        await tx.query("insert into bookings (workflow_id, n) values ('cut', $1)", [worked]);
        return worked;
      }),
    );
    const through = address.replace(/:\d+\//, `:${way.port}/`);
    const engine = await open({ store: through, workflows: [book], logger: silentLogger, leaseTtl: "5s" });
    onTestFinished(() => engine.close());
    const handle = await engine.start(book);
    const committing =
      "select 1 from pg_stat_activity where query like 'commit;%' and state = 'active' and wait_event = 'PgSleep'";
    while ((await postgres.ask(committing)).length === 0) await pass(5);
    way.cut();
    // While the first commit is in doubt the step may work again; that waits for the first, and is undone.
    expect(await handle.result()).toBe(1);
    expect(await booked(schema)).toEqual([{ workflow_id: "cut", rows: 1, numbers: 1 }]);
  });
});
