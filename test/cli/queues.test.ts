/** Activities that a command leaves to engines which serve their queue. */
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { open } from "../../src/client/open.ts";
import { silentLogger } from "../../src/engine/log.ts";
import type { ActivityContext } from "../../src/workflow/activity.ts";
import { eventually } from "../crash/eventually.ts";
import { folderWith, lastJson, perdure, Running } from "./perdure.ts";

const FLOW = `
name: numbers
steps:
  - { id: double, task: math/double, input: 21 }
`;

async function until(folder: string, id: string, text: string): Promise<void> {
  await eventually(async () => (await perdure(folder, "runs", "show", id)).stdout.includes(text), text);
}

describe("a queue that a command does not serve", () => {
  test("is left to an engine that does; the commands tell where its tasks are", { timeout: 90_000 }, async () => {
    const folder = folderWith({ "numbers.yaml": FLOW });
    const unknown = await perdure(folder, "run", "numbers.yaml", "--serves", "math");
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("math/double")]);
    const running = new Running(folder, ["run", "numbers.yaml", "--id", "n1", "--serves", "default"]);
    await until(folder, "n1", "waits for an engine that serves queue math");
    const queues = await perdure(folder, "queues", "list");
    expect(queues.stdout).toMatch(
      /^QUEUE +WAITING +RUNNING +OLDEST +EVERYWHERE +SERVED BY\ndefault .*\nmath +1 +0 .*nobody has math\/double\n$/,
    );
    expect(lastJson(await perdure(folder, "queues", "list", "--json"))).toMatchObject([
      { queue: "default" },
      { queue: "math", waiting: 1, running: 0, paused: false, engines: [], unserved: ["math/double"] },
    ]);
    const doctor = await perdure(folder, "doctor");
    expect(doctor.code).toBe(1);
    expect(doctor.stdout).toMatch(/1 task waits for queue math, the oldest since .*, no engine can run math\/double\n/);

    const store = `sqlite:${join(folder, ".perdure", "store.db")}`;
    const other = await open({ store, activities: { "math/halve": () => 1 }, logger: silentLogger });
    expect((await perdure(folder, "queues", "list")).stdout).toMatch(/\nmath +1 +0 .*nobody has math\/double\n/);
    const stuck = await perdure(folder, "doctor");
    expect(stuck.code).toBe(1);
    expect(stuck.stdout).toMatch(/no engine can run math\/double\n.*serves: \["math"\].*math\/double/);
    await other.close();

    let end = (): void => {};
    const double = async (input: number, ctx: ActivityContext): Promise<number> => {
      await new Promise<void>((resolve) => {
        end = resolve;
        ctx.signal.addEventListener("abort", () => resolve());
      });
      return input * 2;
    };
    await using _worker = await open({
      store,
      activities: { "math/double": double },
      serves: ["math"],
      logger: silentLogger,
    });
    await until(folder, "n1", "on engine");
    const shown = lastJson(await perdure(folder, "runs", "show", "n1", "--json"));
    expect(shown.steps).toMatchObject([{ step: "double", status: "running", queue: "math" }]);
    expect((await perdure(folder, "doctor")).stdout).toMatch(/double runs on engine \d+ \(/);
    end();
    expect((await running.ended).code).toBe(0);
    expect(lastJson(await perdure(folder, "runs", "show", "n1", "--json")).output).toEqual({ double: 42 });
    expect(lastJson(await perdure(folder, "queues", "list", "--json"))).toEqual([
      {
        queue: "math",
        waiting: 0,
        running: 0,
        paused: false,
        engines: [expect.stringMatching(/^\d+ \(/)],
        unserved: [],
      },
    ]);
  });

  test("can be said in the configuration, too", { timeout: 90_000 }, async () => {
    const config = `export default { serves: ["default"], queues: { math: { everywhere: 3 } } };`;
    const folder = folderWith({ "numbers.yaml": FLOW, "perdure.config.mjs": config });
    const running = new Running(folder, ["run", "numbers.yaml", "--id", "n1"]);
    await until(folder, "n1", "waits for an engine that serves queue math");
    expect((await perdure(folder, "queues", "list")).stdout).toMatch(/\nmath +1 +0 +\S+ +3 +nobody has math\/double\n/);
    await perdure(folder, "runs", "terminate", "n1");
    expect((await running.ended).code).toBe(1);
    expect((await perdure(folder, "queues", "list")).stdout).toMatch(/\nmath +0 +0 + 3 +nobody\n/);
  });
});
