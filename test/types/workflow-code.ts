/** What must compile, and what must not, in workflow code: everything `wf` has. Only the compiler reads this. */
import type {
  Callback,
  CancelScope,
  ChildHandle,
  Decision,
  PeerHandle,
  RunInfo,
  Settled,
  StoreTransaction,
  WorkflowContext,
} from "../../src/index.ts";
import { activity, query, signal, update, workflow } from "../../src/index.ts";
import type { Equal, Holds } from "./equal.ts";

interface Order {
  readonly id: string;
  readonly amount: number;
}

const charge = activity("charge", async (order: Order) => ({ txn: order.id }));
const tick = activity("tick", async () => 1);
const ship = workflow("ship", async (_, order: Order) => `parcel ${order.id}`);
const nightly = workflow("nightly", async () => new Date());
const approved = signal<{ ok: boolean }>("approved");
const closed = signal("closed");
const total = query<number>("total");
const above = query<boolean, number>("above");
const add = update<Order, number>("add");
const pay = update<undefined, string>("pay");

export async function steps(wf: WorkflowContext, order: Order): Promise<void> {
  const charged = wf.call(charge, order, {
    retry: { maxAttempts: 5 },
    timeout: "30s",
    totalTimeout: "1h",
    label: "pay",
    extra: 1,
  });
  const ticked = wf.call(tick);
  const named = wf.call("charge", order);
  const typed = wf.call<number>("count");
  const inline = wf.step("size", (ctx) => ctx.attempt, { retry: { maxAttempts: 1 } });
  const later = wf.step("later", async () => "x");
  const moved = wf.transaction("move", async (tx) => (await tx.query("select 1", [order.id])).length);
  type Same = [
    Holds<Equal<typeof charged, Promise<{ txn: string }>>>,
    Holds<Equal<typeof ticked, Promise<number>>>,
    Holds<Equal<typeof named, Promise<unknown>>>,
    Holds<Equal<typeof typed, Promise<number>>>,
    Holds<Equal<typeof inline, Promise<number>>>,
    Holds<Equal<typeof later, Promise<string>>>,
    Holds<Equal<typeof moved, Promise<number>>>,
    Holds<Equal<Parameters<Parameters<typeof wf.transaction>[1]>[0], StoreTransaction>>,
  ];
  void ({} as Same);

  // @ts-expect-error: the input is no order
  await wf.call(charge, "42");
  // @ts-expect-error: an input is needed
  await wf.call(charge);
  // @ts-expect-error: a workflow is no activity
  await wf.call(ship, order);
  // @ts-expect-error: no such option
  await wf.call(charge, order, { retries: 3 });
  // @ts-expect-error: no duration
  await wf.call(charge, order, { timeout: "5 parsecs" });
  // @ts-expect-error: the result has no such property
  (await wf.call(charge, order)).receipt;
  // @ts-expect-error: a step has a function
  await wf.step("size", 5);
  // @ts-expect-error: a transaction is asynchronous
  await wf.transaction("move", () => 1);
}

export async function time(wf: WorkflowContext): Promise<void> {
  const next = wf.sleepUntilCron("0 3 * * *", { timezone: "Europe/Berlin" });
  const until = wf.until(() => true);
  const limited = wf.until(() => true, { timeout: "1h", label: "done" });
  const waited = wf.waitFor(approved);
  const timed = wf.waitFor(approved, { timeout: "48h" });
  const named = wf.waitFor<number>("count");
  type Same = [
    Holds<Equal<typeof next, Promise<number>>>,
    Holds<Equal<typeof until, Promise<true>>>,
    Holds<Equal<typeof limited, Promise<boolean>>>,
    Holds<Equal<typeof waited, Promise<{ ok: boolean }>>>,
    Holds<Equal<typeof timed, Promise<{ ok: boolean } | undefined>>>,
    Holds<Equal<typeof named, Promise<number>>>,
  ];
  void ({} as Same);
  for await (const one of wf.signals(approved)) exactlyBoolean(one.ok);

  // @ts-expect-error: no duration
  await wf.sleep("5 parsecs");
  // @ts-expect-error: no point in time
  await wf.sleepUntil("tomorrow");
  // @ts-expect-error: no such option
  await wf.sleepUntilCron("0 3 * * *", { zone: "UTC" });
  // @ts-expect-error: it may be undefined
  (await wf.waitFor(approved, { timeout: "1h" })).ok;
  // @ts-expect-error: a query cannot be waited for
  await wf.waitFor(total);
  // @ts-expect-error: an update cannot be waited for
  wf.signals(add);
  // @ts-expect-error: no predicate
  await wf.until(true);
  // @ts-expect-error: a predicate is synchronous
  await wf.until(async () => true);
}

export function handlers(wf: WorkflowContext): void {
  wf.on(approved, ({ ok }) => exactlyBoolean(ok));
  wf.on(approved, async ({ ok }) => exactlyBoolean(ok));
  wf.on(total, () => 5);
  wf.on(above, (limit) => limit > 5);
  wf.on(add, async (order) => order.amount, { validate: (order) => exactlyBoolean(order.amount > 0) });
  wf.on(pay, () => "paid");

  // @ts-expect-error: the payload has no such property
  wf.on(approved, ({ by }) => by);
  // @ts-expect-error: the answer is a number
  wf.on(total, () => "5");
  // @ts-expect-error: a query's handler is synchronous
  wf.on(total, async () => 5);
  // @ts-expect-error: it is asked with a number
  wf.on(above, (limit: string) => limit === "");
  // @ts-expect-error: the answer is a number
  wf.on(add, (order) => order.id);
  // @ts-expect-error: a signal has no validator
  wf.on(approved, () => {}, { validate: () => {} });
  // @ts-expect-error: a query has no validator
  wf.on(total, () => 5, { validate: () => {} });
  // @ts-expect-error: a validator gets the update's input
  wf.on(add, () => 5, { validate: (order: string) => void order });
  // @ts-expect-error: names have no types; define a token
  wf.on("approved", () => {});
}

