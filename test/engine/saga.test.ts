import { describe, expect, it } from "vitest";
import { activity, isPerdureError, type PerdureError, type WorkflowContext, workflow } from "../../src/index.ts";
import { type Bench, bench, vanishing } from "./fixture.ts";
import { causeOf, failing, go, shop, thrown } from "./saga-shop.ts";

/** The notes of sagas, in their order. */
function notes({ events }: Bench): string[] {
  return events.flatMap((event) => {
    if (event.type !== "note" || !event.kind.startsWith("saga.")) return [];
    const { steps, step, status } = event.data as { steps?: string[]; step?: string; status?: string };
    return event.kind === "saga.compensating" ? `compensating ${steps?.join(", ")}` : `${step} ${status}`;
  });
}

describe("a saga", () => {
  it("returns what its function returns and undoes nothing", async () => {
    const at = bench();
    const { log, act, undo } = shop();
    const w = workflow("w", async (wf) =>
      wf.saga(async (saga) => saga.call(act, "charge", { undo: (done) => wf.call(undo, done) })),
    );
    const e = await at.engine({ workflows: [w] });
    expect(await at.finish(await e.start(w))).toBe("charge done");
    expect(log).toEqual(["charge"]);
    expect(notes(at)).toEqual([]);
  });

  it("undoes its steps in reverse with their results, and throws the error with what became of that", async () => {
    const at = bench();
    const { log, act, undo } = shop();
    const pack = workflow("pack", async (wf, what: string) => wf.call(act, what));
    const w = workflow("w", async (wf) =>
      wf.saga(async (saga) => {
        await saga.call(act, "charge", { undo: (done) => wf.call(undo, done) });
        await saga.step("reserve", () => 7, { undo: (seat) => wf.call(undo, `seat ${seat}`) });
        await saga.child(pack, "parcel", { undo: (done) => wf.call(undo, done) });
        saga.onFailure("apologise", () => wf.call(act, "letter"));
        await saga.call(act, "bad ship", { label: "ship", undo: (done) => wf.call(undo, `${done} shipping`) });
      }),
    );
    const e = await at.engine({ workflows: [w, pack] });
    const error = await at.finish(await e.start(w)).catch(thrown);
    expect(log.slice(3)).toEqual([
      "undo undefined shipping",
      "letter",
      "undo parcel done",
      "undo seat 7",
      "undo charge done",
    ]);
    expect(isPerdureError(error, "RUN_FAILED")).toBe(true);
    expect(causeOf(error)).toMatchObject({
      name: "RangeError",
      message: "bad ship failed",
      step: "ship",
      compensations: ["ship", "apologise", "pack", "reserve", "act"].map((step) => ({ step, status: "completed" })),
    });
    expect(notes(at)).toEqual([
      "compensating ship, apologise, pack, reserve, act",
      "ship completed",
      "apologise completed",
      "pack completed",
      "reserve completed",
      "act completed",
    ]);
  });

  it("throws the very error its function threw", async () => {
    const at = bench();
    const { act, undo } = shop();
    const w = workflow("w", async (wf) => {
      const mine = new TypeError("mine");
      const caught = await wf
        .saga(async (saga) => {
          await saga.call(act, "charge", { undo: (done) => wf.call(undo, done) });
          throw mine;
        })
        .catch(thrown);
      const text = await wf
        .saga(async (saga) => {
          await saga.call(act, "charge", { undo: (done) => wf.call(undo, done) });
          throw Object.freeze({ code: 5 });
        })
        .catch(thrown);
      return [caught === mine, (caught as { compensations: unknown[] }).compensations.length, text];
    });
    const e = await at.engine({ workflows: [w] });
    expect(await at.finish(await e.start(w))).toEqual([true, 1, { code: 5 }]);
  });

  it("goes on undoing when a compensation fails for good, and says so", async () => {
    const at = bench();
    const { log, act, undo } = shop();
    let attempts = 0;
    const refund = activity("refund", { retry: { maxAttempts: 4 } }, async () => {
      if (++attempts < 4) throw new Error("bank closed");
    });
    const w = workflow("w", async (wf) =>
      wf.saga(async (saga) => {
        await saga.call(act, "first", { label: "first", undo: (done) => wf.call(undo, done) });
        await saga.call(act, "second", {
          label: "second",
          undo: async () => {
            throw Object.assign(new Error("cannot be kept"), { because: () => {} });
          },
        });
        await saga.call(act, "third", { label: "third", undo: () => wf.call(act, "bad undo") });
        await saga.call(act, "fourth", { label: "fourth", undo: () => wf.call(refund) });
        throw new Error("too late");
      }),
    );
    const cause = causeOf(await failing(at, w));
    expect(attempts).toBe(4);
    expect(log.at(-1)).toBe("undo first done");
    expect(cause).toMatchObject({
      message: "too late",
      compensations: [
        { step: "fourth", status: "completed" },
        { step: "third", status: "failed", error: { name: "RangeError", message: "bad undo failed", step: "act" } },
        { step: "second", status: "failed", error: { message: "cannot be kept" } },
        { step: "first", status: "completed" },
      ],
    });
    expect(notes(at).slice(1)).toEqual(["fourth completed", "third failed", "second failed", "first completed"]);
  });

  it("refuses a step without undo, and one that comes after its end", async () => {
    const at = bench();
    const { log, act, undo } = shop();
    const w = workflow("w", async (wf) => {
      const seen: string[] = [];
      const note = (error: Error): number => seen.push(`${(error as PerdureError).code} ${error.message}`);
      const escaped = await wf.saga(async (saga) => {
        await saga.call(act, "charge", {} as never).catch(note);
        return saga;
      });
      await escaped.call(act, "late", { undo: () => wf.call(undo, "late") }).catch(note);
      return seen;
    });
    const e = await at.engine({ workflows: [w] });
    const seen = await at.finish(await e.start(w));
    expect(seen).toEqual([
      expect.stringMatching(/^INVALID_ARGUMENT act .* no undo/),
      expect.stringMatching(/^CONFLICT act .* ended/),
    ]);
    expect(log).toEqual([]);
  });
});

