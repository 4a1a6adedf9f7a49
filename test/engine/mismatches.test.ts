/** What people are told when code and history disagree: pinned, because they are read to find the line that changed. */
import { describe, expect, test } from "vitest";
import type { RunHandle } from "../../src/client/run-handle.ts";
import { activity } from "../../src/workflow/activity.ts";
import type { WorkflowContext } from "../../src/workflow/context.ts";
import { signal, update } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench } from "./fixture.ts";

type Body = (wf: WorkflowContext) => Promise<unknown>;

const go = signal("go");
const add = update<number, number>("add");
const charge = activity("charge", async (n: number) => n);
const pay = activity("pay", async (n: number) => n);
const other = workflow("other", async () => "other");
const third = workflow("third", async () => "third");

/** What a run of `before` is told when `after` is deployed. */
async function told(before: Body, after: Body, drive: (handle: RunHandle) => Promise<unknown>): Promise<string> {
  const { engine, clock } = bench();
  const one = await engine({ workflows: [workflow("w", before), other, third] });
  await drive(await one.start("w", undefined, { id: "r" }));
  await clock.advance(10_000);
  await one.close();
  await using two = await engine({ workflows: [workflow("w", after), other, third] });
  const handle = await two.handle("r");
  const known = (await handle.history()).length;
  await handle.signal(go);
  await clock.advance(100_000);
  const { status, blocked } = await handle.describe();
  expect(status).toBe("blocked");
  expect(blocked?.reason).toBe("mismatch");
  expect((await handle.history()).length).toBe(known);
  return blocked!.message;
}

interface Case {
  readonly name: string;
  readonly before: Body;
  readonly after: Body;
  readonly drive?: (handle: RunHandle) => Promise<unknown>;
  readonly history: string;
  readonly code: string;
  /** Whether a line of the code can be named. */
  readonly line?: false;
}

