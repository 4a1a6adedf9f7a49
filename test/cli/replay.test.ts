import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { folderWith, lastJson, perdure } from "./perdure.ts";

const order = (step: string, more = ""): string => `
import { activity, workflow } from "perdure";
const ${step} = activity("${step}", async (n) => ({ paid: n }));
export const order = workflow("order", async (wf, n) => {
  const paid = await wf.call(${step}, n);
  ${more}
  return paid;
});
export const invoice = workflow("invoice", { version: "1" }, async (wf) => wf.waitFor("go"));
`;

const CONFIG = `
import { defineConfig } from "perdure";
import { order, invoice } from "./order.ts";
export default defineConfig({ workflows: [order, invoice] });
`;

describe("perdure replay", () => {
  let folder = "";
  beforeAll(async () => {
    folder = folderWith({
      "order.ts": order("charge"),
      "changed.ts": order("pay"),
      "longer.ts": order("charge", 'await wf.sleep("1h");'),
      "perdure.config.ts": CONFIG,
    });
    for (const n of [0, 1, 2])
      expect(
        (await perdure(folder, "run", "order.ts", "--workflow", "order", "--id", `order-${n}`, "--input", `${n}`)).code,
      ).toBe(0);
  });

  test("agrees with the code that ran, and changes nothing", async () => {
    const before = await perdure(folder, "runs", "history", "order-1", "--json");
    const { code, stdout } = await perdure(folder, "replay", "--all");
    expect(stdout).toContain("3 runs replayed: the code agrees with all of them");
    expect(code).toBe(0);
    expect((await perdure(folder, "runs", "history", "order-1", "--json")).stdout).toBe(before.stdout);
  });

  test("looks at open runs unless it is asked for more", async () => {
    expect((await perdure(folder, "replay")).stdout).toContain("no runs to replay");
  });

  test("names each place where code and history disagree once, and exits with 1", async () => {
    const { code, stdout } = await perdure(folder, "replay", "changed.ts", "--all");
    expect(code).toBe(1);
    expect(stdout.match(/✖ order/g)?.length).toBe(1);
    expect(stdout).toMatch(/history +says completed activity "charge" \(command 1\)/);
    expect(stdout).toMatch(/code +asked for activity "pay"/);
    expect(stdout).toMatch(/at +\S*changed\.ts:5:\d+/);
    expect(stdout).toContain("2 more runs of order disagree");
    expect(stdout).toContain("3 runs replayed: 3 disagree with the code");
  });

  test("lists every run for programs", async () => {
    const ended = await perdure(folder, "replay", "longer.ts", "--all", "--workflow", "order", "--json");
    expect(ended.code).toBe(1);
    const { replayed, same, different, missing } = lastJson<{
      replayed: number;
      same: number;
      different: object[];
      missing: object[];
    }>(ended);
    expect([replayed, same, different.length, missing]).toEqual([3, 0, 3, []]);
    expect(different[0]).toMatchObject({
      workflow: "order",
      workflowId: "order-2",
      status: "completed",
      reason: "mismatch",
      history: "the code had asked for 1 command before it completed",
      code: 'asked for timer "sleep" as well',
    });
  });

  test("takes single runs and counts those whose code is not there", async () => {
    expect((await perdure(folder, "replay", "changed.ts", "--run", "order-1")).stdout).toContain("1 run replayed");
    const only = folderWith({ "other.ts": order("charge").replaceAll('"order"', '"other"') });
    const { code, stdout } = await perdure(
      only,
      "replay",
      "other.ts",
      "--all",
      "--store",
      `sqlite:${join(folder, ".perdure/store.db")}`,
    );
    expect(code).toBe(0);
    expect(stdout).toContain("3 runs wait for order, whose code is not here");
  });

  test("replays histories from files", async () => {
    const exported = await perdure(
      folder,
      "runs",
      "export",
      "--workflow",
      "order",
      "--out",
      "deep/histories",
      "--json",
    );
    expect(exported.code).toBe(0);
    const files = lastJson<{ file: string }[]>(exported).map(({ file }) => file);
    expect(files.length).toBe(3);
    expect(JSON.parse(readFileSync(join(folder, files[0]!), "utf8"))).toMatchObject({ format: "perdure-history/1" });
    const one = join("deep", "histories", "order-1.json");
    expect((await perdure(folder, "replay", "--history", one)).code).toBe(0);
    expect((await perdure(folder, "replay", "changed.ts", "--history", one)).code).toBe(1);
  });

  test("answers mistakes with exit code 2", async () => {
    writeFileSync(join(folder, "wrong.json"), "{}");
    const mistakes: [string[], RegExp][] = [
      [["replay", "nix.ts"], /no file nix\.ts/],
      [["replay", "--all", "--open"], /exclude one another/],
      [["replay", "--run", "nobody"], /no run "nobody"/],
      [["replay", "--history", "nix.json"], /cannot be read/],
      [["replay", "--history", "wrong.json"], /no recorded history/],
      [["runs", "export"], /say which runs/],
      [["runs", "export", "nobody"], /no run "nobody"/],
    ];
    for (const [args, expected] of mistakes) {
      const { code, stderr } = await perdure(folder, ...args);
      expect(stderr, args.join(" ")).toMatch(expected);
      expect(code, args.join(" ")).toBe(2);
    }
    expect(existsSync(join(folder, "histories"))).toBe(false);
  });
});
