/** What must compile, and what must not, for callers: engines, handles, connections. Only the compiler reads this. */
import type {
  Connection,
  OpenOptions,
  Perdure,
  RunDescription,
  RunHandle,
  RunStatus,
  UpdateHandle,
} from "../../src/index.ts";
import { activity, entity, isPerdureError, query, signal, update, workflow } from "../../src/index.ts";
import type { Equal, Holds } from "./equal.ts";

interface Order {
  readonly id: string;
  readonly amount: number;
}

const charge = activity("charge", async (order: Order) => order.amount);
const ship = workflow("ship", async (_, order: Order) => `parcel ${order.id}`);
const nightly = workflow("nightly", async () => new Date());
const approved = signal<{ ok: boolean }>("approved");
const closed = signal("closed");
const total = query<number>("total");
const above = query<boolean, number>("above");
const add = update<Order, number>("add");
const pay = update<undefined, string>("pay");
const cart = entity("cart", {
  state: { sum: 0 },
  on: {
    put: (state, order: Order) => {
      state.sum += order.amount;
      return state.sum;
    },
    clear: (state) => {
      state.sum = 0;
    },
  },
  get: { sum: (state) => state.sum },
});

export function options(): OpenOptions[] {
  return [
    { store: "sqlite:app.db", workflows: [ship, nightly, cart], routes: { ship: "2" }, activities: [charge] },
    {
      activities: { charge: async (order: Order) => order.id },
      leaseTtl: "10s",
      poll: 500,
      guard: "warn",
      claims: "own",
    },
    // @ts-expect-error: no such option
    { database: "app.db" },
    // @ts-expect-error: no duration
    { leaseTtl: "5 parsecs" },
    // @ts-expect-error: no such durability
    { durability: "eventual" },
    // @ts-expect-error: no such guard
    { guard: "strict" },
    // @ts-expect-error: an activity is no workflow
    { workflows: [charge] },
  ];
}

export async function starts(engine: Perdure, order: Order): Promise<void> {
  const shipped = engine.start(ship, order, {
    id: "s-1",
    reuse: "failed-only",
    conflict: "attach",
    idempotencyKey: "k",
    delay: "1h",
    timeout: "7d",
    secrets: { key: "x" },
    version: "2",
    tags: { customer: "acme", urgent: true },
    meta: { ticket: 12 },
  });
  const slept = engine.start(nightly);
  const named = engine.start("ship", order);
  const typed = engine.start<string>("ship", order);
  const result = (await shipped).result({ timeout: "10s" });
  const told = engine.signalWithStart(ship, order, { id: "s-1", signal: approved, payload: { ok: true }, key: "k" });
  const answered = engine.updateWithStart(ship, order, { id: "s-1", update: add, payload: order, updateId: "u" });
  await engine.signalWithStart(ship, order, { id: "s-1", signal: closed });
  await engine.updateWithStart(ship, order, { id: "s-1", update: pay });
  type Same = [
    Holds<Equal<typeof shipped, Promise<RunHandle<string>>>>,
    Holds<Equal<typeof slept, Promise<RunHandle<Date>>>>,
    Holds<Equal<typeof named, Promise<RunHandle<unknown>>>>,
    Holds<Equal<typeof typed, Promise<RunHandle<string>>>>,
    Holds<Equal<typeof result, Promise<string>>>,
    Holds<Equal<typeof told, Promise<RunHandle<string>>>>,
    Holds<Equal<typeof answered, Promise<number>>>,
  ];
  void ({} as Same);

  // @ts-expect-error: the input is no order
  await engine.start(ship, "42");
  // @ts-expect-error: an input is needed
  await engine.start(ship);
  // @ts-expect-error: an activity is no workflow
  await engine.start(charge, order);
  // @ts-expect-error: no such option
  await engine.start(ship, order, { workflowId: "s-1" });
  // @ts-expect-error: no such way to deal with an open run
  await engine.start(ship, order, { conflict: "replace" });
  // @ts-expect-error: no duration
  await engine.start(ship, order, { delay: "5 parsecs" });
  // @ts-expect-error: secrets are texts
  await engine.start(ship, order, { secrets: { key: 5 } });
  // @ts-expect-error: a payload is needed
  await engine.signalWithStart(ship, order, { id: "s-1", signal: approved });
  // @ts-expect-error: an input is needed
  await engine.updateWithStart(ship, order, { id: "s-1", update: add });
  // @ts-expect-error: the payload is an object
  await engine.signalWithStart(ship, order, { id: "s-1", signal: approved, payload: true });
  // @ts-expect-error: a query is not sent
  await engine.signalWithStart(ship, order, { id: "s-1", signal: total });
  // @ts-expect-error: the input of the workflow is no order
  await engine.signalWithStart(ship, 5, { id: "s-1", signal: closed });
  // @ts-expect-error: the update is given an order
  await engine.updateWithStart(ship, order, { id: "s-1", update: add, payload: 5 });
  // @ts-expect-error: a signal is no update
  await engine.updateWithStart(ship, order, { id: "s-1", update: approved });
}

