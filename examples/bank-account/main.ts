/**
 * Accounts as entities, and transfers between them as sagas: money is neither made nor lost, whatever crashes when.
 *
 *     node --import jiti/register examples/bank-account/main.ts
 *
 * Stop it at any time and start it again. Every booking has an id: one that is repeated after a crash counts once, and one that is
 * cancelled never counts, not even if it arrives later.
 */
import { setTimeout as pause } from "node:timers/promises";
import { activity, entity, FatalError, open, type Perdure, workflow } from "perdure";

interface Booking {
  readonly id: string;
  /** Cents; negative takes money out. */
  readonly amount: number;
}
interface Transfer {
  readonly from: string;
  readonly to: string;
  readonly amount: number;
}

const account = entity("account", {
  state: (owner) => ({ closed: owner === "carl", balance: 0, booked: new Map<string, number>() }),
  on: {
    book: (state, { id, amount }: Booking) => {
      if (state.booked.has(id)) return;
      if (state.closed) throw new Error("the account is closed");
      if (state.balance + amount < 0) throw new Error(`there are only ${state.balance} cents`);
      state.booked.set(id, amount);
      state.balance += amount;
    },
    cancel: (state, id: string) => {
      state.balance -= state.booked.get(id) ?? 0;
      state.booked.set(id, 0);
    },
  },
  get: { balance: (state) => state.balance },
});

const book = activity("book", async ({ owner, ...booking }: Booking & { owner: string }) => {
  console.log(`${owner}: ${booking.amount} (${booking.id})`);
  await pause(100);
  await (await bank)
    .entity(account, owner)
    .book(booking)
    .catch((error: Error) => {
      // What the account refuses, a second attempt does not change.
      throw new FatalError(`${owner}: ${(error.cause as Error).message}`);
    });
});
const cancel = activity("cancel", async ({ owner, id }: { owner: string; id: string }) => {
  console.log(`${owner}: cancel ${id}`);
  await (await bank).entity(account, owner).cancel(id);
});

const transfer = workflow("transfer", async (wf, { from, to, amount }: Transfer) => {
  const id = wf.info.workflowId;
  return wf.saga(async (saga) => {
    await saga.call(book, { owner: from, id, amount: -amount }, { undo: () => wf.call(cancel, { owner: from, id }) });
    await saga.call(book, { owner: to, id, amount }, { undo: () => wf.call(cancel, { owner: to, id }) });
    return "done";
  });
});

const store = process.argv[2] ?? "sqlite:.perdure/store.db";
const bank: Promise<Perdure> = open({ store, workflows: [account, transfer] });
await using engine = await bank;
const [ada, ben] = [engine.entity(account, "ada"), engine.entity(account, "ben")];
await ada.book({ id: "opening", amount: 100_00 });
await ben.book({ id: "opening", amount: 100_00 });
const transfers = [
  { from: "ada", to: "ben", amount: 30_00 },
  { from: "ben", to: "carl", amount: 10_00 },
  { from: "ada", to: "ben", amount: 99_00 },
  { from: "ben", to: "ada", amount: 5_00 },
];
const outcomes: string[] = [];
for (const [index, order] of transfers.entries()) {
  const handle = await engine.start(transfer, order, { idempotencyKey: `transfer-${index + 1}` });
  outcomes.push(await handle.result().catch((error: Error) => (error.cause as Error).message));
}
console.log("result: ada has", await ada.balance(), "and ben", await ben.balance());
for (const [index, outcome] of outcomes.entries()) console.log(`  transfer ${index + 1}: ${outcome}`);
