import { describe, expect, it } from "vitest";
import { activity, isPerdureError, type PerdureError, signal, workflow } from "../../src/index.ts";
import { entity, entityClient } from "../../src/workflow/entity.ts";
import { type Bench, bench, vanishing } from "./fixture.ts";

const thrown = (error: unknown): unknown => error;
const failureOf = (error: unknown): unknown => (error as PerdureError).cause;

const cart = entity("cart", {
  state: { items: [] as string[] },
  on: {
    add: (state, item: string) => state.items.push(item),
    clear: (state) => {
      state.items = [];
    },
  },
  get: { count: (state) => state.items.length, first: (state, n: number) => state.items.slice(0, n) },
});

/** What a promise settles to, moving time as far as it takes. */
async function soon<T>({ clock }: Bench, promise: Promise<T>, withinMs = 60_000): Promise<T> {
  let settled = false;
  const watched = promise.finally(() => {
    settled = true;
  });
  watched.catch(() => {});
  await clock.settle();
  for (let moved = 0; !settled && moved < withinMs; moved += 100) await clock.advance(100);
  if (!settled) throw new Error(`nothing came within ${withinMs} ms of virtual time`);
  return watched;
}

describe("an entity", () => {
  it("is there for each key from its first message on, and answers", async () => {
    const at = bench();
    const e = await at.engine({ workflows: [cart] });
    const ada = e.entity(cart, "ada");
    const ben = e.entity(cart, "ben");
    expect(isPerdureError(await soon(at, ada.count().catch(thrown)), "NOT_FOUND")).toBe(true);
    expect(await soon(at, ada.add("tea"))).toBe(1);
    expect(await soon(at, ada.add("milk"))).toBe(2);
    expect(await soon(at, ben.add("salt"))).toBe(1);
    expect(await soon(at, Promise.all([ada.count(), ada.first(1), ben.first(9)]))).toEqual([2, ["tea"], ["salt"]]);
    await soon(at, ada.clear());
    expect(await soon(at, Promise.all([ada.count(), ben.count()]))).toEqual([0, 1]);
  });

  it("is a run like any other, under its name and key", async () => {
    const at = bench();
    const e = await at.engine({ workflows: [cart] });
    await soon(at, e.entity(cart, "ada").add("tea"));
    const handle = await e.handle("cart/ada");
    expect(await soon(at, handle.update(cart.updates.add, "milk"))).toBe(2);
    expect(await soon(at, handle.query(cart.queries.first, 1))).toEqual(["tea"]);
    expect(await handle.describe()).toMatchObject({ workflow: "cart", workflowId: "cart/ada" });
  });

  it("may be started with a state, and makes its first one of its key", async () => {
    const at = bench();
    const owned = entity("owned", {
      state: (key) => ({ owner: key, n: 0 }),
      on: {
        add: (state, by: number, { key }) => {
          state.n += by;
          return `${key} of ${state.owner} has ${state.n}`;
        },
      },
    });
    const e = await at.engine({ workflows: [owned] });
    expect(await soon(at, e.entity(owned, "ada/1").add(1))).toBe("ada/1 of ada/1 has 1");
    await e.start(owned, { state: { owner: "nobody", n: 5 } }, { id: "owned/ben" });
    expect(await soon(at, e.entity(owned, "ben").add(1))).toBe("ben of nobody has 6");
  });

  it("does an operation of one id once, also when that one was its last", async () => {
    const at = bench();
    let charged = 0;
    const once = entity("once", {
      state: { cents: 0 },
      on: {
        add: (state, cents: number) => (state.cents += cents),
        checkout: (state, _: undefined, { end }) => {
          charged++;
          end();
          return state.cents;
        },
      },
    });
    const e = await at.engine({ workflows: [once] });
    const ada = e.entity(once, "ada");
    await soon(at, ada.add(5));
    for (let tries = 0; tries < 2; tries++) expect(await soon(at, ada.checkout(undefined, { id: "click-1" }))).toBe(5);
    expect(charged).toBe(1);
  });

  it("does an operation once that meets the end of another run", async () => {
    const at = bench();
    let tried = 0;
    const teller = entity("teller", {
      state: {},
      on: {
        tell: async (_, to: string, { wf }) => {
          await wf.step("try", () => void tried++);
          await wf.handle(to).signal("news");
        },
      },
    });
    const gone = workflow("gone", async () => "gone");
    const e = await at.engine({ workflows: [teller, gone] });
    await soon(at, (await e.start(gone, undefined, { id: "gone" })).result());
    const error = await soon(at, e.entity(teller, "ada").tell("gone").catch(thrown));
    expect(error).toMatchObject({ code: "UPDATE_FAILED", cause: { code: "RUN_CLOSED" } });
    expect(tried).toBe(1);
  });

  it("handles one message at a time, in their order", async () => {
    const at = bench();
    const slow = entity("slow", {
      state: { log: [] as string[] },
      on: {
        work: async (state, name: string, { wf }) => {
          state.log.push(`${name} begins`);
          await wf.sleep(name === "a" ? "10s" : "1s");
          state.log.push(`${name} ends`);
          return state.log.length;
        },
      },
      get: { log: (state) => state.log },
    });
    const e = await at.engine({ workflows: [slow] });
    const client = e.entity(slow, "1");
    const all = Promise.all(["a", "b", "c"].map((name) => client.work(name)));
    await at.clock.advance(5000);
    expect(await soon(at, client.log())).toEqual([]);
    expect(await soon(at, all)).toEqual([2, 4, 6]);
    expect(await soon(at, client.log())).toEqual(["a", "b", "c"].flatMap((name) => [`${name} begins`, `${name} ends`]));
  });

  it("is as it was before when a handler throws, and the caller gets the error", async () => {
    const at = bench();
    const fails = activity("fails", { retry: { maxAttempts: 1 } }, async () => {
      throw new RangeError("no stock");
    });
    const stock = entity("stock", {
      state: { left: 5, orders: new Map<string, number>() },
      on: {
        take: (state, n: number) => {
          state.left -= n;
          if (state.left < 0) throw new TypeError(`${-state.left} too many`);
          return state.left;
        },
        order: async (state, id: string, { wf, end }) => {
          state.orders.set(id, 1);
          end();
          await wf.call(fails);
        },
        spoil: (state) => Object.assign(state, { left: () => 1 }),
      },
      get: { state: (state) => state },
    });
    const e = await at.engine({ workflows: [stock] });
    const client = e.entity(stock, "1");
    expect(await soon(at, client.take(2))).toBe(3);
    const late = await soon(at, client.take(9).catch(thrown));
    expect(isPerdureError(late, "UPDATE_FAILED")).toBe(true);
    expect(failureOf(late)).toMatchObject({ name: "TypeError", message: "6 too many" });
    expect(failureOf(await soon(at, client.order("x").catch(thrown)))).toMatchObject({ message: "no stock" });
    expect(failureOf(await soon(at, client.spoil().catch(thrown)))).toMatchObject({ code: "UNSERIALISABLE" });
    expect(await soon(at, client.state())).toEqual({ left: 3, orders: new Map() });
    expect(await soon(at, client.take(3))).toBe(0);
  });

  it("gives each caller what its own message led to", async () => {
    const at = bench();
    const list = entity("list", {
      state: { items: [] as number[] },
      on: {
        add: (state, n: number) => {
          state.items.push(n);
          return state.items;
        },
      },
    });
    const e = await at.engine({ workflows: [list] });
    const client = e.entity(list, "1");
    expect(await soon(at, Promise.all([1, 2, 3].map((n) => client.add(n))))).toEqual([[1], [1, 2], [1, 2, 3]]);
  });

  it("cannot be changed by questions and validators", async () => {
    const at = bench();
    const bag = entity("bag", {
      state: { items: ["a"] },
      on: { add: (state, item: string) => state.items.push(item) },
      get: { steal: (state) => state.items.pop() },
      validate: {
        add: (state, item) => {
          if (state.items.includes(item)) throw new Error(`${item} is in it`);
          state.items.pop();
        },
      },
    });
    const e = await at.engine({ workflows: [bag] });
    const client = e.entity(bag, "1");
    expect(await soon(at, client.add("b"))).toBe(2);
    expect(failureOf(await soon(at, client.add("a").catch(thrown)))).toMatchObject({ message: "a is in it" });
    expect(await soon(at, client.steal())).toBe("b");
    expect(await soon(at, client.steal())).toBe("b");
    expect(await soon(at, client.add("c"))).toBe(3);
  });
});

