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

  it("goes on with the runs that its own continue as", async () => {
    const { engine, finish } = bench();
    const countdown = workflow("countdown", async (wf, n: number) => {
      await wf.sleep("1m");
      return n > 0 ? wf.continueAsNew(n - 1) : "over";
    });
    const own = await engine({ workflows: [countdown], claims: "own" });
    expect(await finish(await own.start(countdown, 3))).toBe("over");
  });

  it("goes on with the children of a run that it takes over, and with theirs", async () => {
    const { engine, finish, clock } = bench();
    const leaf = workflow("leaf", async (wf) => `leaf ${await wf.waitFor(go)}`);
    const middle = workflow("middle", (wf) => wf.child(leaf, undefined, { id: "leaf" }));
    const root = workflow("root", (wf) => wf.child(middle));
    const workflows = [root, middle, leaf];
    const gone = await engine({ workflows, claims: "own" });
    await gone.start(root, undefined, { id: "root" });
    await clock.advance(100);
    await gone.close();
    const own = await engine({ workflows, claims: "own" });
    const taken = await own.start(root, undefined, { id: "root", conflict: "attach" });
    await clock.advance(100);
    await (await own.handle("leaf")).signal(go, "x");
    expect(await finish(taken)).toBe("leaf x");
  });

  it("leaves children whose code it lacks to engines that have it", async () => {
    const { engine, clock } = bench();
    const leaf = workflow("leaf", (wf) => wf.waitFor(go));
    const root = workflow("root", (wf) => wf.child("leaf", undefined, { id: "leaf" }));
    const gone = await engine({ workflows: [root, leaf] });
    await gone.start(root, undefined, { id: "root" });
    await clock.advance(100);
    await gone.close();
    const own = await engine({ workflows: [root], claims: "own" });
    await own.start(root, undefined, { id: "root", conflict: "attach" });
    await (await own.handle("leaf")).signal(go, "x");
    await clock.advance(60_000);
    expect(await (await own.handle("leaf")).status()).toBe("running");
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
