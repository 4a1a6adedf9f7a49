/**
 * The workflows of the chaos test. Results are known beforehand; every step has a label of its own in its run; every activity gets
 * the length of the history its command follows from.
 */
import { setTimeout as pass } from "node:timers/promises";
import { activity, entity, workflow } from "perdure";

const MAX = 1000;
const FEW = 3;
/** Tables of the bank, beside those of the store. */
const BANK = "public";

/** Called with what {@link openEffects} made. */
export function catalogue(effects) {
  const retry = { maxAttempts: MAX, initial: "25ms", backoff: "constant" };

  const work = activity("work", { retry }, ({ cause, ms, fail }, ctx) =>
    effects.around(ctx, { cause, max: MAX }, async (token) => {
      if (ms > 0) await pass(ms, undefined, { signal: ctx.signal });
      if (ctx.attempt <= fail) throw new Error(`not yet [${token}]`);
    }),
  );
  /** Fails all its attempts until its run has been resumed, which gives its key a third part. */
  const flawed = activity(
    "flawed",
    { retry: { maxAttempts: FEW, initial: "20ms", backoff: "constant" } },
    ({ cause }, ctx) =>
      effects.around(ctx, { cause, max: FEW }, async (token) => {
        await pass(5);
        if (ctx.idempotencyKey.split(":").length === 2) throw new Error(`not before a resume [${token}]`);
      }),
  );
  /** Goes on where its last heartbeat was. */
  const slog = activity("slog", { retry, heartbeatTimeout: "2s" }, ({ cause, ticks }, ctx) =>
    effects.around(ctx, { cause, max: MAX }, async () => {
      for (let done = ctx.lastHeartbeat?.done ?? 0; done < ticks; done++) {
        await pass(100, undefined, { signal: ctx.signal });
        ctx.heartbeat({ done: done + 1 });
      }
    }),
  );

  /** On queues that not every engine serves: attempts are handed out to others. */
  const [east, west] = ["east", "west"].map((queue) =>
    activity(`${queue}/far`, { retry }, ({ cause, ms, fail }, ctx) =>
      effects.around(ctx, { cause, max: MAX }, async (token) => {
        await pass(ms, undefined, { signal: ctx.signal });
        if (ctx.attempt <= fail) throw new Error(`not yet [${token}]`);
      }),
    ),
  );

  const call = (wf, label, { ms = 0, fail = 0 } = {}) =>
    wf.call(work, { cause: wf.info.historyLength, ms, fail }, { label });

  const child = workflow("child", async (wf, { n, ms }) => {
    await call(wf, "born", { ms });
    if (n % 2 === 1) await wf.sleep(ms, { label: "nap" });
    return n * 2;
  });

  const cart = entity("cart", {
    state: { ids: [] },
    on: {
      add: async (state, { id }, { wf }) => {
        await call(wf, `add-${id}`);
        state.ids.push(id);
        return state.ids.length;
      },
      finish: (state, _, ctx) => {
        ctx.end();
        return state.ids.length;
      },
    },
    get: { ids: (state) => state.ids },
    continueAfter: 6,
  });

  const workflows = [
    child,
    cart,
    workflow("steps", async (wf, { steps }) => {
      const tokens = [];
      try {
        for (const [at, step] of steps.entries()) tokens.push(await call(wf, `s${at}`, step));
        return tokens;
      } finally {
        if (wf.abortSignal.aborted) await wf.uncancellable(() => call(wf, "tidy up"));
      }
    }),
    workflow("fan", (wf, { items, concurrency }) =>
      wf.map(items, (item, at) => call(wf, `f${at}`, item), { concurrency }),
    ),
    workflow("far", async (wf, { steps }) => {
      const tokens = [];
      for (const [at, { ms, fail, together }] of steps.entries()) {
        const go = (place, label) => wf.call(place, { cause: wf.info.historyLength, ms, fail }, { label });
        if (together) tokens.push(...(await Promise.all([go(east, `e${at}0`), go(west, `w${at}1`)])));
        else tokens.push(await go(at % 2 === 0 ? east : west, `f${at}0`));
      }
      return tokens;
    }),
    workflow("naps", async (wf, { naps }) => {
      const slept = [];
      for (const [at, ms] of naps.entries()) {
        const since = wf.now();
        await wf.sleep(ms, { label: `nap-${at}` });
        slept.push(wf.now() - since);
        await call(wf, `after-${at}`);
      }
      return slept;
    }),
    workflow("inbox", async (wf, { count, every }) => {
      const seen = [];
      while (seen.length < count) {
        const item = await wf.waitFor("item", { timeout: "700ms", label: `item-${seen.length}` });
        if (item === undefined) continue;
        seen.push(item);
        if (seen.length % every === 0) await call(wf, `booked-${seen.length}`, { ms: 5 });
      }
      return seen;
    }),
    workflow("tally", async (wf, { ids, count, every }) => {
      const until = Math.min(count, ids.length + every);
      wf.on({ kind: "update", name: "add" }, async (id) => {
        await call(wf, `add-${id}`);
        ids.push(id);
        return ids.length;
      });
      wf.on({ kind: "query", name: "ids" }, () => ids);
      await wf.until(() => ids.length >= until);
      await wf.handlersFinished();
      return ids.length >= count ? ids : wf.continueAsNew({ ids, count, every });
    }),
    workflow("family", async (wf, { children, ms }) => {
      const spawned = [];
      for (let n = 0; n < children; n++) spawned.push(await wf.spawn(child, { n, ms }, { label: `spawned-${n}` }));
      const awaited = await wf.child(child, { n: children, ms }, { label: "awaited" });
      const mapped = await wf.map(
        [
          { n: 100, ms },
          { n: 101, ms },
        ],
        child,
      );
      const results = [];
      for (const one of spawned) results.push(await one.result());
      return [...results, awaited, ...mapped];
    }),
    workflow("undoing", async (wf, { steps, ms }) => {
      const undone = [];
      const undo = (n) => async () => {
        await call(wf, `undo-${n}`, { ms });
        undone.push(n);
      };
      try {
        await wf.saga(async (saga) => {
          for (let n = 0; n < steps; n++) {
            const input = { cause: wf.info.historyLength, ms, fail: 0 };
            await saga.call(work, input, { label: `do-${n}`, undo: undo(n) });
          }
          throw new Error("the last one cannot be done");
        });
      } catch (error) {
        if (error.name === "CancelledError") throw error;
        return undone;
      }
    }),
    workflow("transfers", async (wf, { moves }) => {
      for (const [at, { from, to, amount }] of moves.entries()) {
        await wf.transaction(
          `move-${at}`,
          async (tx) => {
            const step = [wf.info.runId, `move-${at}`, from, to, amount];
            await tx.query(
              `insert into ${BANK}.ledger (run_id, step, source, target, amount) values ($1, $2, $3, $4, $5)`,
              step,
            );
            for (const [account, change] of [
              [from, -amount],
              [to, amount],
            ].sort())
              await tx.query(`update ${BANK}.accounts set balance = balance + $2 where account = $1`, [
                account,
                change,
              ]);
          },
          { retry },
        );
      }
      return moves.length;
    }),
    workflow("slow", async (wf, { ticks }) => {
      await wf.call(slog, { cause: wf.info.historyLength, ticks }, { label: "slog" });
      return ticks;
    }),
    workflow("flaw", async (wf) => {
      await call(wf, "before");
      await wf.call(flawed, { cause: wf.info.historyLength }, { label: "flawed" });
      await call(wf, "behind");
      return "mended";
    }),
    workflow("tick", async (wf, { ms }) => {
      await wf.transaction(
        "tick",
        async (tx) => {
          await tx.query(`insert into ${BANK}.ticks (workflow_id) values ($1)`, [wf.info.workflowId]);
        },
        { retry },
      );
      if (ms > 0) await wf.sleep(ms, { label: "nap" });
    }),
  ]; // What is handed out is found by its name.
  return { workflows, activities: [east, west] };
}