const cases: Case[] = [
  {
    name: "a step that was renamed",
    before: async (wf) => [await wf.call(charge, 1), await wf.waitFor(go)],
    after: async (wf) => [await wf.call(pay, 1), await wf.waitFor(go)],
    history: 'completed activity "charge" (command 1)',
    code: 'asked for activity "pay"',
  },
  {
    name: "two steps in another order",
    before: async (wf) => [await wf.call(charge, 1), await wf.call(pay, 1), await wf.waitFor(go)],
    after: async (wf) => [await wf.call(pay, 1), await wf.call(charge, 1), await wf.waitFor(go)],
    history: 'completed activity "charge" (command 1)',
    code: 'asked for activity "pay"',
  },
  {
    name: "a step with another input",
    before: async (wf) => [await wf.call(charge, 1), await wf.waitFor(go)],
    after: async (wf) => [await wf.call(charge, 2), await wf.waitFor(go)],
    history: 'completed activity "charge" (command 1)',
    code: "asked for it with another input",
  },
  {
    name: "an inline step that became an activity",
    before: async (wf) => [await wf.step("charge", () => 1), await wf.waitFor(go)],
    after: async (wf) => [await wf.call(charge, 1), await wf.waitFor(go)],
    history: 'completed step "charge" (command 1)',
    code: 'asked for activity "charge"',
  },
  {
    name: "a step with another label",
    before: async (wf) => [await wf.call(charge, 1, { label: "first" }), await wf.waitFor(go)],
    after: async (wf) => [await wf.call(charge, 1, { label: "payment" }), await wf.waitFor(go)],
    history: 'command 1 is activity "charge" (first)',
    code: 'asked for activity "charge" (payment)',
  },
  {
    name: "a step that was removed",
    before: async (wf) => [await wf.call(charge, 1), await wf.call(pay, 1), await wf.waitFor(go)],
    after: async (wf) => [await wf.call(charge, 1), await wf.waitFor(go)],
    history: 'completed activity "pay" (command 2)',
    code: 'asked for wait "go"',
  },
  {
    name: "a step that was removed from code that ends now",
    before: async (wf) => [await wf.call(charge, 1), await wf.waitFor(go)],
    after: async () => "done",
    history: 'completed activity "charge" (command 1)',
    code: "asked for nothing and ended",
    line: false,
  },
  {
    name: "a step that was removed from code that throws now",
    before: async (wf) => [await wf.call(charge, 1), await wf.waitFor(go)],
    after: async () => {
      throw new RangeError("no such plan");
    },
    history: 'completed activity "charge" (command 1)',
    code: "asked for nothing and ended with RangeError: no such plan",
    line: false,
  },
  {
    name: "a wait that was removed from code that ends now",
    before: async (wf) => [await wf.call(charge, 1), await wf.waitFor(go)],
    after: async (wf) => wf.call(charge, 1),
    history: 'wait "go" (command 2) was in flight when the run was last advanced',
    code: 'did not ask for it: it asked for 1 command only and ended, the last one activity "charge"',
  },
  {
    name: "a step that was added before",
    before: async (wf) => [await wf.call(charge, 1), await wf.waitFor(go)],
    after: async (wf) => [await wf.call(pay, 1), await wf.call(charge, 1), await wf.waitFor(go)],
    history: 'completed activity "charge" (command 1)',
    code: 'asked for activity "pay"',
  },
  {
    name: "a step that was added where the run waits",
    before: async (wf) => wf.waitFor(go),
    after: async (wf) => Promise.all([wf.waitFor(go), wf.call(pay, 1)]),
    history: "the code had asked for 1 command when the run was last left",
    code: 'asked for activity "pay" as well',
  },
  {
    name: "a step that was added before a signal came",
    before: async (wf) => [await wf.waitFor(go), await wf.waitFor("more")],
    after: async (wf) => [await Promise.all([wf.waitFor(go), wf.call(pay, 1)]), await wf.waitFor("more")],
    drive: (handle) => handle.signal(go),
    history: 'the code had asked for 1 command before it received signal "go"',
    code: 'asked for activity "pay" as well',
  },
  {
    name: "a wait for another signal",
    before: async (wf) => wf.waitFor(go),
    after: async (wf) => wf.waitFor("went"),
    history: 'wait "go" (command 1) was in flight when the run was last advanced',
    code: 'asked for wait "went"',
  },
  {
    name: "a wait with another timeout",
    before: async (wf) => wf.waitFor(go, { timeout: "1d" }),
    after: async (wf) => wf.waitFor(go, { timeout: "2d" }),
    history: "the code had asked for 1 command when the run was last left",
    code: 'asked for as many, but not with the same inputs: the last one is wait "go"',
  },
  {
    name: "a wait with another timeout that passed",
    before: async (wf) => [await wf.waitFor("never", { timeout: "1s" }), await wf.waitFor(go)],
    after: async (wf) => [await wf.waitFor("never", { timeout: "2s" }), await wf.waitFor(go)],
    history: 'wait "never" timed out (command 1)',
    code: "asked for it with another timeout",
  },
  {
    name: "a timer of another length",
    before: async (wf) => [await wf.sleep("1s"), await wf.waitFor(go)],
    after: async (wf) => [await wf.sleep("2s"), await wf.waitFor(go)],
    history: 'fired timer "sleep" (command 1)',
    code: "asked for it with another time",
  },
  {
    name: "a timer that became a step",
    before: async (wf) => [await wf.sleep("1s", { label: "cool down" }), await wf.waitFor(go)],
    after: async (wf) => [await wf.call(charge, 1), await wf.waitFor(go)],
    history: 'fired timer "sleep" (cool down) (command 1)',
    code: 'asked for activity "charge"',
  },
  {
    name: "a child of another workflow",
    before: async (wf) => [await wf.child(other), await wf.waitFor(go)],
    after: async (wf) => [await wf.child(third), await wf.waitFor(go)],
    history: 'completed child "other" (command 1)',
    code: 'asked for child "third"',
  },
  {
    name: "a condition that was given up",
    before: async (wf) => wf.until(() => false, { label: "stock came" }),
    after: async (wf) => wf.waitFor(go),
    history: 'until "stock came" (command 1) was in flight when the run was last advanced',
    code: 'asked for wait "go"',
  },
  {
    name: "a condition that timed out and is none any more",
    before: async (wf) => [await wf.until(() => false, { timeout: "1s", label: "stock came" }), await wf.waitFor(go)],
    after: async (wf) => wf.waitFor(go),
    history: 'until "until" (stock came) timed out (command 1)',
    code: 'asked for wait "go"',
  },
  {
    name: "a handler that is gone",
    before: async (wf) => {
      wf.on(add, (n) => n + 1);
      await wf.waitFor(go);
    },
    after: async (wf) => wf.waitFor(go),
    drive: (handle) => handle.update(add, 1),
    history: 'it accepted update "add"',
    code: "has no handler for it",
  },
];

describe("a run is told about", () => {
  test.each(cases)("$name", async ({ before, after, drive = async () => {}, history, code, line }) => {
    const message = await told(before, after, drive);
    const [, said, asked, place] =
      /^the code no longer agrees with the history: history says (.*), code (.*?)(?: at (\/\S+\.ts:\d+:\d+))?\. Nothing was written\. Deploy the code this run was started with \(or fix it\) and resume the run\.$/.exec(
        message,
      ) ?? [message];
    expect([said, asked]).toEqual([history, code]);
    if (line === false) expect(place).toBeUndefined();
    else expect(place).toContain("mismatches.test.ts:");
  });
});