export async function people(wf: WorkflowContext): Promise<void> {
  const asked = wf.callback<{ paid: number }>({ timeout: "2d", label: "bank" });
  const decided = wf.approval("publish", { approvers: ["ada"], timeout: "7d" });
  const answer = (await asked).wait();
  type Same = [
    Holds<Equal<typeof asked, Promise<Callback<{ paid: number }>>>>,
    Holds<Equal<typeof answer, Promise<{ paid: number } | undefined>>>,
    Holds<Equal<typeof decided, Promise<Decision | undefined>>>,
  ];
  void ({} as Same);

  // @ts-expect-error: nobody may have decided in time
  (await wf.approval("publish")).approved;
  // @ts-expect-error: approvers are a list
  await wf.approval("publish", { approvers: "ada" });
  // @ts-expect-error: it has a name
  await wf.approval({ approvers: ["ada"] });
  // @ts-expect-error: no duration
  await wf.callback({ timeout: "a while" });
}

export async function children(wf: WorkflowContext, order: Order): Promise<void> {
  const awaited = wf.child(ship, order, {
    id: "c",
    onParentClose: "abandon",
    timeout: "1d",
    tags: { of: "x" },
    label: "ship",
  });
  const none = wf.child(nightly);
  const named = wf.child<string>("ship", order);
  const spawned = wf.spawn(ship, order);
  const result = (await spawned).result();
  const peer = wf.handle("other");
  type Same = [
    Holds<Equal<typeof awaited, Promise<string>>>,
    Holds<Equal<typeof none, Promise<Date>>>,
    Holds<Equal<typeof named, Promise<string>>>,
    Holds<Equal<typeof spawned, Promise<ChildHandle<string>>>>,
    Holds<Equal<typeof result, Promise<string>>>,
    Holds<Equal<typeof peer, PeerHandle>>,
    Holds<Equal<Awaited<typeof spawned>["runId"], string>>,
  ];
  void ({} as Same);
  await peer.signal(approved, { ok: true });
  await peer.signal(closed);
  await (await spawned).signal(approved, { ok: true });

  // @ts-expect-error: the input is no order
  await wf.child(ship, { id: "42" });
  // @ts-expect-error: an input is needed
  await wf.spawn(ship);
  // @ts-expect-error: an activity is no workflow
  await wf.child(charge, order);
  // @ts-expect-error: no such policy
  await wf.child(ship, order, { onParentClose: "kill" });
  // @ts-expect-error: no such option of a child
  await wf.child(ship, order, { retry: { maxAttempts: 2 } });
  // @ts-expect-error: the payload is an object
  await peer.signal(approved, true);
  // @ts-expect-error: a payload is needed
  await peer.signal(approved);
  // @ts-expect-error: other runs are not asked in workflow code
  await peer.query(total);
  // @ts-expect-error: a peer has no result
  await peer.result();
}

export async function rest(wf: WorkflowContext, order: Order): Promise<string> {
  const scoped = wf.scope(async (scope: CancelScope) => scope.cancel("enough"), { timeout: "1h", label: "all" });
  const shielded = wf.uncancellable(async () => 5);
  const saved = wf.saga(async (saga) => saga.step("one", () => 1, { undo: async () => {} }));
  const mapped = wf.map([order], ship, { concurrency: Number.POSITIVE_INFINITY, onError: "collect" });
  const collected = wf.map([order], async ({ amount }) => amount, { onError: "collect" });
  const squared = wf.map(new Set([1, 2]), async (n, index) => n * index);
  const patched = wf.patched("check");
  const version = wf.version("pricing", { min: 0, max: 2 });
  type Same = [
    Holds<Equal<typeof scoped, Promise<void>>>,
    Holds<Equal<typeof shielded, Promise<number>>>,
    Holds<Equal<typeof saved, Promise<number>>>,
    Holds<Equal<typeof mapped, Promise<Settled<string>[]>>>,
    Holds<Equal<typeof collected, Promise<Settled<number>[]>>>,
    Holds<Equal<typeof squared, Promise<number[]>>>,
    Holds<Equal<typeof patched, boolean>>,
    Holds<Equal<typeof version, number>>,
    Holds<Equal<typeof wf.info, RunInfo>>,
    Holds<Equal<typeof wf.abortSignal, AbortSignal>>,
    Holds<Equal<ReturnType<typeof wf.random>, number>>,
    Holds<Equal<ReturnType<typeof wf.uuid>, string>>,
    Holds<Equal<ReturnType<typeof wf.now>, number>>,
  ];
  void ({} as Same);
  wf.tag({ customer: "acme", rows: 5, urgent: true, old: null });
  wf.progress({ done: 1 });
  wf.note("decision", { yes: true });
  wf.log.info({ order }, "done");
  await wf.handlersFinished();

  // @ts-expect-error: both ends are needed
  wf.version("pricing", { max: 2 });
  // @ts-expect-error: a tag is a small value
  wf.tag({ order });
  // @ts-expect-error: facts do not change
  wf.info.runId = "x";
  // @ts-expect-error: no such option of a scope
  await wf.scope(async () => 1, { timeoutMs: 5 });
  // @ts-expect-error: it says what happens to errors in one of two ways
  await wf.map([order], ship, { onError: "skip" });
  return wf.continueAsNew({ id: order.id });
}

function exactlyBoolean(_: boolean): void {}
