/** Schedules as typed: with an engine on the store, and without one. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { open } from "../../src/client/open.ts";
import { silentLogger } from "../../src/engine/log.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { folderWith, lastJson, perdure } from "./perdure.ts";

const echo = workflow("echo", async (_wf, input: unknown) => input);

function schedules(folder: string, ...args: string[]): ReturnType<typeof perdure> {
  return perdure(folder, "schedules", ...args);
}

describe("perdure schedules", () => {
  test("are told things that take effect once an engine with the workflow runs", async () => {
    const folder = folderWith({});
    const made = await schedules(folder, "create", "s", "-w", "echo", "--every", "1h", "-i", "a=1", "--tag", "t=x");
    expect([made.code, made.stdout]).toEqual([0, expect.stringContaining("no engine is running on this store")]);
    const again = await schedules(folder, "create", "s", "-w", "echo", "--every", "1h");
    expect([again.code, again.stderr]).toEqual([2, expect.stringContaining("update or delete it")]);
    const paused = await schedules(folder, "pause", "s", "--note", "moving", "--json");
    expect(lastJson(paused)).toEqual({ schedule: "s", paused: true, note: "moving", taken: false });
    expect(lastJson(await schedules(folder, "trigger", "s", "--json"))).toMatchObject({ taken: false });
    const engine = await open({
      store: `sqlite:${join(folder, ".perdure/store.db")}`,
      workflows: [echo],
      logger: silentLogger,
    });
    try {
      await expect
        .poll(async () => (await engine.schedules.list())[0], { timeout: 10_000 })
        .toMatchObject({ status: "paused", paused: { note: "moving" }, started: 1 });
      expect(lastJson(await schedules(folder, "resume", "s", "--json"))).toMatchObject({ paused: false, taken: true });
      const filled = await schedules(folder, "backfill", "s", "--from", "2026-01-01", "--to", "2026-01-01", "--json");
      expect(lastJson(filled)).toMatchObject({
        taken: true,
        entries: [{ tick: "2026-01-01T00:00:00.000Z", outcome: "started", workflowId: "s@2026-01-01T00:00:00.000Z" }],
      });
      const result = await (await engine.handle("s@2026-01-01T00:00:00.000Z")).result({ timeout: "10s" });
      expect(result).toEqual({ a: 1 });
      expect((await schedules(folder, "update", "s", "--cron", "0 3 * * *")).stdout).toContain("s changed");
      const shown = await schedules(folder, "show", "s");
      expect(shown.stdout).toMatch(/s {2}active {2}cron 0 3 \* \* \*[\s\S]*started by backfill/);
      expect(lastJson(await schedules(folder, "delete", "s", "--json"))).toMatchObject({ deleted: true });
      expect((await schedules(folder, "list")).stdout).toContain("there are no schedules");
    } finally {
      await engine.close();
    }
  });

  test("say that no engine has the workflow", async () => {
    const folder = folderWith({});
    const engine = await open({
      store: `sqlite:${join(folder, ".perdure/store.db")}`,
      workflows: [echo],
      logger: silentLogger,
    });
    try {
      const known = await schedules(folder, "create", "e", "-w", "echo", "--every", "1h");
      expect([known.code, known.stdout.trim().split("\n").length]).toEqual([0, 1]);
      const made = await schedules(folder, "create", "s", "-w", "nope", "--every", "1s");
      expect([made.code, made.stdout]).toEqual([
        0,
        expect.stringContaining("! no engine of this store has a workflow nope"),
      ]);
      expect((await schedules(folder, "list")).stdout).toMatch(/waits: no engine has nope +s +nope/);
      expect((await schedules(folder, "show", "s")).stdout).toMatch(/waits: no engine has nope[\s\S]*next .*\(due\)/);
      expect(lastJson(await schedules(folder, "show", "e", "--json"))).toMatchObject({ waitingFor: null });
    } finally {
      await engine.close();
    }
  });

  test("say what was typed wrong", async () => {
    const folder = folderWith({});
    const wrong = async (...args: string[]): Promise<[number | null, string]> => {
      const { code, stderr } = await schedules(folder, ...args);
      return [code, stderr];
    };
    expect(await wrong("create", "s", "--every", "1h")).toEqual([2, expect.stringContaining("--workflow")]);
    expect(await wrong("create", "s", "-w", "echo")).toEqual([2, expect.stringContaining("exactly one of cron")]);
    expect(await wrong("create", "s", "-w", "echo", "--cron", "nonsense")).toEqual([
      2,
      expect.stringContaining("nonsense"),
    ]);
    expect(await wrong("create", "s", "-w", "echo", "--at", "2020-01-01")).toEqual([
      2,
      expect.stringContaining("never tick"),
    ]);
    const nowhere = ["--cron", "0 3 * * *", "--timezone", "Europe/Berlinn"];
    expect(await wrong("create", "s", "-w", "echo", ...nowhere)).toEqual([
      2,
      expect.stringMatching(/there is no time zone "Europe\/Berlinn"; did you mean Europe\/Berlin\?\s*$/),
    ]);
    await schedules(folder, "create", "s", "-w", "echo", "--every", "1h");
    const span = ["--from", "2026-11-21T12:00:06Z", "--to", "2026-11-21T12:00:00Z"];
    expect(await wrong("backfill", "s", ...span)).toEqual([
      2,
      expect.stringContaining("to (2026-11-21T12:00:00.000Z) is before from (2026-11-21T12:00:06.000Z)"),
    ]);
    expect(await wrong("backfill", "s")).toEqual([2, expect.stringContaining("--from")]);
    expect(await wrong("trigger", "s", "--overlap", "maybe")).toEqual([2, expect.stringContaining("--overlap is one")]);
    expect(await wrong("show", "nobody")).toEqual([2, expect.stringContaining("schedules list")]);
  });
});
