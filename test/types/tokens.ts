/** What must compile, and what must not, in definitions: activities, workflows, tokens, durations, retries. Only the compiler reads this. */
import {
  type Activity,
  type ActivityContext,
  activity,
  type Duration,
  FatalError,
  type Query,
  query,
  RetryError,
  type Signal,
  signal,
  type Update,
  update,
  type Workflow,
  workflow,
} from "../../src/index.ts";
import type { WorkflowContext } from "../../src/workflow/context.ts";
import type { Equal, Holds } from "./equal.ts";

interface Order {
  readonly id: string;
}

// ---- activities --------------------------------------------------------------------------------------------------------

const plain = activity("plain", async (order: Order, ctx) => `${order.id} ${ctx.attempt}`);
const bare = activity("bare", () => 1);
const optional = activity("optional", async (order?: Order) => order?.id);
const withOptions = activity(
  "with-options",
  {
    retry: {
      maxAttempts: Number.POSITIVE_INFINITY,
      initial: "1s",
      max: 500,
      backoff: "linear",
      notOn: ["CardDeclined"],
    },
    timeout: "1h30m",
    totalTimeout: "P1DT2H",
    heartbeatTimeout: 1500,
    errors: [RangeError],
    concurrency: 5,
    journal: "start",
  },
  (order: Order) => order.id.length,
);

export type Activities = [
  Holds<Equal<typeof plain, Activity<Order, string>>>,
  Holds<Equal<typeof bare, Activity<undefined, number>>>,
  Holds<Equal<typeof optional, Activity<Order | undefined, string | undefined>>>,
  Holds<Equal<typeof withOptions, Activity<Order, number>>>,
];
/** Called directly it is the plain function. */
export const direct: Promise<string> = plain({ id: "1" });

// @ts-expect-error: the input is no order
void plain("1");
// @ts-expect-error: no function
activity("nothing");
// @ts-expect-error: no such option
activity("wrong", { retries: 3 }, async () => 1);
// @ts-expect-error: no such way to grow
activity("wrong", { retry: { backoff: "quadratic" } }, async () => 1);
// @ts-expect-error: no such field of a policy
activity("wrong", { retry: { attempts: 3 } }, async () => 1);
// @ts-expect-error: no duration
activity("wrong", { timeout: "5 parsecs" }, async () => 1);
// @ts-expect-error: no such journal
activity("wrong", { journal: "always" }, async () => 1);
// @ts-expect-error: the context has no such member
activity("wrong", async (_: Order, ctx) => ctx.wf);
// @ts-expect-error: a name is a text
activity(5, async () => 1);

export function contexts(ctx: ActivityContext): void {
  const key: string = ctx.idempotencyKey;
  const token: string = ctx.completeLater();
  const secret: string | undefined = ctx.secrets[key];
  // @ts-expect-error: nobody sets secrets here
  ctx.secrets.key = token;
  // @ts-expect-error: the details of the last heartbeat may be anything
  const row: number = ctx.lastHeartbeat;
  ctx.heartbeat({ row, secret });
}

// ---- workflows ---------------------------------------------------------------------------------------------------------

const ship = workflow("ship", async (wf, order: Order) => wf.call(plain, order));
const nightly = workflow("nightly", { version: "2" }, async (wf) => wf.now());

export type Workflows = [
  Holds<Equal<typeof ship, Workflow<Order, string>>>,
  Holds<Equal<typeof nightly, Workflow<undefined, number>>>,
  Holds<Equal<Parameters<typeof ship.run>[0], WorkflowContext>>,
];

// @ts-expect-error: a workflow is asynchronous
workflow("wrong", (_, order: Order) => order.id);
// @ts-expect-error: a version is a text
workflow("wrong", { version: 2 }, async () => 1);
// @ts-expect-error: no such option
workflow("wrong", { retry: { maxAttempts: 2 } }, async () => 1);
// @ts-expect-error: no function
workflow("wrong", { version: "2" });

// ---- tokens ------------------------------------------------------------------------------------------------------------

export type Tokens = [
  Holds<Equal<ReturnType<typeof signal<Order>>, Signal<Order>>>,
  Holds<Equal<ReturnType<typeof query<number>>, Query<number, undefined>>>,
  Holds<Equal<ReturnType<typeof query<number, Order>>, Query<number, Order>>>,
  Holds<Equal<ReturnType<typeof update<Order, number>>, Update<Order, number>>>,
];
const approved = signal<Order>("approved");
const total = query<number>("total");
const add = update<Order, number>("add");

// @ts-expect-error: a signal is no query
export const one: Query<Order> = approved;
// @ts-expect-error: a query is no update
export const two: Update<undefined, number> = total;
// @ts-expect-error: an update is no signal
export const three: Signal<Order> = add;
// @ts-expect-error: an update with another input
export const four: Update<string, number> = add;
// @ts-expect-error: an update with another answer
export const five: Update<Order, string> = add;
// @ts-expect-error: a signal with another payload
export const six: Signal<{ id: number }> = approved;

// ---- durations and errors ----------------------------------------------------------------------------------------------

export const durations: readonly Duration[] = [0, 1500, "500ms", "30s", "1.5h", "1h30m", "2d", "1w", "PT10S"];
// @ts-expect-error: no such unit
export const parsecs: Duration = "5 parsecs";
// @ts-expect-error: a unit is needed
export const bareText: Duration = "5";
// @ts-expect-error: no such unit
export const months: Duration = "2mo";
// @ts-expect-error: words are none
export const soon: Duration = "soon";

export const fatal: Error = new FatalError("no", { cause: 1 });
export const later: Error = new RetryError("busy", { after: "5m" });
// @ts-expect-error: when?
new RetryError("busy");
// @ts-expect-error: no duration
new RetryError("busy", { after: "tomorrow" });
