/** Options of calls in workflow code that nobody knows: throwing would break runs that are open, so the log tells. */
import { expect, it } from "vitest";
import { activity, type Logger, signal, update, type WorkflowContext, workflow } from "../../src/index.ts";
import { bench } from "./fixture.ts";

const any = (value: unknown): never => value as never;
const go = signal("go");
const change = update<void, void>("change");
const twice = activity("twice", async (n: number) => n * 2);
const kid = workflow("options-kid", async () => 1);

interface Warned {
  readonly fields: { readonly workflow: string; readonly workflowId: string; readonly call: string };
  readonly message: string;
}

function listening(): { readonly warned: Warned[]; readonly logger: Logger } {
  const warned: Warned[] = [];
  const quiet = (): void => {};
  const warn = (fields: object, message = ""): void =>
    void warned.push({ fields: fields as Warned["fields"], message });
  return { warned, logger: { debug: quiet, info: quiet, warn, error: quiet } };
}

it.each<[string, (wf: WorkflowContext) => unknown, string]>([
  [
    "wait",
    (wf) => wf.waitFor(go, any({ timout: "5s", timeout: 0 })),
    'wf.waitFor has no option "timout"; did you mean timeout?',
  ],
  ["call", (wf) => wf.call(twice, 1, any({ retries: 3 })), 'wf.call has no option "retries"'],
  [
    "named call",
    (wf) => wf.call("twice", 1, any({ heartbeatTimeout: "1m" })),
    'wf.call has no option "heartbeatTimeout"',
  ],
  ["step", (wf) => wf.step("s", () => 1, any({ retrys: {} })), 'wf.step has no option "retrys"; did you mean retry?'],
  ["sleep", (wf) => wf.sleep(1, any({ lable: "nap" })), 'wf.sleep has no option "lable"; did you mean label?'],
  ["sleep until", (wf) => wf.sleepUntil(0, any({ name: "nap" })), 'wf.sleepUntil has no option "name"; there is label'],
  [
    "cron",
    (wf) => wf.sleepUntilCron("* * * * *", any({ timeZone: "Europe/Berlin" })),
    'wf.sleepUntilCron has no option "timeZone"; did you mean timezone?',
  ],
  [
    "condition",
    (wf) => wf.until(() => true, any({ timeoutMs: 5 })),
    'wf.until has no option "timeoutMs"; did you mean timeout?',
  ],
  [
    "handler",
    (wf) => wf.on(change, () => {}, any({ validator() {} })),
    'wf.on has no option "validator"; did you mean validate?',
  ],
  ["callback", (wf) => wf.callback(any({ ttl: "1d" })), 'wf.callback has no option "ttl"; there are timeout, label'],
  [
    "approval",
    (wf) => wf.approval("a", any({ approver: ["mo"], timeout: 0 })),
    'wf.approval has no option "approver"; did you mean approvers?',
  ],
  ["child", (wf) => wf.child(kid, undefined, any({ workflowId: "k" })), 'wf.child has no option "workflowId"'],
  [
    "spawn",
    (wf) => wf.spawn(kid, undefined, any({ onParentclose: "abandon" })),
    'wf.spawn has no option "onParentclose"; did you mean onParentClose?',
  ],
  [
    "map",
    (wf) => wf.map([1], twice, any({ concurency: 1 })),
    'wf.map has no option "concurency"; did you mean concurrency?',
  ],
  [
    "scope",
    (wf) => wf.scope(async () => 1, any({ timeOut: "1s" })),
    'wf.scope has no option "timeOut"; did you mean timeout?',
  ],
  [
    "progress",
    (wf) => wf.progress(1, any({ histroy: false })),
    'wf.progress has no option "histroy"; did you mean history?',
  ],
  [
    "saga",
    (wf) => wf.saga((saga) => saga.call(twice, 1, any({ undo: async () => {}, retrys: 1 }))),
    'wf.call has no option "retrys"; did you mean retry?',
  ],
  ["text", (wf) => wf.waitFor(go, any("5s")), "the options of wf.waitFor are an object with timeout, label"],
  ["list", (wf) => wf.scope(async () => 1, any(["1s"])), "the options of wf.scope are an object with timeout, label"],
])("is told once: %s", async (name, act, message) => {
  const { warned, logger } = listening();
  const w = workflow(`slip-${name}`, async (wf) => {
    await act(wf);
    await act(wf);
  });
  const b = bench();
  const e = await b.engine({ workflows: [w, kid], activities: [twice], logger });
  const first = await e.start(w, undefined, { id: "first" });
  if (name === "text") for (const _ of "12") await first.signal(go);
  await b.finish(first);
  expect(warned.map((one) => one.message)).toEqual([expect.stringContaining(message)]);
  expect(warned[0]!.message).toContain("ignored");
  expect(warned[0]!.fields).toMatchObject({ workflow: w.name, workflowId: "first" });
});

it("is told again for another workflow, and never while history is replayed", async () => {
  const slip = (wf: WorkflowContext) => wf.waitFor(go, any({ timout: "5s" }));
  const [one, other] = [workflow("slip-one", slip), workflow("slip-other", slip)];
  const b = bench();
  const before = listening();
  const e = await b.engine({ workflows: [one, other], logger: before.logger });
  await e.start(one);
  await e.start(other, undefined, { id: "o" });
  await e.start(other);
  await e.close();
  expect(before.warned.map(({ fields }) => fields.workflow)).toEqual(["slip-one", "slip-other"]);
});

it("is not used up by a replay: what goes on afterwards is told", async () => {
  let slips = false;
  const w = workflow("slip-later", async (wf) => {
    const options = any(slips ? { label: "l", wrong: 1 } : { label: "l" });
    await wf.waitFor(go, options);
    await wf.waitFor(go, options);
  });
  const b = bench();
  const early = await b.engine({ workflows: [w] });
  await early.start(w, undefined, { id: "r" });
  await early.close();
  slips = true;
  const { warned, logger } = listening();
  const late = await b.engine({ workflows: [w], logger });
  const run = await late.handle("r");
  for await (const { result } of late.replayRuns()) expect(result).toBe("same");
  await run.signal(go);
  await run.signal(go);
  await b.finish(run);
  expect(warned.map((one) => one.message)).toEqual([expect.stringContaining('wf.waitFor has no option "wrong"')]);
});

it("is nothing that options which are known, or none at all, bring about", async () => {
  const { warned, logger } = listening();
  const w = workflow("no-slip", async (wf) => {
    await wf.call(twice, 1, { retry: { maxAttempts: 1 }, timeout: "1s", totalTimeout: "2s", label: "l", extra: 1 });
    await wf.map([1], twice, { concurrency: 1, onError: "collect" });
    await wf.map([undefined], kid);
    await wf.child(kid, undefined, { id: "k", label: "l", timeout: "1m", onParentClose: "abandon", tags: {} });
    await wf.scope(() => wf.sleep(1), { timeout: "1m", label: "l" });
    await wf.saga((saga) => saga.child(kid, undefined, { undo: async () => {} }));
    await wf.approval("a", { approvers: ["mo"], timeout: 0, label: "l" });
    await (await wf.callback({ timeout: 0, label: "l" })).wait();
    wf.progress(1, { history: false });
  });
  const b = bench();
  const e = await b.engine({ workflows: [w, kid], logger });
  await b.finish(await e.start(w));
  expect(warned).toEqual([]);
});
