/**
 * Twelve orders want the same article at the same time. The article is an entity, which puts them in line: nothing is sold twice, and
 * what an order cannot pay for goes back on the shelf.
 *
 *     node --import jiti/register examples/inventory/main.ts
 *
 * Stop it at any time and start it again: no order is handled twice.
 */
import { setTimeout as pause } from "node:timers/promises";
import { activity, entity, FatalError, open, type Perdure, workflow } from "perdure";

interface Order {
  readonly id: string;
  readonly quantity: number;
}

const article = entity("article", {
  state: { left: 20, holds: new Map<string, number>(), sold: 0 },
  on: {
    hold: (state, { id, quantity }: Order) => {
      if (state.holds.has(id)) return;
      if (state.left < quantity) throw new Error(`nobody has ${quantity} of these`);
      state.left -= quantity;
      state.holds.set(id, quantity);
    },
    release: (state, id: string) => {
      state.left += state.holds.get(id) ?? 0;
      state.holds.set(id, 0);
    },
    sell: (state, id: string) => {
      state.sold += state.holds.get(id) ?? 0;
      state.holds.set(id, 0);
    },
  },
  get: { stock: ({ left, sold, holds }) => ({ left, sold, held: [...holds.values()].reduce((a, b) => a + b, 0) }) },
});

const SKU = "teapot";
const hold = activity("hold", async (order: Order) => {
  const shelf = (await warehouse).entity(article, SKU);
  await shelf.hold(order).catch((error: Error) => {
    throw new FatalError((error.cause as Error).message);
  });
});
const release = activity("release", async ({ id }: Order) => (await warehouse).entity(article, SKU).release(id));
const sell = activity("sell", async ({ id }: Order) => (await warehouse).entity(article, SKU).sell(id));
const pay = activity("pay", async ({ id }: Order) => {
  console.log(`${id} pays`);
  await pause(200);
  if (Number(id.slice(6)) % 4 === 0) throw new FatalError("the card was declined");
});

const order = workflow("order", async (wf, one: Order) => {
  await wf.saga(async (saga) => {
    await saga.call(hold, one, { undo: () => wf.call(release, one) });
    await wf.call(pay, one);
  });
  await wf.call(sell, one);
});

/** Three orders at a time, each a run of its own. One that fails does not stop the others. */
const allOrders = workflow("all-orders", async (wf, orders: readonly Order[]) => {
  const outcomes = await wf.map(orders, order, { concurrency: 3, onError: "collect" });
  return outcomes.map((outcome) => (outcome.status === "completed" ? "sold" : (outcome.error.cause as Error).message));
});

const store = process.argv[2] ?? "sqlite:.perdure/store.db";
const warehouse: Promise<Perdure> = open({ store, workflows: [article, order, allOrders] });
await using engine = await warehouse;
const orders = Array.from({ length: 12 }, (_, index) => ({
  id: `order-${index + 1}`,
  quantity: index === 6 ? 100 : 1,
}));
const handle = await engine.start(allOrders, orders, { id: "orders-of-today", conflict: "attach" });
const outcomes = await handle.result();
console.log("result:", await engine.entity(article, SKU).stock());
for (const [index, outcome] of outcomes.entries()) console.log(`  ${orders[index]?.id}: ${outcome}`);
