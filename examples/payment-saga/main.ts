/**
 * A trip is booked in three steps, each with its undo. The last one fails, so what was paid and reserved is given back, last first.
 *
 *     node --import jiti/register examples/payment-saga/main.ts
 *
 * Stop it at any time (Ctrl-C, kill -9) and start it again: it goes on where it was, in the middle of the refunds, too.
 */
import { setTimeout as pause } from "node:timers/promises";
import { activity, FatalError, open, workflow } from "perdure";

interface Trip {
  readonly traveller: string;
  readonly price: number;
}

/** Pretends to talk to another company. */
const talk = async (what: string): Promise<void> => {
  console.log(what);
  await pause(400);
};

const charge = activity("charge", async ({ traveller, price }: Trip, ctx) => {
  // The bank gets the idempotency key: if this attempt is repeated after a crash, it still takes the money once.
  await talk(`charge ${traveller} ${price} EUR`);
  return { payment: `payment ${ctx.idempotencyKey}` };
});
const refund = activity("refund", async (payment: string | undefined) =>
  talk(`refund ${payment ?? "what may have been charged"}`),
);
const reserve = activity("reserve", async (hotel: string) => {
  await talk(`reserve ${hotel}`);
  return { room: 7 };
});
const release = activity("release", async (room: number | undefined) => talk(`release room ${room}`));
const fly = activity("fly", async (_: Trip) => {
  await talk("buy a flight");
  throw new FatalError("no seats left");
});
const cancelFlight = activity("cancel-flight", async () => talk("make sure that there is no flight"));

const bookTrip = workflow("book-trip", async (wf, trip: Trip) =>
  wf.saga(async (saga) => {
    await saga.call(charge, trip, { undo: (charged) => wf.call(refund, charged?.payment) });
    await saga.call(reserve, "Hotel Adlon", { undo: (reserved) => wf.call(release, reserved?.room) });
    await saga.call(fly, trip, { undo: () => wf.call(cancelFlight) });
    return "booked";
  }),
);

await using engine = await open({ store: process.argv[2] ?? "sqlite:.perdure/store.db", workflows: [bookTrip] });
const trip = { traveller: "Ada", price: 900 };
const handle = await engine.start(bookTrip, trip, { id: "trip-ada", conflict: "attach" });
try {
  console.log("result:", await handle.result());
} catch (error) {
  const { message, compensations } = (error as Error).cause as Error & {
    compensations: { step: string; status: string }[];
  };
  console.log("result:", message);
  for (const { step, status } of compensations) console.log(`  undoing ${step}: ${status}`);
}
