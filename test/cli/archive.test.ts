/** gc with an archive, archives that are replayed, and what the command line says after runs that cannot simply go on, as typed. */
import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import type { ArchivedRun } from "../../src/engine/archived-run.ts";
import { folderWith, lastJson, linesOf, perdure, Running } from "./perdure.ts";

const ORDER = (step: string) => `import { activity, workflow } from "perdure";
const charge = activity("${step}", { retry: { maxAttempts: 1 } }, async (n: number) => {
  if (n === 13) throw new Error("no card");
  return n;
});
export const order = workflow("order", async (wf, { n }: { n: number }) => wf.call(charge, n));
`;

/** All lines of an archive. */
function archived(folder: string): ArchivedRun[] {
  const files = readdirSync(folder, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".jsonl"));
  return files.flatMap((name) => linesOf(folder, name).map((line) => JSON.parse(line) as ArchivedRun));
}

describe("perdure gc --archive", () => {
  let folder = "";
  beforeAll(async () => {
    folder = folderWith({ "order.ts": ORDER("charge"), "changed.ts": ORDER("pay") });
    for (const n of [1, 2, 13, 4]) await perdure(folder, "run", "order.ts", "--id", `order-${n}`, `n=${n}`);
  }, 60_000);

  test("says what it would do, and refuses what makes no sense", async () => {
    const dry = await perdure(folder, "gc", "--older-than", "0s", "--archive", "archive", "--dry-run");
    expect([dry.code, dry.stdout]).toEqual([0, "4 runs would be archived and deleted\n"]);
    expect(existsSync(join(folder, "archive"))).toBe(false);
    const mistakes: [string[], RegExp][] = [
      [["gc", "--archive", "archive"], /--older-than is missing/],
      [["gc", "--older-than", "0s", "--status", "open", "--yes"], /open runs are never deleted/],
      [["gc", "--older-than", "0s", "--limit", "none"], /whole number/],
      [["gc", "--older-than", "0s", "--archive", "order.ts", "--yes"], /the archive .*order\.ts cannot be written/],
      [["gc", "--older-than", "0s", "--archive", "/proc/nope", "--yes"], /the archive \/proc\/nope cannot be written/],
    ];
    for (const [args, expected] of mistakes) {
      const { code, stderr } = await perdure(folder, ...args);
      expect(stderr, args.join(" ")).toMatch(expected);
      expect(code, args.join(" ")).not.toBe(0);
    }
    expect(lastJson(await perdure(folder, "gc", "--older-than", "0s", "--dry-run", "--json"))).toMatchObject({
      matched: 4,
    });
  });

  test("moves runs to files, some of them or all, with everything that was known of them", async () => {
    const gc = (...args: string[]) =>
      perdure(folder, "gc", "--older-than", "0s", "--archive", "archive", "--yes", "--json", ...args);
    expect(lastJson(await gc("--limit", "1"))).toEqual({
      matched: 1,
      deleted: 1,
      failed: 0,
      archived: 1,
      archive: "archive",
    });
    expect(archived(join(folder, "archive")).map(({ workflowId }) => workflowId)).toEqual(["order-1"]);
    expect(lastJson(await gc("--status", "failed"))).toMatchObject({ deleted: 1 });
    expect(lastJson(await gc())).toMatchObject({ deleted: 2 });
    expect(lastJson(await gc())).toMatchObject({ matched: 0, deleted: 0 });
    const runs = archived(join(folder, "archive"));
    expect(runs.map(({ workflowId, status }) => `${workflowId} ${status}`)).toEqual([
      "order-1 completed",
      "order-13 failed",
      "order-2 completed",
      "order-4 completed",
    ]);
    expect(runs[1]?.events.at(-1)).toMatchObject({ type: "RunFailed" });
    expect((await perdure(folder, "runs", "list")).stdout).toContain("no runs");
  });

  test("leaves files that are replayed whole, without what a crash has torn", async () => {
    const [day = ""] = readdirSync(join(folder, "archive", "order"));
    const file = join("archive", "order", day);
    const same = await perdure(folder, "replay", "order.ts", "--history", file);
    expect([same.code, same.stdout]).toEqual([0, expect.stringContaining("4 runs replayed")]);
    const changed = await perdure(folder, "replay", "changed.ts", "--history", file, "--json");
    expect([changed.code, lastJson<{ different: object[] }>(changed).different.length]).toEqual([1, 4]);
    const text = readFileSync(join(folder, file), "utf8");
    const next = join("archive", "order", "next.jsonl");
    writeFileSync(join(folder, next), text);
    for (const files of [
      ["--history", file, next],
      [file, next],
    ]) {
      const { code, stdout } = await perdure(folder, "replay", "order.ts", ...files);
      expect([code, stdout]).toEqual([0, expect.stringContaining("8 runs replayed")]);
    }
    appendFileSync(join(folder, file), text.slice(0, 200));
    const torn = await perdure(folder, "replay", "order.ts", "--history", file);
    expect([torn.code, torn.stdout, torn.stderr]).toEqual([
      0,
      expect.stringContaining("4 runs replayed"),
      expect.stringContaining("left out 1 torn by a crash"),
    ]);
    appendFileSync(join(folder, file), "\nnonsense\n");
    const wrong = await perdure(folder, "replay", "order.ts", "--history", file);
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining(":6 is no recorded history")]);
  });
});

