/** What must compile, and what must not, where values go through schemas. Only the compiler reads this. */
import type { Connection } from "../../src/client/connection.ts";
import type { Perdure } from "../../src/client/perdure.ts";
import type { RunHandle } from "../../src/client/run-handle.ts";
import type { InferInput, InferOutput, StandardSchemaV1 } from "../../src/core/schema.ts";
import { type Activity, activity } from "../../src/workflow/activity.ts";
import type { WorkflowContext } from "../../src/workflow/context.ts";
import { type Query, query, type Signal, signal, type Update, update } from "../../src/workflow/signal.ts";
import { type Workflow, workflow } from "../../src/workflow/workflow.ts";
import type { Equal, Holds } from "./equal.ts";

/** A text that becomes a number. */
declare const size: StandardSchemaV1<string, number>;
/** An amount that may be left out. */
declare const order: StandardSchemaV1<{ id: string; amount?: number }, { id: string; amount: number }>;

type OrderIn = { id: string; amount?: number };

const both = activity("both", { input: order, output: size, timeout: "1s" }, async (given, ctx) => {
  const amount: number = given.amount;
  return `${amount} ${ctx.attempt}`;
});
const input = activity("input", { input: size }, async (given) => given > 1);
const output = activity("output", { output: size }, async (given: Date) => String(given));

const flow = workflow("flow", { input: order, output: size, version: "2" }, async (_wf, given) => String(given.amount));
const inputFlow = workflow("input-flow", { input: size }, async (_wf, given) => [given]);
const outputFlow = workflow("output-flow", { output: size }, async (_wf, given: Date) => String(given));
const noInput = workflow("no-input", { output: size }, async () => "1");

const approved = signal("approved", order);
const total = query("total", { input: size, output: order });
const asked = query("asked", { output: size });
const add = update("add", { input: size, output: order });
const put = update("put", { input: size });

export type Schemas = [
  Holds<Equal<InferInput<typeof order>, OrderIn>>,
  Holds<Equal<InferOutput<typeof size>, number>>,
  Holds<Equal<typeof both, Activity<OrderIn, number>>>,
  Holds<Equal<typeof input, Activity<string, boolean>>>,
  Holds<Equal<typeof output, Activity<Date, number>>>,
  Holds<Equal<typeof flow, Workflow<OrderIn, number>>>,
  Holds<Equal<typeof inputFlow, Workflow<string, number[]>>>,
  Holds<Equal<typeof outputFlow, Workflow<Date, number>>>,
  Holds<Equal<typeof noInput, Workflow<undefined, number>>>,
  Holds<Equal<typeof approved, Signal<OrderIn, { id: string; amount: number }>>>,
  Holds<Equal<typeof total, Query<{ id: string; amount: number }, string, OrderIn, number>>>,
  Holds<Equal<typeof asked, Query<number, undefined, string>>>,
  Holds<Equal<typeof add, Update<string, { id: string; amount: number }, number, OrderIn>>>,
  Holds<Equal<typeof put, Update<string, unknown, number>>>,
];

// @ts-expect-error: the function gets a number
activity("wrong", { input: size }, async (given: string) => given);
// @ts-expect-error: the function returns what goes into the schema
activity("wrong", { output: size }, async (_: string) => 1);
// @ts-expect-error: the code gets a number
workflow("wrong", { input: size }, async (_wf, given: string) => given);
// @ts-expect-error: the code returns what goes into the schema
workflow("wrong", { input: order, output: size }, async (_wf, given) => given.amount);
// @ts-expect-error: no schema
signal("wrong", { ok: true });
// @ts-expect-error: no schema
workflow("wrong", { input: { type: "string" } }, async () => 1);

export async function code(wf: WorkflowContext): Promise<void> {
  const called: number = await wf.call(both, { id: "1" });
  const child: number = await wf.child(flow, { id: "1" });
  const mapped: boolean[] = await wf.map(["1", "2"], input);
  const got: { id: string; amount: number } = await wf.waitFor(approved);
  const late: { id: string; amount: number } | undefined = await wf.waitFor(approved, { timeout: "1s" });
  for await (const one of wf.signals(approved)) void (one.amount + called + child + mapped.length + got.amount);
  wf.on(approved, (given) => void (given.amount + (late?.amount ?? 0)));
  wf.on(total, (given) => ({ id: given.toFixed(1) }));
  wf.on(add, async (given) => ({ id: given.toFixed(1) }), { validate: (given) => void given.toFixed(1) });
  await wf.handle("other").signal(approved, { id: "1" });
  // @ts-expect-error: an order goes into the schema
  await wf.call(both, "1");
  // @ts-expect-error: a text goes into the schema
  await wf.call(input, 1);
  // @ts-expect-error: an order goes into the schema
  await wf.child(flow, { id: 1 });
  // @ts-expect-error: a number comes out of the schema
  wf.on(total, (given: string) => ({ id: given }));
  // @ts-expect-error: the answer goes into the schema
  wf.on(add, async (given) => given);
  // @ts-expect-error: an order goes into the schema
  await wf.handle("other").signal(approved, { amount: 1 });
}

export async function callers(engine: Perdure, connection: Connection, handle: RunHandle): Promise<void> {
  const started: RunHandle<number> = await engine.start(flow, { id: "1" });
  await handle.signal(approved, { id: "1" });
  const sum: { id: string; amount: number } = await handle.query(total, "1");
  const added: { id: string; amount: number } = await handle.update(add, "1");
  await engine.signalWithStart(flow, { id: "1" }, { id: "1", signal: approved, payload: { id: "1" } });
  const answer: { amount: number } = await engine.updateWithStart(
    flow,
    { id: "1" },
    { id: "1", update: add, payload: "1" },
  );
  void [started, sum, added, answer, both({ id: "1" }).then((n: number) => n)];
  // @ts-expect-error: an order goes into the schema
  await engine.start(flow, { amount: 1 });
  // @ts-expect-error: an order goes into the schema
  await handle.signal(approved, { id: 1 });
  // @ts-expect-error: a text goes into the schema
  await handle.query(total, 1);
  // @ts-expect-error: a text goes into the schema
  await handle.update(add, 1);
  // @ts-expect-error: a text goes into the schema
  await engine.updateWithStart(flow, { id: "1" }, { id: "1", update: add, payload: 1 });
  // @ts-expect-error: an order goes into the schema
  await connection.start(flow, { id: 1 }, { transaction: {} as never });
}
