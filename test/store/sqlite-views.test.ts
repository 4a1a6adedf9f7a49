import { describe, expect, it } from "vitest";
import { formatRunId } from "../../src/core/ids.ts";
import { openSqliteStore } from "../../src/store/index.ts";
import { openConnection } from "../../src/store/sqlite/driver.ts";
import { attempt, event, newScene, type Scene } from "../../src/testing/store-conformance/scene.ts";
import { scratchFile } from "./scratch.ts";

const AT = Date.parse("2026-02-03T04:05:06.789Z");

/** Writes a history and reads a view of it with plain SQL, as an auditor would. */
async function query(sql: string, write: (scene: Scene) => Promise<unknown>): Promise<unknown[][]> {
  const path = scratchFile();
  const store = await openSqliteStore({ path });
  await write(await newScene(store));
  await store.close();
  const db = openConnection(path);
  try {
    return db.prepare(sql).all([]);
  } finally {
    db.close();
  }
}

function row(type: string, at: number, data: object): ReturnType<typeof event> {
  return event(type, at, JSON.stringify(data));
}

describe("the view stages", () => {
  const columns = "command, step, kind, status, attempts, started_at, ended_at, duration_ms, error";
  const stages = (write: (scene: Scene) => Promise<unknown>): Promise<unknown[][]> =>
    query(`select ${columns} from stages order by ended_at is null, ended_at, command`, write);

  it("shows each outcome with its times in ISO 8601", async () => {
    const events = [
      row("StepCompleted", AT, { c: 1, k: "activity", n: "charge", l: "pay", a: 2, d: 1789, p: 1 }),
      row("StepFailed", AT + 1, { c: 2, k: "inline", n: "f", e: { name: "CardDeclined", message: "no" } }),
      row("StepCancelled", AT + 2, { c: 3, k: "activity", n: "ship" }),
      row("TimerFired", AT + 3, { c: 4, k: "timer", n: "sleep" }),
      row("WaitTimedOut", AT + 4, { c: 5, k: "wait", n: "approved" }),
      row("StepCompleted", AT + 5, { c: 6, k: "child", n: "invoice", d: 5, p: 1 }),
      row("RunCompleted", AT + 6, { p: null }),
    ];
    const ended = (ms: number): string => `2026-02-03T04:05:06.${789 + ms}Z`;
    expect(await stages(async (scene) => scene.advance(await scene.start(), 1, { events }))).toEqual([
      [1, "pay", "activity", "completed", 2, "2026-02-03T04:05:05.000Z", ended(0), 1789, null],
      [2, "f", "inline", "failed", 1, ended(1), ended(1), 0, "CardDeclined: no"],
      [3, "ship", "activity", "cancelled", null, null, ended(2), null, null],
      [4, "sleep", "timer", "completed", null, null, ended(3), null, null],
      [5, "approved", "wait", "timed_out", null, null, ended(4), null, null],
      [6, "invoice", "child", "completed", null, ended(0), ended(5), 5, null],
    ]);
  });

  it("shows what notes tell: skipped steps and waits that were answered", async () => {
    const notes = [
      { k: "wait.completed", command: 1, name: "approved", label: "approval", at: AT },
      { k: "step.skipped", step: "escalate", reason: "not needed" },
    ];
    expect(
      await stages(async (scene) =>
        scene.advance(await scene.start(), 1, { events: [row("RunCompleted", AT + 1, { p: 1, o: notes })] }),
      ),
    ).toEqual([
      [1, "approval", "wait", "completed", null, null, "2026-02-03T04:05:06.789Z", null, null],
      [null, "escalate", null, "skipped", 0, null, "2026-02-03T04:05:06.790Z", null, null],
    ]);
  });

  it("shows what is in flight: running attempts, those waiting for a retry, timers", async () => {
    const error = JSON.stringify({ name: "TypeError", message: "down" });
    const attempts = [
      attempt(1, { firstAt: AT, startedAt: AT }),
      attempt(2, { firstAt: AT, startedAt: null, attempt: 3, nextAt: AT + 9, error }),
      attempt(3, { firstAt: AT, startedAt: null, attempt: 0, kind: "timer", name: "sleep" }),
      attempt(4, { firstAt: AT, startedAt: null, attempt: 0, kind: "child", name: "invoice" }),
      attempt(5, { firstAt: AT, startedAt: AT, external: true }),
    ];
    const started = "2026-02-03T04:05:06.789Z";
    expect(await stages(async (scene) => scene.advance(await scene.start(), 1, { attempts }))).toEqual([
      [1, "charge", "activity", "running", 1, started, null, null, null],
      [2, "charge", "activity", "pending", 3, started, null, null, "TypeError: down"],
      [3, "sleep", "timer", "running", null, started, null, null, null],
      [4, "invoice", "child", "running", null, started, null, null, null],
      [5, "charge", "activity", "running", 1, started, null, null, null],
    ]);
  });
});

describe("the views decisions and checkpoints", () => {
  it("show the notes of their kind", async () => {
    const notes = [
      { from: "judge", to: "draft", k: "decision" },
      { node: "draft", state: { text: "x" }, k: "checkpoint" },
    ];
    const write = async (scene: Scene): Promise<void> => {
      const run = await scene.start({ workflowId: "a" });
      await scene.advance(run, 1, { events: [row("StepCompleted", AT, { c: 1, o: notes })] });
    };
    for (const [view, data] of [
      ["decisions", { from: "judge", to: "draft" }],
      ["checkpoints", { node: "draft", state: { text: "x" } }],
    ] as const) {
      const [found] = await query(`select workflow_id, seq, at, data from ${view}`, write);
      expect(found?.slice(0, 3)).toEqual(["a", 2, "2026-02-03T04:05:06.789Z"]);
      expect(JSON.parse(found?.[3] as string)).toEqual(data);
    }
  });
});

describe("the view runs", () => {
  it("shows runs as people name them, with input, result and error", async () => {
    let id = "";
    const rows = await query(
      "select run_id, workflow_id, status, created_at, duration_ms, input, result, error from runs",
      async (scene) => {
        const first = row("RunStarted", AT, { n: "order", p: { x: 1 } });
        const good = await scene.start({ workflowId: "good", createdAt: AT, first });
        const bad = await scene.start({ workflowId: "bad", createdAt: AT, first });
        await scene.advance(good, 1, { events: [row("RunCompleted", AT, { p: "ok" })] });
        await scene.park(good, 2, { status: "completed", closedAt: AT + 5 });
        await scene.advance(bad, 1, { events: [row("RunFailed", AT, { e: { name: "Error", message: "no" } })] });
        await scene.park(bad, 2, { status: "failed", closedAt: AT + 5 });
        id = formatRunId(scene.store.id, good);
      },
    );
    const created = "2026-02-03T04:05:06.789Z";
    expect(rows.slice(0, 2)).toEqual([
      [id, "good", "completed", created, 5, '{"x":1}', "ok", null],
      [expect.any(String), "bad", "failed", created, 5, '{"x":1}', null, "Error: no"],
    ]);
  });

  it("writes run numbers in base 36", async () => {
    let ids: string[] = [];
    const rows = await query("select run_id from runs order by run", async (scene) => {
      const runs: number[] = [];
      for (let index = 0; index < 40; index++) runs.push(await scene.start());
      ids = runs.map((run) => formatRunId(scene.store.id, run));
    });
    expect(rows.flat()).toEqual(ids);
  });
});