test("a gc that is killed loses nothing: what is not in the store is in the archive", async () => {
  const folder = folderWith({
    "many.mjs": `import { open, workflow } from "perdure";
const quick = workflow("quick", async (wf) => wf.step("s", () => "x".repeat(2000)));
const engine = await open({ store: "sqlite:.perdure/store.db", workflows: [quick] });
for (let n = 0; n < 40; n++) await Promise.all(Array.from({ length: 100 }, async () => (await engine.start(quick)).result()));
await engine.close();
`,
  });
  const link = join(folder, "node_modules", "perdure");
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(join(import.meta.dirname, "../.."), link);
  execFileSync(process.execPath, ["many.mjs"], { cwd: folder });
  const written = (): number => {
    const files = existsSync(join(folder, "archive/quick")) ? readdirSync(join(folder, "archive/quick")) : [];
    return files.reduce((sum, name) => sum + statSync(join(folder, "archive/quick", name)).size, 0);
  };
  for (const laterMs of [0, 5, 20]) {
    const gc = new Running(folder, ["gc", "--older-than", "0s", "--archive", "archive", "--yes"]);
    const before = written();
    while (written() === before) await new Promise((resolve) => setTimeout(resolve, 1));
    await new Promise((resolve) => setTimeout(resolve, laterMs));
    gc.kill("SIGKILL");
    expect((await gc.ended).code).toBe(null);
  }
  const left = lastJson<{ runs: number }[]>(await perdure(folder, "gc", "--json")).reduce(
    (sum, { runs }) => sum + runs,
    0,
  );
  expect(left).toBeGreaterThan(0);
  await perdure(folder, "gc", "--older-than", "0s", "--archive", "archive", "--yes");
  const whole: string[] = [];
  const file = join(folder, "archive/quick", readdirSync(join(folder, "archive/quick"))[0]!);
  for (const line of readFileSync(file, "utf8").split("\n").filter(Boolean)) {
    try {
      whole.push((JSON.parse(line) as ArchivedRun).runId);
    } catch {
      expect(line.startsWith('{"format"')).toBe(true);
    }
  }
  expect(new Set(whole).size).toBe(4000);
});

describe("perdure gc --compact", () => {
  test("makes the file of a store smaller", async () => {
    const folder = folderWith({
      "big.yaml": `name: big
agents:
  big: { command: [node, -e, 'console.log(JSON.stringify("x".repeat(400000)))'] }
steps:
${Array.from({ length: 8 }, (_, n) => `  - { id: s${n}, agent: big }`).join("\n")}
`,
    });
    await perdure(folder, "run", "big.yaml", "--id", "big");
    const file = join(folder, ".perdure/store.db");
    await perdure(folder, "gc", "--older-than", "0s", "--yes");
    const before = statSync(file).size;
    const compact = await perdure(folder, "gc", "--compact");
    expect([compact.code, compact.stdout]).toEqual([0, expect.stringContaining("compact")]);
    expect([before > 2e6, statSync(file).size < 500_000]).toEqual([true, true]);
  });
});