describe("a saga whose run is cancelled", () => {
  it("undoes what had begun, out of reach of the cancellation, and stays cancelled", async () => {
    const at = bench();
    const { log, act, undo } = shop();
    const w = workflow("w", async (wf) =>
      wf.saga(async (saga) => {
        await saga.call(act, "charge", { label: "charge", undo: (done) => wf.call(undo, done) });
        await saga.call(act, "hang", {
          label: "ship",
          undo: async (done) => {
            await wf.sleep("1m");
            await wf.call(undo, `shipping ${done}`);
          },
        });
      }),
    );
    const e = await at.engine({ workflows: [w] });
    const handle = await e.start(w);
    await at.clock.advance(100);
    await handle.cancel("changed my mind");
    await at.clock.advance(1000);
    await handle.cancel("really").catch(() => {});
    const error = await at.finish(handle).catch(thrown);
    expect(isPerdureError(error, "RUN_CANCELLED")).toBe(true);
    expect(log).toEqual(["charge", "hang", "hang aborted", "undo shipping undefined", "undo charge done"]);
    expect(notes(at)).toEqual(["compensating ship, charge", "ship completed", "charge completed"]);
  });

  it("does not undo steps that were never started", async () => {
    const at = bench();
    const { log, act, undo } = shop();
    const w = workflow("w", async (wf) =>
      wf.saga(async (saga) => {
        const undoing = (what: string) => ({ label: what, undo: (done?: string) => wf.call(undo, `${what}: ${done}`) });
        await saga.call(act, "charge", undoing("charge"));
        try {
          await wf.waitFor(go);
        } finally {
          await saga.call(act, "ship", undoing("ship"));
        }
      }),
    );
    const e = await at.engine({ workflows: [w] });
    const handle = await e.start(w);
    await at.clock.advance(100);
    await handle.cancel();
    await at.finish(handle).catch(thrown);
    expect(log).toEqual(["charge", "undo charge: charge done"]);
    expect(notes(at)).toEqual(["compensating charge", "charge completed"]);
  });

  it("says nothing of compensations when there are none to run", async () => {
    const at = bench();
    const { act, undo } = shop();
    const w = workflow("w", async (wf) =>
      wf.saga(async (saga) => {
        await saga.call(act, (() => "function") as never, { undo: () => wf.call(undo, "never") });
      }),
    );
    const cause = causeOf(await failing(at, w)) as Error;
    expect(cause).toMatchObject({ code: "UNSERIALISABLE" });
    expect(cause).not.toHaveProperty("compensations");
    expect(notes(at)).toEqual([]);
  });
});