export async function handles(run: RunHandle<string>, order: Order): Promise<void> {
  const result = run.result();
  const status = run.status();
  const described = run.describe();
  const sum = run.query(total);
  const more = run.query(above, 5);
  const untyped = run.query("total");
  const updated = run.update(add, order, { id: "u", timeout: "5s" });
  const paid = run.update(pay);
  const started = run.startUpdate(add, order);
  type Same = [
    Holds<Equal<typeof result, Promise<string>>>,
    Holds<Equal<typeof status, Promise<RunStatus>>>,
    Holds<Equal<typeof described, Promise<RunDescription>>>,
    Holds<Equal<typeof sum, Promise<number>>>,
    Holds<Equal<typeof more, Promise<boolean>>>,
    Holds<Equal<typeof untyped, Promise<unknown>>>,
    Holds<Equal<typeof updated, Promise<number>>>,
    Holds<Equal<typeof paid, Promise<string>>>,
    Holds<Equal<typeof started, Promise<UpdateHandle<number>>>>,
  ];
  void ({} as Same);
  await run.signal(approved, { ok: true }, { key: "k" });
  await run.signal(closed);
  await run.signal("approved", { ok: true });
  await run.signal("closed");
  await run.update(pay, undefined, { id: "u" });
  await run.approve("publish", { by: "ada", comment: "fine" });

  // @ts-expect-error: the payload is an object
  await run.signal(approved, "yes");
  // @ts-expect-error: a payload is needed
  await run.signal(approved);
  // @ts-expect-error: a query is not sent
  await run.signal(total);
  // @ts-expect-error: it is asked with a number
  await run.query(above);
  // @ts-expect-error: it is asked with a number
  await run.query(above, "5");
  // @ts-expect-error: an update is no query
  await run.query(add);
  // @ts-expect-error: an input is needed
  await run.update(add);
  // @ts-expect-error: the input is no order
  await run.update(add, { id: "1" });
  // @ts-expect-error: a signal is no update
  await run.update(approved, { ok: true });
  // @ts-expect-error: no such option
  await run.update(add, order, { key: "u" });
  // @ts-expect-error: somebody has decided
  await run.approve("publish");
  // @ts-expect-error: an error, not a text
  await run.failStep("charge", "no");
  // @ts-expect-error: no duration
  await run.result({ timeout: "5 parsecs" });
  // @ts-expect-error: the result is a text
  const wrong: number = await run.result();
  void wrong;
}

export async function others(engine: Perdure, connection: Connection, order: Order): Promise<void> {
  const mine = engine.entity(cart, "ada");
  const put = mine.put(order, { id: "click-1" });
  const sum = mine.sum();
  const found = engine.handle<string>("s-1");
  const unknown = connection.handle("s-1");
  const viaToken = (await unknown).update(cart.updates.put, order);
  const listed = engine.runs.list({ workflow: "ship", status: ["failed", "blocked"], since: new Date(), limit: 5 });
  type Same = [
    Holds<Equal<typeof put, Promise<number>>>,
    Holds<Equal<typeof sum, Promise<number>>>,
    Holds<Equal<typeof found, Promise<RunHandle<string>>>>,
    Holds<Equal<typeof unknown, Promise<RunHandle<unknown>>>>,
    Holds<Equal<typeof viaToken, Promise<number>>>,
    Holds<Equal<typeof listed, Promise<RunDescription[]>>>,
  ];
  void ({} as Same);
  await mine.clear();
  await engine.complete("token", { any: "thing" });
  await engine.fail("token", new Error("no"));

  // @ts-expect-error: a workflow is no entity
  engine.entity(ship, "ada");
  // @ts-expect-error: a key is a text
  engine.entity(cart, 5);
  // @ts-expect-error: an error, not a text
  await engine.fail("token", "no");
  // @ts-expect-error: no such status
  await engine.runs.list({ status: "done" });
  // @ts-expect-error: a connection starts nothing
  await connection.start(ship, order);
}

export function errors(error: unknown): string {
  if (isPerdureError(error, "RUN_FAILED")) return `${error.code} ${error.httpStatus}`;
  // @ts-expect-error: no such code
  if (isPerdureError(error, "FAILED")) return "";
  return "";
}
