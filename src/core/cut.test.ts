import { describe, expect, test } from "vitest";
import { endOf, firstUndone, placesText, pointIn } from "./cut.ts";
import { planReplay, type ReplayRow } from "./resume.ts";

const row = (type: string, at: number, data: object = {}): { type: string; at: number; data: string } => ({
  type,
  at,
  data: JSON.stringify(data),
});

const step = (c: number, n: string, more: object = {}): object => ({ c, k: "activity", n, i: "d", ...more });

/** Two charges, a wait that got its signal, and a failure. */
const history = [
  row("RunStarted", 1, { n: "order" }),
  row("StepCompleted", 2, step(1, "charge", { l: "first charge" })),
  row("SignalReceived", 3, { n: "approved", m: 1 }),
  row("StepCompleted", 4, step(3, "charge", { o: [{ k: "wait.completed", command: 2, name: "approved", at: 3 }] })),
  row("StepFailed", 5, step(4, "ship")),
  row("RunFailed", 6),
];
const rows: readonly ReplayRow[] = planReplay(history).rows;

describe("a point in a history", () => {
  test.each([
    ["charge", 4],
    ["first charge", 2],
    ["approved", 3],
    [1, 2],
    [2, 3],
    [4, 5],
    [{ event: 5 }, 5],
    [{ event: 6 }, 6],
  ] as const)("%j lies before event %i", (point, seq) => {
    expect(pointIn(rows, [], point)).toBe(seq);
  });

  test.each(["nothing", 7, { event: 1 }, { event: 7 }])("%j is none", (point) => {
    expect(pointIn(rows, [], point)).toBeUndefined();
  });

  test("of a command in flight is the end, open or not", () => {
    const open = [{ id: 5, name: "pack", label: "wrap" }];
    expect(pointIn(rows, open, "wrap")).toBe(6);
    expect(pointIn(rows.slice(0, 5), open, 5)).toBe(6);
    expect(endOf(rows.slice(0, 2))).toBe(3);
    expect(placesText(rows.slice(0, 2), open)).toBe("first charge (command 1, event 2), wrap (command 5, in flight)");
  });

  test("that was set aside is none any more", () => {
    const resumed = planReplay([...history, row("Resumed", 7, { s: [5, 6], f: 4 })]).rows;
    expect(pointIn(resumed, [], "ship")).toBeUndefined();
    expect(pointIn(resumed, [], { event: 8 })).toBe(8);
  });
});

describe("the first step that was undone", () => {
  const note = (...steps: string[]) => ({ kind: "saga.compensating", data: { steps } });
  const numbered = (step: string, command: number) => ({
    kind: "saga.compensating",
    data: { steps: [step], commands: [command] },
  });

  test("is the earliest of those that are undone, known from events or from notes no event has yet", () => {
    expect(firstUndone(rows, [])).toBeUndefined();
    expect(firstUndone(rows, [note("ship", "first charge")])).toEqual({ step: "first charge", seq: 2 });
    const undone = [
      ...history.slice(0, 5),
      row("StepCompleted", 6, step(5, "refund", { o: [{ k: "saga.compensating", steps: ["ship"] }] })),
    ];
    expect(firstUndone(planReplay(undone).rows, [])).toEqual({ step: "ship", seq: 5 });
  });

  test("is found by its command where several have its name", () => {
    expect(firstUndone(rows, [note("charge")])).toEqual({ step: "charge", seq: 2 });
    expect(firstUndone(rows, [numbered("charge", 3)])).toEqual({ step: "charge", seq: 4 });
  });

  test("without an outcome lies before what was asked for after it", () => {
    expect(firstUndone(rows.slice(0, 5), [numbered("refund later", 4)])).toEqual({ step: "refund later", seq: 5 });
    expect(firstUndone(rows.slice(0, 4), [numbered("vanished", 4)])).toEqual({ step: "vanished", seq: 5 });
  });

  test("of an old history may be anywhere when it left no outcome: then it is the first event", () => {
    expect(firstUndone(rows, [note("ship", "vanished")])).toEqual({ step: "vanished", seq: 2 });
  });
});