describe("what goes on beside the failure of a saga", () => {
  it("is cancelled before anything is undone", async () => {
    const at = bench();
    const { log, act, undo } = shop();
    const w = workflow("w", async (wf) =>
      wf.saga(async (saga) => {
        const charge = saga.call(act, "hang charge", { label: "charge", undo: (done) => wf.call(undo, done) });
        const poster = wf.call(act, "hang poster");
        const ship = wf
          .sleep("1s")
          .then(() => saga.call(act, "bad", { label: "ship", undo: () => wf.call(undo, "x") }));
        await Promise.all([charge, poster, ship]);
      }),
    );
    expect(causeOf(await failing(at, w))).toMatchObject({ message: "bad failed" });
    expect(log.slice(0, 3).sort()).toEqual(["bad", "hang charge", "hang poster"]);
    expect(log.slice(3, 5).sort()).toEqual(["hang charge aborted", "hang poster aborted"]);
    expect(log.slice(5)).toEqual(["undo x", "undo undefined"]);
  });

  it("is waited for when it is a saga: what is inside is undone first", async () => {
    const at = bench();
    const { log, act, undo } = shop();
    const inner = (wf: WorkflowContext) =>
      wf.saga(async (saga) => {
        await saga.call(act, "inner", {
          undo: async () => {
            await wf.sleep("1m");
            await wf.call(undo, "inner");
          },
        });
        await wf.waitFor(go);
      });
    const w = workflow("w", async (wf) =>
      wf.saga(async (saga) => {
        await saga.call(act, "outer", { undo: () => wf.call(undo, "outer") });
        await Promise.all([inner(wf), wf.sleep("1s").then(() => wf.call(act, "bad"))]);
      }),
    );
    expect(causeOf(await failing(at, w))).toMatchObject({ compensations: [{ step: "act" }] });
    expect(log).toEqual(["outer", "inner", "bad", "undo inner", "undo outer"]);
  });

  it("is undone item by item in a map", async () => {
    const at = bench();
    const { log, act, undo } = shop();
    const w = workflow("w", async (wf) =>
      wf.map(["a", "b", "bad c"], (what) =>
        wf.saga(async (saga) => {
          await saga.call(act, `${what[0]}1`, { undo: () => wf.call(undo, what) });
          if (what.startsWith("bad")) await wf.sleep("1s");
          await wf.call(act, what.startsWith("bad") ? what : `hang ${what}`);
        }),
      ),
    );
    expect(causeOf(await failing(at, w))).toMatchObject({ message: "bad c failed", index: 2 });
    expect(log.filter((line) => line.startsWith("undo")).sort()).toEqual(["undo a", "undo b", "undo bad c"]);
  });
});

describe("sagas in sagas", () => {
  it("are undone from the inside out, and the error tells of both", async () => {
    const at = bench();
    const { log, act, undo } = shop();
    const w = workflow("w", async (wf) =>
      wf.saga(async (outer) => {
        await outer.call(act, "outer", { label: "outer", undo: () => wf.call(undo, "outer") });
        await wf.saga(async (inner) => {
          await inner.call(act, "inner", { label: "inner", undo: () => wf.call(undo, "inner") });
          await inner.call(act, "bad", { label: "last", undo: () => wf.call(undo, "last") });
        });
      }),
    );
    const cause = causeOf(await failing(at, w)) as { compensations: { step: string }[] };
    expect(cause.compensations.map(({ step }) => step)).toEqual(["last", "inner", "outer"]);
    expect(log.slice(3)).toEqual(["undo last", "undo inner", "undo outer"]);
  });

  it("may fail alone", async () => {
    const at = bench();
    const { log, act, undo } = shop();
    const w = workflow("w", async (wf) =>
      wf.saga(async (outer) => {
        await outer.call(act, "outer", { undo: () => wf.call(undo, "outer") });
        return wf
          .saga(async (inner) => {
            await inner.call(act, "inner", { undo: () => wf.call(undo, "inner") });
            throw new Error("plan A failed");
          })
          .catch((error: Error) => error.message);
      }),
    );
    const e = await at.engine({ workflows: [w] });
    expect(await at.finish(await e.start(w))).toBe("plan A failed");
    expect(log).toEqual(["outer", "inner", "undo inner"]);
  });
});

