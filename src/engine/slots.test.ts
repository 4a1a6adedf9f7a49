import { expect, test } from "vitest";
import { VirtualClock } from "../testing/virtual-clock.ts";
import { Pauses } from "./pauses.ts";
import type { RunFacts } from "./run-facts.ts";
import { type QueueLimits, Slots } from "./slots.ts";
import type { StepRun } from "./step-run.ts";

function scene(limits: Readonly<Record<string, QueueLimits>>) {
  const clock = new VirtualClock();
  const pauses = new Pauses();
  const slots = new Slots(clock, pauses, new Map(Object.entries(limits)));
  const admitted: string[] = [];
  const step = (name: string, concurrency = Number.POSITIVE_INFINITY): StepRun => {
    const [activity = ""] = name.split("#");
    const made = {
      command: { kind: "activity", name: activity, spec: { config: { concurrency } } },
      ticket: undefined,
      admitted: () => void admitted.push(name),
    };
    return made as unknown as StepRun;
  };
  const ask = (one: StepRun, run = 1): boolean =>
    slots.free(one) || slots.admit(one, { run, workflow: `w${run}` } as RunFacts);
  return { clock, pauses, slots, admitted, step, ask };
}

const ONE: QueueLimits = { concurrency: 1, rate: undefined };

test("what nobody limits has no ticket", () => {
  const { ask, step } = scene({ etl: ONE });
  const free = step("mail/send");
  expect([ask(free), free.ticket]).toEqual([true, undefined]);
});

test("who comes just when a place is free goes behind those who wait for it", async () => {
  const { ask, step, clock, admitted } = scene({ etl: ONE });
  const first = step("etl/a");
  expect([ask(first), ask(step("etl/own", 1))]).toEqual([true, false]);
  first.ticket?.end();
  const late = step("etl/b");
  expect(ask(late)).toBe(false);
  await clock.settle();
  expect(admitted).toEqual(["etl/own"]);
});

test("the lines of a queue are asked in turn", async () => {
  const { ask, step, clock, admitted } = scene({ etl: ONE });
  let holder = step("etl/a");
  ask(holder);
  const waiting = ["etl/a#1", "etl/a#2", "etl/own#1", "etl/own#2"].map((name) =>
    step(name, name.startsWith("etl/own") ? 5 : undefined),
  );
  for (const one of waiting) ask(one);
  for (let i = 0; i < 4; i++) {
    holder.ticket?.end();
    await clock.settle();
    holder = waiting.find((one) => (one.ticket as unknown as { held: boolean } | undefined)?.held)!;
  }
  expect(admitted).toEqual(["etl/own#1", "etl/a#1", "etl/own#2", "etl/a#2"]);
});

test("a place is given back once, and asking again with a ticket changes nothing", async () => {
  const { ask, step, clock, admitted } = scene({ etl: ONE });
  const first = step("etl/a");
  expect([ask(first), ask(first)]).toEqual([true, true]);
  const second = step("etl/a#2");
  expect([ask(second), ask(second)]).toEqual([false, false]);
  const { ticket } = first;
  ticket?.end();
  ticket?.end();
  expect(ask(step("etl/a#3"))).toBe(false);
  await clock.settle();
  expect(admitted).toEqual(["etl/a#2"]);
});

test("who waits while the queue is paused keeps its place among its like", async () => {
  const { ask, step, clock, admitted, pauses, slots } = scene({ etl: ONE });
  const first = step("etl/a");
  const waiting = step("etl/a#2");
  ask(first);
  ask(waiting);
  pauses.update([{ scope: "queue", name: "etl", reason: "", at: 0 }]);
  slots.pausesChanged();
  first.ticket?.end();
  await clock.settle();
  expect(admitted).toEqual([]);
  pauses.update([]);
  slots.pausesChanged();
  await clock.settle();
  expect([admitted, ask(waiting), ask(step("etl/a#3"))]).toEqual([["etl/a#2"], true, false]);
});

test("the newest limit of an activity counts", async () => {
  const { ask, step, clock, admitted } = scene({});
  expect([ask(step("a", 1)), ask(step("a#2", 1)), ask(step("a#3", 2))]).toEqual([true, false, false]);
  await clock.settle();
  expect(admitted).toEqual(["a#2"]);
});
