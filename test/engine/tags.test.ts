import { describe, expect, it } from "vitest";
import { type PerdureError, workflow } from "../../src/index.ts";
import { bench } from "./fixture.ts";

const refused = expect.objectContaining({ code: "INVALID_ARGUMENT" });
const cut = "Ada 😀".slice(0, 5);

describe("tags that cannot be kept", () => {
  it("are refused where a run is started, and nothing is", async () => {
    const e = await bench().engine({ workflows: [workflow("w", async () => 1)] });
    for (const tags of [{ name: cut }, { [cut]: 1 }, { name: "x\0y" }])
      await expect(e.start("w", undefined, { tags })).rejects.toEqual(refused);
    expect(await e.runs.list()).toEqual([]);
  });

  it("are refused in the code of a run, for itself and for its children", async () => {
    const at = bench();
    const codes: string[] = [];
    const codeOf = (error: unknown): number => codes.push((error as PerdureError).code);
    const kid = workflow("kid", async () => 1);
    const w = workflow("w", async (wf) => {
      try {
        wf.tag({ name: cut });
      } catch (error) {
        codeOf(error);
      }
      await wf.child(kid, undefined, { tags: { name: "x\0y" } }).catch(codeOf);
      wf.tag({ name: "Ada 😀", old: null });
    });
    const e = await at.engine({ workflows: [w, kid] });
    const run = await e.start(w, undefined, { tags: { old: 1 } });
    await at.finish(run);
    expect(codes).toEqual(["INVALID_ARGUMENT", "INVALID_ARGUMENT"]);
    expect((await run.describe()).tags).toEqual({ name: "Ada 😀" });
  });

  it("are refused for a schedule", async () => {
    const e = await bench().engine({ workflows: [workflow("w", async () => 1)] });
    await expect(e.schedules.create("nightly", { workflow: "w", every: "1h", tags: { name: cut } })).rejects.toEqual(
      refused,
    );
  });
});
