/** What must compile, and what must not, in sagas, maps and entities. Only the compiler reads this. */
import { activity } from "../../src/workflow/activity.ts";
import type { WorkflowContext } from "../../src/workflow/context.ts";
import { type EntityClient, entity } from "../../src/workflow/entity.ts";
import type { Settled } from "../../src/workflow/map.ts";
import { workflow } from "../../src/workflow/workflow.ts";

interface Order {
  readonly id: string;
  readonly amount: number;
}
interface Payment {
  readonly txn: string;
}

const charge = activity("charge", async (order: Order): Promise<Payment> => ({ txn: order.id }));
const refund = activity("refund", async (input: { txn: string | undefined }) => input.txn ?? "nothing to refund");
const ship = workflow("ship", async (_, order: Order) => `parcel ${order.id}`);

/** Accepts a value of exactly this type: a wider or narrower one does not compile. */
function exactly<T>(): <U extends T>(value: U, ...same: T extends U ? [] : [never]) => void {
  return () => {};
}

export async function sagas(wf: WorkflowContext, order: Order): Promise<void> {
  const result = await wf.saga(async (saga) => {
    const payment = await saga.call(charge, order, {
      undo: (made) => {
        exactly<Payment | undefined>()(made);
        return wf.call(refund, { txn: made?.txn });
      },
    });
    exactly<Payment>()(payment);
    const parcel = await saga.child(ship, order, { undo: async (made) => exactly<string | undefined>()(made) });
    const count = await saga.step("count", () => 1, { undo: async (n) => exactly<number | undefined>()(n) });
    saga.onFailure("tell", async () => {});
    return { parcel, count };
  });
  exactly<{ parcel: string; count: number }>()(result);

  await wf.saga(async (saga) => {
    // @ts-expect-error: the input is no order
    await saga.call(charge, "42", { undo: async () => {} });
    // @ts-expect-error: the result may be unknown
    await saga.call(charge, order, { undo: (made) => wf.call(refund, { txn: made.txn }) });
    // @ts-expect-error: a payment has no such property
    await saga.call(charge, order, { undo: async (made) => made?.receipt });
    // @ts-expect-error: a step of a saga says how it is undone
    await saga.call(charge, order, {});
    // @ts-expect-error: without a promise nobody waits for the refund
    await saga.call(charge, order, { undo: (made) => void wf.call(refund, { txn: made?.txn }) });
    // @ts-expect-error: the input is no order
    await saga.child(ship, { id: "42" }, { undo: async () => {} });
  });
}

export async function maps(wf: WorkflowContext, orders: readonly Order[]): Promise<void> {
  exactly<Payment[]>()(await wf.map(orders, charge));
  exactly<string[]>()(await wf.map(new Set(orders), ship, { concurrency: 2 }));
  exactly<number[]>()(await wf.map(orders, async (order, index) => order.amount + index, { onError: "fail" }));
  exactly<Settled<Payment>[]>()(await wf.map(orders, charge, { onError: "collect" }));
  exactly<Settled<string>[]>()(await wf.map(orders, async (order) => order.id, { onError: "collect" }));

  // @ts-expect-error: the items are no orders
  await wf.map(["42"], charge);
  // @ts-expect-error: the items are no orders
  await wf.map([1, 2], ship);
  // @ts-expect-error: an order has no such property
  await wf.map(orders, async (order) => order.price);
  // @ts-expect-error: the function must be asynchronous
  await wf.map(orders, (order) => order.id);
  // @ts-expect-error: no such way to deal with errors
  await wf.map(orders, charge, { onError: "ignore" });
  // @ts-expect-error: not iterable
  await wf.map(5, async (order) => order);
}

const account = entity("account", {
  state: (key) => ({ owner: key, balance: 0, log: [] as string[] }),
  on: {
    deposit: (state, amount: number) => {
      state.balance += amount;
      return state.balance;
    },
    charge: async (state, order: Order, { wf }) => {
      const payment = await wf.call(charge, order);
      state.balance -= order.amount;
      return payment;
    },
    note: (state, text?: string) => {
      state.log.push(text ?? "-");
    },
    close: (state, _: undefined, { end }) => {
      end();
      return state.balance;
    },
  },
  get: { balance: (state) => state.balance, entries: (state, from: number) => state.log.slice(from) },
  validate: {
    deposit: (state, amount) => {
      exactly<number>()(amount);
      exactly<string>()(state.owner);
    },
  },
});

const counter = entity("counter", { state: { n: 0 }, on: { add: (state, by: number) => (state.n += by) } });

export async function entities(
  client: EntityClient<typeof account>,
  count: EntityClient<typeof counter>,
  wf: WorkflowContext,
): Promise<void> {
  exactly<number>()(await client.deposit(5));
  exactly<Payment>()(await client.charge({ id: "1", amount: 2 }));
  exactly<void>()(await client.note());
  await client.note("hello", { id: "note-1" });
  await client.close(undefined, { id: "close-1" });
  exactly<number>()(await client.close());
  exactly<number>()(await client.balance());
  exactly<string[]>()(await client.entries(1));
  exactly<string>()((await wf.child(account, { state: { owner: "x", balance: 1, log: [] } })).owner);

  exactly<number>()(await count.add(1));

  // @ts-expect-error: no such question
  await count.total();
  // @ts-expect-error: an amount is a number
  await client.deposit("5");
  // @ts-expect-error: an amount is needed
  await client.deposit();
  // @ts-expect-error: no such operation
  await client.withdraw(5);
  // @ts-expect-error: a question has no id
  await client.entries(1, { id: "entries-1" });
  // @ts-expect-error: nothing is asked with
  await client.balance(1);
  // @ts-expect-error: it is no promise
  await client.then(() => {});
  // @ts-expect-error: the state has no such property
  entity("wrong", { state: { n: 0 }, on: { add: (state, by: number) => state.m + by } });
  // @ts-expect-error: a validator of no operation
  entity("wrong", { state: { n: 0 }, on: { add: (state, by: number) => state.n + by }, validate: { sub: () => {} } });
  // @ts-expect-error: a validator gets the operation's input
  entity("wrong", { state: { n: 0 }, on: { add: (s, n: number) => s.n + n }, validate: { add: (_, n: string) => n } });
}
