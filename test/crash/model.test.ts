/**
 * The programming model under SIGKILL: transactions, children, compensations, updates over continue-as-new. One engine process is
 * killed at random moments and restarted at once. `PERDURE_KILL_SEED` repeats a schedule as exactly as the machine allows.
 */
import { setTimeout as pass } from "node:timers/promises";
import { afterEach, beforeEach, expect, it } from "vitest";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import { CrashSite } from "./crash-site.ts";
import { Lineage } from "./lineage.ts";
import { seededDraw } from "./seeded-random.ts";

const KILLS = Number(process.env.PERDURE_KILLS ?? 10);
const SEED = Number(process.env.PERDURE_KILL_SEED ?? Date.now() % 1_000_000);
const BOOKINGS = 60;
const UPDATES = 40;

let site: CrashSite;
beforeEach(() => {
  site = new CrashSite();
});
afterEach(() => site.clear());

it(`books, undoes and counts exactly once over ${KILLS} kills (seed ${SEED})`, {
  timeout: 60_000 + KILLS * 3000,
}, async () => {
  const draw = seededDraw(SEED);
  const lineage = new Lineage(site);
  const start = (workflow: string, id: string, input: unknown): Promise<unknown> =>
    lineage.ask("start", workflow, input, { id, idempotencyKey: id });
  await Promise.all([
    start("bookings", "account-1", { count: BOOKINGS }),
    start("bookings", "account-2", { count: BOOKINGS }),
    start("tally", "tally", { sum: 0, left: UPDATES, every: 7 }),
  ]);
  const updating = update(lineage);
  const families: string[] = [];
  const undoings: string[] = [];
  for (let kill = 0; kill < KILLS; kill++) {
    families.push(`family-${kill}`);
    undoings.push(`undoing-${kill}`);
    await start("family", `family-${kill}`, { children: 4, ms: draw(0, 60) });
    await start("undoing", `undoing-${kill}`, { steps: 3, ms: draw(0, 40) });
    await pass(draw(50, 900));
    await lineage.child.kill();
  }
  const survivor = lineage.stop();
  const client = await site.client();
  const result = async (id: string): Promise<unknown> => (await client.handle(id)).result({ timeout: "30s" });
  const sum = (BOOKINGS * (BOOKINGS + 1)) / 2;
  expect(await Promise.all([result("account-1"), result("account-2")])).toEqual([sum, sum]);
  for (const id of families) expect(await result(id)).toEqual([0, 1, 2, 3, 4]);
  for (const id of undoings)
    expect(await result(id)).toEqual(["the last one cannot be done", ["undo-2", "undo-1", "undo-0"]]);
  expect(await updating).toEqual(Array.from({ length: UPDATES }, (_, n) => ((n + 1) * (n + 2)) / 2));
  expect(await result("tally")).toBe((UPDATES * (UPDATES + 1)) / 2);
  await survivor.leave();
  await client.close();
  audit(families.length);
});

/** Updates one after another; one that was not answered is sent again under its id. */
async function update(lineage: Lineage): Promise<unknown[]> {
  const answers: unknown[] = [];
  for (let n = 1; n <= UPDATES; n++) answers.push(await lineage.ask("update", "tally", "add", n, `u${n}`));
  return answers;
}

/** What the file holds must be what was done once. */
function audit(families: number): void {
  const db = openConnection(site.store);
  try {
    const rows = (sql: string): unknown[][] => db.prepare(sql).all([]) as unknown[][];
    expect(rows("select account, count(*), count(distinct amount) from bookings group by account")).toEqual([
      ["account-1", BOOKINGS, BOOKINGS],
      ["account-2", BOOKINGS, BOOKINGS],
    ]);
    expect(
      rows(
        "select count(*), count(distinct parent || '/' || parent_command) from workflow_runs where parent is not null",
      ),
    ).toEqual([[families * 5, families * 5]]);
    for (const left of ["tx_outcomes where data <> ''", "messages", "attempts", "engines"])
      expect([left, rows(`select * from ${left}`)]).toEqual([left, []]);
    expect(rows("select status, count(*) from answers group by status")).toEqual([["completed", UPDATES]]);
  } finally {
    db.close();
  }
}