describe("a saga over a crash", () => {
  const expected = ["charge", "ship", "bad", "undo bad undefined", "undo ship done", "undo charge done"];

  it("undoes each step once, wherever the engine dies", async () => {
    for (const crashAfter of [50, 1500, 2500, 3500, 4500, 5500, 6500, 7500, 8500]) {
      const at = bench();
      const { log, act, undo } = shop();
      const w = workflow("w", async (wf) => {
        const slowly = async <T>(work: () => Promise<T>): Promise<T> => {
          await wf.sleep("1s");
          const result = await work();
          await wf.sleep("500ms");
          return result;
        };
        return wf.saga(async (saga) => {
          for (const what of ["charge", "ship", "bad"]) {
            const undoing = (done?: string) => slowly(() => wf.call(undo, done ?? `${what} ${done}`));
            await wf.sleep("1s");
            await saga.call(act, what, { label: what, undo: undoing });
          }
        });
      });
      const doomed = vanishing(at.store);
      const one = await at.engine({ workflows: [w], store: doomed.store });
      await one.start(w, undefined, { id: "r" });
      await at.clock.advance(crashAfter);
      doomed.vanish();
      const two = await at.engine({ workflows: [w] });
      const cause = causeOf(await at.finish(await two.handle("r")).catch(thrown));
      expect(cause).toMatchObject({
        message: "bad failed",
        compensations: ["bad", "ship", "charge"].map((step) => ({ step, status: "completed" })),
      });
      expect({ crashAfter, log }).toEqual({ crashAfter, log: expected });
    }
  });
});

describe("a run that was compensated", () => {
  it("cannot be resumed: what it would go on with was undone", async () => {
    const at = bench();
    const { log, act, undo } = shop();
    const w = workflow("w", async (wf) =>
      wf.saga(async (saga) => {
        await saga.call(act, "charge", { undo: (done) => wf.call(undo, done) });
        await wf.call(act, "bad flight");
      }),
    );
    const e = await at.engine({ workflows: [w] });
    const handle = await e.start(w);
    await at.finish(handle).catch(thrown);
    const before = [...log];
    expect(before).toContain("undo charge done");
    await expect(handle.resume()).rejects.toMatchObject({ code: "CONFLICT", message: expect.stringMatching(/undo/) });
    expect({ status: await handle.status(), log }).toEqual({ status: "failed", log: before });
  });

  it("goes back to its first compensated step or before, also where other steps have that name", async () => {
    const at = bench();
    const { act, undo } = shop();
    const w = workflow("w", async (wf) => {
      await wf.call(act, "before");
      return wf.saga(async (saga) => {
        await saga.call(act, "charge", { undo: (done) => wf.call(undo, done) });
        await saga.call(act, "bad flight", { undo: () => wf.call(undo, "flight") });
      });
    });
    const e = await at.engine({ workflows: [w] });
    const handle = await e.start(w);
    await at.finish(handle).catch(thrown);
    await expect(handle.reset({ to: { event: 4 } })).rejects.toMatchObject({ code: "CONFLICT", details: { event: 3 } });
    for (const event of [3, 2]) {
      await handle.reset({ to: { event } });
      await at.finish(handle).catch(thrown);
    }
    expect(await handle.status()).toBe("failed");
  });

  it("goes back to the first step of a saga that undid something by itself", async () => {
    const at = bench();
    const { act, undo } = shop();
    const w = workflow("w", async (wf) => {
      await wf.call(act, "before");
      return wf.saga(async (saga) => {
        await wf.call(act, "inside");
        saga.onFailure("mail", () => wf.call(undo, "mail"));
        await wf.call(act, "bad flight");
      });
    });
    const e = await at.engine({ workflows: [w] });
    const handle = await e.start(w);
    await at.finish(handle).catch(thrown);
    await expect(handle.reset({ to: { event: 4 } })).rejects.toMatchObject({ code: "CONFLICT", details: { event: 3 } });
    await handle.reset({ to: { event: 3 } });
    await at.finish(handle).catch(thrown);
    expect(await handle.status()).toBe("failed");
  });
});