/** Fails once its first step is undone, unless there is a file `ok`. */
const SAGA = `import { existsSync } from "node:fs";
import { activity, workflow } from "perdure";
const once = { retry: { maxAttempts: 1 } } as const;
const book = activity("book", once, async () => "b");
const pay = activity("pay", once, async () => {
  if (!existsSync("ok")) throw new Error("no card");
  return "p";
});
const unbook = activity("unbook", async () => {});
export const trip = workflow("trip", async (wf) =>
  wf.saga(async (saga) => {
    await saga.call(book, undefined, { undo: () => wf.call(unbook, undefined) });
    return wf.call(pay, undefined);
  }),
);
`;

describe("after a run whose steps were undone", () => {
  test("the way on is back or anew, and that works as it is typed", async () => {
    const folder = folderWith({ "trip.ts": SAGA });
    const failed = await perdure(folder, "run", "trip.ts", "--id", "trip-1");
    expect(failed.code).toBe(1);
    expect(failed.stdout).toContain("perdure runs reset trip-1 --to book");
    expect(failed.stdout).toContain("perdure runs fork trip-1 --from book");
    expect(failed.stdout).not.toContain("runs resume");
    for (const later of [
      ["runs", "show", "trip-1"],
      ["run", "trip.ts", "--id", "trip-1"],
    ]) {
      const { stdout } = await perdure(folder, ...later);
      expect(stdout, later[1]).toContain("go back perdure runs reset trip-1 --to book\n");
      expect(stdout, later[1]).toContain("or anew perdure runs fork trip-1 --from book\n");
      expect(stdout, later[1]).not.toContain("runs resume");
    }
    writeFileSync(join(folder, "ok"), "");
    const again = await perdure(folder, "runs", "reset", "trip-1", "--to", "book", "--json");
    expect(lastJson(again)).toMatchObject({ status: "completed", output: "p" });
  });
});

describe("perdure runs fork --detach", () => {
  test("makes the run and leaves it to an engine", async () => {
    const folder = folderWith({ "order.ts": ORDER("charge") });
    await perdure(folder, "run", "order.ts", "--id", "o", "n=1");
    const fork = await perdure(folder, "runs", "fork", "o", "--from", "charge", "--detach", "--json");
    expect(lastJson(fork)).toMatchObject({ forked: true, workflowId: "o~fork-1" });
    const shown = lastJson(await perdure(folder, "runs", "show", "o~fork-1", "--json"));
    expect(shown).toMatchObject({ status: "pending" });
    expect(lastJson(await perdure(folder, "runs", "resume", "o~fork-1", "--json"))).toMatchObject({ output: 1 });
  });
});

describe("perdure runs retry-step with a filter", () => {
  test("starts what waits for its next attempt in many runs", async () => {
    const flow = (n: number) => `name: flaky
agents:
  flaky: { command: [node, -e, 'require("fs").appendFileSync("tried-${n}.txt", "x\\n"); require("fs").readFileSync("ok")'] }
steps:
  - { id: flaky, agent: flaky, retry: { max_attempts: 3, initial: 1h, max: 1h } }
`;
    const folder = folderWith({ "a.yaml": flow(1), "b.yaml": flow(2) });
    const runs = [
      new Running(folder, ["run", "a.yaml", "--id", "a"]),
      new Running(folder, ["run", "b.yaml", "--id", "b"]),
    ];
    const waiting = async (): Promise<boolean> =>
      [1, 2].every((n) => linesOf(folder, `tried-${n}.txt`).length === 1) &&
      (await Promise.all(["a", "b"].map((id) => perdure(folder, "runs", "show", id)))).every(({ stdout }) =>
        /next|1 attempt|again/i.test(stdout),
      );
    while (!(await waiting()));
    writeFileSync(join(folder, "ok"), "");
    const retried = await perdure(folder, "runs", "retry-step", "--workflow", "flaky", "--yes", "--json");
    expect(lastJson(retried)).toMatchObject({ done: 2, failed: [] });
    expect((await Promise.all(runs.map(({ ended }) => ended))).map(({ code }) => code)).toEqual([0, 0]);
  });
});