describe("an entity that lives long", () => {
  it("continues as new by itself, and loses nothing", async () => {
    const at = bench();
    const sum = entity("sum", {
      state: { total: 0, seen: [] as number[] },
      on: {
        add: async (state, n: number, { wf }) => {
          if (n % 5 === 0) await wf.sleep("1s");
          state.total += n;
          state.seen.push(n);
          return state.total;
        },
      },
      get: { seen: (state) => state.seen },
      continueAfter: 7,
    });
    const e = await at.engine({ workflows: [sum] });
    const client = e.entity(sum, "1");
    await soon(at, client.add(0));
    const first = (await e.handle("sum/1")).runId;
    const numbers = Array.from({ length: 40 }, (_, index) => index + 1);
    const answers = await soon(at, Promise.all(numbers.map((n) => client.add(n))));
    expect(answers).toEqual(numbers.map((n) => (n * (n + 1)) / 2));
    for (const n of [41, 42, 43, 44, 45, 46, 47, 48]) await soon(at, client.add(n));
    expect(await soon(at, client.seen())).toEqual([0, ...numbers, 41, 42, 43, 44, 45, 46, 47, 48]);
    const handle = await e.handle("sum/1");
    expect(handle.runId).not.toBe(first);
    expect((await handle.history()).length).toBeLessThan(30);
    expect(await handle.status()).not.toBe("completed");
  });

  it("completes with its state when no message comes for long enough, and starts anew with the next", async () => {
    const at = bench();
    const brief = entity("brief", {
      state: { n: 0 },
      on: {
        add: (state, by: number) => (state.n += by),
        wait: async (state, _: undefined, { wf }) => {
          await wf.sleep("3h");
          return state.n;
        },
      },
      get: { n: (state) => state.n },
      expire: "1h",
    });
    const e = await at.engine({ workflows: [brief] });
    const client = e.entity(brief, "1");
    expect(await soon(at, client.add(1))).toBe(1);
    await at.clock.advance(50 * 60_000);
    expect(await soon(at, client.add(1))).toBe(2);
    await at.clock.advance(50 * 60_000);
    const handle = await e.handle("brief/1");
    expect(await handle.status()).not.toBe("completed");
    const waiting = client.wait();
    await at.clock.advance(3 * 3_600_000);
    expect(await soon(at, waiting)).toBe(2);
    await at.clock.advance(50 * 60_000);
    expect(await handle.status()).not.toBe("completed");
    await at.clock.advance(20 * 60_000);
    expect(await at.finish(handle)).toEqual({ n: 2 });
    expect(await soon(at, client.n())).toBe(2);
    expect(await soon(at, client.add(5))).toBe(5);
  });

  it("completes when a handler says so, after the messages that came before", async () => {
    const at = bench();
    const order = entity("order", {
      state: { lines: [] as string[] },
      on: {
        add: async (state, line: string, { wf }) => {
          await wf.sleep("1s");
          return state.lines.push(line);
        },
        checkout: (state, _: undefined, { end }) => {
          end();
          return state.lines.length;
        },
      },
    });
    const e = await at.engine({ workflows: [order] });
    const client = e.entity(order, "1");
    const answers = Promise.all([client.add("a"), client.checkout(), client.add("b")]);
    expect(await soon(at, answers)).toEqual([1, 1, 2]);
    expect(await at.finish(await e.handle("order/1"))).toEqual({ lines: ["a", "b"] });
    expect(await soon(at, client.add("c"))).toBe(1);
  });

  it("has the same state after a crash, also in the middle of a handler", async () => {
    const charged: number[] = [];
    const charge = activity("charge", async (amount: number) => {
      charged.push(amount);
    });
    const account = entity("account", {
      state: { balance: 0, log: new Map<string, Date>() },
      on: {
        pay: async (state, amount: number, { wf }) => {
          state.balance -= amount;
          await wf.call(charge, amount);
          await wf.sleep("2s");
          state.log.set(`paid ${amount}`, new Date(0));
          return state.balance;
        },
      },
      get: { state: (state) => state },
      continueAfter: 3,
    });
    for (const crashAfter of [10, 1000, 3000, 5000, 7000, 9000]) {
      charged.length = 0;
      const at = bench();
      const doomed = vanishing(at.store);
      const one = await at.engine({ workflows: [account], store: doomed.store });
      const amounts = [1, 2, 3, 4];
      const lost = amounts.map((n) => one.entity(account, "1").pay(n));
      for (const promise of lost) promise.catch(() => {});
      await at.clock.advance(crashAfter);
      doomed.vanish();
      const two = await at.engine({ workflows: [account] });
      await at.clock.advance(60_000);
      expect(await soon(at, two.entity(account, "1").state())).toEqual({
        balance: -10,
        log: new Map(amounts.map((n) => [`paid ${n}`, new Date(0)])),
      });
      expect(charged).toEqual(amounts);
      expect(await soon(at, two.entity(account, "1").pay(5))).toBe(-15);
    }
  });

  it("can be cancelled, and lets handlers use whatever a workflow may", async () => {
    const at = bench();
    const go = signal<string>("go");
    const patient = entity("patient", {
      state: { heard: "" },
      on: {
        listen: async (state, _: undefined, { wf }) => {
          state.heard = await wf.waitFor(go);
          return state.heard;
        },
      },
    });
    const e = await at.engine({ workflows: [patient] });
    const heard = e.entity(patient, "1").listen();
    await at.clock.advance(10);
    const handle = await e.handle("patient/1");
    await handle.signal(go, "hello");
    expect(await soon(at, heard)).toBe("hello");
    await handle.cancel("closed for ever");
    expect(isPerdureError(await at.finish(handle).catch(thrown), "RUN_CANCELLED")).toBe(true);
  });
});

