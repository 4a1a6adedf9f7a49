/** Transactional steps beside what ends them: cancellation, time limits, crashes. On SQLite, with the real clock. */
import { describe, expect, it } from "vitest";
import { silentLogger } from "../../src/engine/log.ts";
import { type AnyWorkflow, open, type Perdure, type StoreTransaction, workflow } from "../../src/index.ts";
import { openSqliteStore, type SqliteStore } from "../../src/store/index.ts";
import { gate } from "../gate.ts";
import { vanishing } from "./fixture.ts";

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A workflow that books once, slowly: `begun` opens when its statements have been carried out, `over` when its step returns. */
function booking(options?: { timeout?: "100ms"; retry?: { maxAttempts: number } }, last = () => pause(150)) {
  const [begun, over] = [gate(), gate()];
  const book = workflow("book", async (wf) => {
    const booked = await wf.transaction(
      "book",
      async (tx) => {
        await tx.query("insert into ledger (n) values (1)");
        begun.open();
        await last();
        over.open();
        return "booked";
      },
      options,
    );
    await wf.sleep("1h");
    return booked;
  });
  return { book, begun, over };
}

async function withLedger(test: (store: SqliteStore) => Promise<void>): Promise<void> {
  const store = await openSqliteStore({ path: ":memory:" });
  try {
    const lease = await store.register({ label: "setup", at: 1 });
    const first = { type: "RunStarted", at: 1, data: "{}" };
    const run = {
      workflowId: "setup",
      workflow: "setup",
      version: null,
      createdAt: 1,
      owned: true,
      wakeAt: null,
      first,
    };
    const none = { meta: null, request: null, secrets: null, supersedes: null };
    await store.commit(lease, { number: 1, starts: [{ ...run, ...none }], transitions: [] });
    await store.transact!(lease, { run: 1, command: 1, generation: 0, at: 1 }, 1000, async (tx) => {
      await tx.query("create table ledger (n integer)");
      return "null";
    });
    await test(store);
  } finally {
    await store.close();
  }
}

const opened = (store: SqliteStore, workflows: readonly AnyWorkflow[]): Promise<Perdure> =>
  open({ store, workflows, logger: silentLogger });

/** Bookings that are there, asked in a transaction of a run of their own. */
async function bookings(engine: Perdure): Promise<unknown> {
  return (await engine.start("count")).result();
}
const count = workflow("count", (wf) =>
  wf.transaction("count", async (tx) => (await tx.query("select count(*) as n from ledger"))[0]?.n),
);

describe("a statement that nobody waits for", () => {
  const steps: Readonly<Record<string, (tx: StoreTransaction) => Promise<unknown>>> = {
    last: async (tx) => void tx.query("insert into nowhere values (1)"),
    first: async (tx) => {
      void tx.query("insert into nowhere values (1)");
      await tx.query("insert into ledger (n) values (1)");
    },
    "beside an error": async (tx) => {
      void tx.query("insert into ledger (n) values (1)");
      void tx.query("insert into nowhere values (1)");
      throw new Error("no such table: it was mine");
    },
  };

  it.each(Object.entries(steps))("fails its transaction when it fails, never the process: %s", (_, step) =>
    withLedger(async (store) => {
      const w = workflow("w", (wf) => wf.transaction("t", step, { retry: { maxAttempts: 1 } }));
      await using engine = await opened(store, [w, count]);
      await expect((await engine.start(w)).result()).rejects.toMatchObject({
        cause: { message: expect.stringContaining("no such table") as string },
      });
      expect(await bookings(engine)).toBe(0);
    }),
  );

  it("is a part of its transaction, as is one whose error is taken", () =>
    withLedger(async (store) => {
      const w = workflow("w", (wf) =>
        wf.transaction("t", async (tx) => {
          void tx.query("insert into ledger (n) values (1)");
          const taken = await tx.query("insert into nowhere values (1)").catch(() => "taken");
          tx.query("insert into nowhere values (1)").catch(() => {});
          void tx.query("insert into ledger (n) values (2)");
          return taken;
        }),
      );
      await using engine = await opened(store, [w, count]);
      expect(await (await engine.start(w)).result()).toBe("taken");
      expect(await bookings(engine)).toBe(2);
    }));
});

it("a tx that is kept says that its transaction has ended", () =>
  withLedger(async (store) => {
    const w = workflow("w", async (wf) => {
      let kept: StoreTransaction | undefined;
      await wf.transaction("t", async (tx) => {
        kept = tx;
      });
      return kept?.query("insert into ledger (n) values (1)").catch((error: Error) => error.message);
    });
    await using engine = await opened(store, [w, count]);
    expect(await (await engine.start(w)).result()).toContain("this transaction has ended");
    expect(await bookings(engine)).toBe(0);
  }));

describe("a transaction that is under way", () => {
  it("comes to its end before a cancellation does, and is in the history", () =>
    withLedger(async (store) => {
      const { book, begun } = booking();
      await using engine = await opened(store, [book, count]);
      const run = await engine.start(book);
      await begun.passed;
      await run.cancel("enough");
      await expect(run.result()).rejects.toMatchObject({ code: "RUN_CANCELLED" });
      expect((await run.history()).map(({ type }) => type)).toEqual([
        "RunStarted",
        "StepCompleted",
        "CancelRequested",
        "StepCancelled",
        "RunCancelled",
      ]);
      expect(await bookings(engine)).toBe(1);
    }));

  it("is limited by the store: what took too long has not happened", () =>
    withLedger(async (store) => {
      const late = gate();
      const { book, over } = booking({ timeout: "100ms", retry: { maxAttempts: 1 } }, () => late.passed);
      await using engine = await opened(store, [book, count]);
      const run = await engine.start(book);
      await expect(run.result()).rejects.toMatchObject({ cause: { code: "WAIT_TIMED_OUT" } });
      late.open();
      await over.passed;
      expect(await bookings(engine)).toBe(0);
    }));
});

describe("a transaction that was committed before its engine died", () => {
  it("is in the history before the cancellation that waits in the inbox", () =>
    withLedger(async (store) => {
      const { book } = booking();
      const { store: doomed, vanish } = vanishing(store);
      const dying = new Proxy(doomed, {
        get(target, key) {
          const value = Reflect.get(target, key) as unknown;
          if (key !== "transact") return value;
          return async (...args: unknown[]) => {
            await (value as (...args: unknown[]) => Promise<unknown>)(...args);
            vanish();
            return new Promise(() => {});
          };
        },
      });
      const engine = await open({ store: dying, workflows: [book], logger: silentLogger, leaseTtl: "1s" });
      await engine.start(book, undefined, { id: "b" });
      await using other = await open({ store, workflows: [book, count], logger: silentLogger, leaseTtl: "1s" });
      const again = await other.handle("b");
      await again.cancel("enough");
      await expect(again.result({ timeout: "20s" })).rejects.toMatchObject({ code: "RUN_CANCELLED" });
      expect((await again.history()).map(({ type }) => type).slice(0, 3)).toEqual([
        "RunStarted",
        "StepCompleted",
        "CancelRequested",
      ]);
      expect(await bookings(other)).toBe(1);
    }));
});
