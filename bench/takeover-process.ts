/**
 * A process of W6. The victim takes its runs half-way, where each hangs in a step, says so and is killed there. The successor
 * finds them in the store and takes them to their end.
 */
import { activity, type Observer, open, workflow } from "perdure";
import { rssMb } from "./memory.ts";
import type { Durability } from "./store-place.ts";

/** What a process tells whoever started it. */
export interface Milestone {
  readonly reached: "in-flight" | "done";
  readonly rssMb: number;
}

export interface TakeoverTask {
  readonly role: "victim" | "successor";
  readonly address: string;
  readonly durability: Durability;
  readonly runs: number;
  readonly steps: number;
}

const task = JSON.parse(process.argv[2]!) as TakeoverTask;
const HALF = task.steps / 2;
let hanging = 0;
let closed = 0;

const work = activity("work", async (i: number) => {
  if (task.role === "victim" && i === HALF) await hangForEver();
  return { ok: true, i };
});

const journey = workflow("journey", async (wf) => {
  for (let i = 0; i < task.steps; i++) await wf.call(work, i);
});

const counter: Observer = {
  onEvent: ({ type }) => {
    if (type === "run.closed" && ++closed === task.runs) done();
  },
};

const engine = await open({
  store: task.address,
  durability: task.durability,
  workflows: [journey],
  observers: task.role === "successor" ? [counter] : [],
});
if (task.role === "victim") await Promise.all(Array.from({ length: task.runs }, () => engine.start(journey)));

function hangForEver(): Promise<never> {
  if (++hanging === task.runs) tell("in-flight", () => {});
  return new Promise(() => {});
}

function done(): void {
  tell("done", () => {
    void engine.close().then(() => process.disconnect());
  });
}

function tell(reached: Milestone["reached"], told: () => void): void {
  const milestone: Milestone = { reached, rssMb: rssMb() };
  process.send!(milestone, told);
}