describe("the definition of an entity", () => {
  const state = { n: 0 };
  const add = (s: { n: number }, by: number): number => s.n + by;

  it.each([
    ["a name that is asked and done", () => entity("e", { state, on: { add }, get: { add } }), "both an operation"],
    ["a name that means something else", () => entity("e", { state, on: { constructor: add } }), '"constructor"'],
    ["no messages at all", () => entity("e", { state, on: { add }, continueAfter: 0 }), "continueAfter"],
    ["a life of no length", () => entity("e", { state, on: { add }, expire: "soon" as never }), "expire of entity e"],
    ["no name", () => entity("", { state, on: { add } }), "name"],
  ])("refuses %s", (_, define, message) => {
    expect(define).toThrow(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(define).toThrow(message);
  });

  it("makes clients that are plain objects, which can be awaited", async () => {
    const asked: unknown[] = [];
    const client = entityClient(cart, {
      update: async (name, input, { id }) => asked.push(["update", name, input, id]),
      query: async (name, input) => asked.push(["query", name, input]),
    });
    expect(await client).toBe(client);
    expect(Object.keys(client)).toEqual(["add", "clear", "count", "first"]);
    await client.add("tea");
    await client.clear(undefined, { id: "again" });
    await client.count();
    expect(asked).toEqual([
      ["update", "add", "tea", undefined],
      ["update", "clear", undefined, "again"],
      ["query", "count", undefined],
    ]);
  });
});
