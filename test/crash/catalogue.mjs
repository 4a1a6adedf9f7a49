/** The workflows of the crash tests. Every activity writes to the effect log; results are known beforehand. */
import { setTimeout as pass } from "node:timers/promises";
import { activity, workflow } from "perdure";

/** Longer than any test. */
const ENDLESS_MS = 600_000;

/** `log` as made by openEffectLog; `poison` says how the poisonous activity behaves: `at once`, `late` or `fixed`. */
export function catalogue(log, poison) {
  const retry = { maxAttempts: 1000, initial: "20ms", backoff: "constant" };

  const work = activity("work", { retry }, ({ step, ms = 0 }, ctx) =>
    log.around(ctx, step, () => (ms === 0 ? undefined : pass(ms, undefined, { signal: ctx.signal }))),
  );
  const workOnce = activity("work-once", { retry: { maxAttempts: 1 } }, ({ step, endlessIn }, ctx) =>
    log.around(ctx, step, () =>
      endlessIn === log.incarnation ? pass(ENDLESS_MS, undefined, { signal: ctx.signal }) : undefined,
    ),
  );
  const flaky = activity("flaky", { retry }, ({ step, failures }, ctx) =>
    log.around(ctx, step, async () => {
      await pass(5);
      if (ctx.attempt <= failures) throw new Error(`not yet, attempt ${ctx.attempt}`);
    }),
  );
  const poisonous = activity("poisonous", ({ step }, ctx) =>
    log.around(ctx, step, async () => {
      if (poison === "late") await pass(100);
      if (poison !== "fixed") process.kill(process.pid, "SIGKILL");
    }),
  );

  const child = workflow("child", async (wf, { n, ms }) => {
    await wf.call(work, { step: `born-${n}`, ms });
    if (n % 2 === 1) await wf.sleep(ms);
    return n;
  });

  return [
    workflow("chain", async (wf, { steps, ms }) => {
      const done = [];
      for (let index = 0; index < steps; index++) done.push((await wf.call(work, { step: `s${index}`, ms })).step);
      return done;
    }),
    workflow("fan", async (wf, { width, ms }) => {
      const calls = Array.from({ length: width }, (_, index) =>
        wf.call(work, { step: `f${index}`, ms: ms + (index % 4) * 10 }),
      );
      const done = await Promise.all(calls);
      await wf.call(work, { step: "join" });
      return done.map(({ step }) => step);
    }),
    workflow("sleeper", async (wf, { naps }) => {
      for (const [index, ms] of naps.entries()) {
        await wf.sleep(ms);
        await wf.call(work, { step: `after-${index}` });
      }
      return naps.length;
    }),
    workflow("waiter", async (wf, { shortMs, longMs }) => {
      const short = await wf.waitFor("nobody-sends", { timeout: shortMs });
      const went = await wf.waitFor("go");
      const raced = await Promise.all([
        wf.waitFor("nobody-sends", { timeout: longMs }),
        wf.call(work, { step: "meanwhile", ms: 20 }),
      ]);
      return [short ?? "timeout", went, raced[0] ?? "timeout"];
    }),
    workflow("retrier", async (wf, { failures }) => {
      for (const [index, count] of failures.entries()) await wf.call(flaky, { step: `r${index}`, failures: count });
      return failures.length;
    }),
    workflow("ledger", async (wf, { count, every }) => {
      const seen = [];
      while (seen.length < count) {
        seen.push(await wf.waitFor("item"));
        if (seen.length % every === 0) await wf.call(work, { step: `booked-${seen.length}`, ms: 5 });
      }
      return seen;
    }),
    workflow("bookings", async (wf, { count }) => {
      await wf.transaction("create", async (tx) => {
        await tx.query("create table if not exists bookings (account text, amount integer)");
      });
      let balance = 0;
      for (let n = 1; n <= count; n++) {
        balance = await wf.transaction(`book-${n}`, async (tx) => {
          await tx.query("insert into bookings (account, amount) values (?, ?)", [wf.info.workflowId, n]);
          const [row] = await tx.query("select sum(amount) as balance from bookings where account = ?", [
            wf.info.workflowId,
          ]);
          return row.balance;
        });
      }
      return balance;
    }),
    child,
    workflow("family", async (wf, { children, ms }) => {
      const spawned = [];
      for (let n = 0; n < children; n++) spawned.push(await wf.spawn(child, { n, ms }));
      const awaited = await wf.child(child, { n: children, ms });
      const results = [];
      for (const one of spawned) results.push(await one.result());
      return [...results, awaited];
    }),
    workflow("undoing", async (wf, { steps, ms }) => {
      const undone = [];
      try {
        await wf.saga(async (saga) => {
          for (let n = 0; n < steps; n++) {
            await saga.call(
              work,
              { step: `do-${n}`, ms },
              { undo: async () => undone.push((await wf.call(work, { step: `undo-${n}`, ms })).step) },
            );
          }
          throw new Error("the last one cannot be done");
        });
      } catch (error) {
        return [error.message, undone];
      }
    }),
    workflow("tally", async (wf, { sum, left, every }) => {
      const state = { sum, left };
      wf.on({ kind: "update", name: "add" }, async (n) => {
        await wf.call(work, { step: `add-${n}` });
        state.sum += n;
        state.left--;
        return state.sum;
      });
      const until = Math.max(0, left - every);
      await wf.until(() => state.left <= until);
      await wf.handlersFinished();
      return state.left <= 0 ? state.sum : wf.continueAsNew({ ...state, every });
    }),
    workflow("once", async (wf, { endlessIn }) => (await wf.call(workOnce, { step: "only", endlessIn })).step),
    workflow("poison", async (wf) => (await wf.call(poisonous, { step: "poison" })).step),
  ];
}
