/** Engines that are opened for some runs only, and those that cannot be opened. */
import { describe, expect, it } from "vitest";
import { PerdureError, signal, workflow } from "../../src/index.ts";
import { bench } from "./fixture.ts";

const go = signal<string>("go");

describe("an engine opened for its own runs", () => {
  it("leaves the runs of others alone and advances what it started or was asked for", async () => {
    const { engine, finish, store, clock } = bench();
    const w = workflow("w", async (wf) => {
      await wf.waitFor(go);
      return "done";
    });
    const gone = await engine({ workflows: [w] });
    for (const id of ["other", "attached"]) await gone.start(w, undefined, { id });
    await clock.advance(100);
    await gone.close();
    for (const id of ["other", "attached"]) await (await (await engine()).handle(id)).signal(go, "x");
    const own = await engine({ workflows: [w], store, claims: "own" });
    const started = await own.start(w, undefined, { id: "started" });
    const attached = await own.start(w, undefined, { id: "attached", conflict: "attach" });
    await clock.advance(100);
    await started.signal(go, "x");
    expect(await finish(started)).toBe("done");
    expect(await finish(attached)).toBe("done");
    await clock.advance(60_000);
    expect((await own.runs.list({ workflow: "w" })).find((run) => run.workflowId === "other")?.status).toBe("running");
  });
});

describe("an engine that cannot be opened", () => {
  it("leaves the store and lets the process end", async () => {
    const at = bench();
    const failing = new Proxy(at.store, {
      get(target, key) {
        if (key === "pauses")
          return () => Promise.reject(new PerdureError("UNAVAILABLE", "the database is being restarted"));
        const value = Reflect.get(target, key) as unknown;
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    await expect(at.engine({ store: failing })).rejects.toMatchObject({ code: "UNAVAILABLE" });
    expect(await at.store.engines()).toEqual([]);
    expect(at.clock.fire()).toBe(false);
  });
});
