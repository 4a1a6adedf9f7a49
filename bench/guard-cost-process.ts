/** What the guard costs, measured in a process of its own: `argv[2]` is its mode, `argv[3]` the kind of store, `argv[4]` how many runs. */
import { existsSync } from "node:fs";
import { open } from "perdure";
import { drive } from "./load.ts";
import { type StoreKind, StorePlace } from "./store-place.ts";
import { sequence } from "./workflows.ts";

/** What was measured. */
export interface GuardCost {
  /** Durable steps per second of 10-step runs, 200 at a time. */
  readonly stepsPerSecond: number;
  /** Nanoseconds of a call in the host application, by what is called. */
  readonly host: Readonly<Record<string, number>>;
}

const STEPS = 10;
const AT_A_TIME = 200;
const BATCHES = 7;

const [mode, store, runs] = process.argv.slice(2) as ["error" | "off", StoreKind, string];
const place = await StorePlace.make(store);
const engine = await open({ store: place.address, workflows: [sequence], guard: mode });
const run = async (): Promise<void> => {
  await (await engine.start(sequence, STEPS)).result();
};
await drive(Number(runs) / 2, AT_A_TIME, run);
const { seconds } = await drive(Number(runs), AT_A_TIME, run);
const cost: GuardCost = { stepsPerSecond: (Number(runs) * STEPS) / seconds, host: hostCalls() };
await engine.close();
await place[Symbol.asyncDispose]();
process.send!(cost, () => process.disconnect());

/** Each batch makes `n` calls and answers something that depends on all of them, so that none is optimised away. */
function hostCalls(): Record<string, number> {
  const values = [new Date(), 1];
  return {
    "Date.now()": nanoseconds(2_000_000, (n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += Date.now();
      return sum;
    }),
    "new Date(ms)": nanoseconds(2_000_000, (n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += new Date(i).getTime();
      return sum;
    }),
    "x instanceof Date": nanoseconds(2_000_000, (n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) if (values[i & 1] instanceof Date) sum++;
      return sum;
    }),
    "Math.random()": nanoseconds(2_000_000, (n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += Math.random();
      return sum;
    }),
    "performance.now()": nanoseconds(2_000_000, (n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += performance.now();
      return sum;
    }),
    "crypto.randomUUID()": nanoseconds(200_000, (n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) sum += crypto.randomUUID().length;
      return sum;
    }),
    "process.env.HOME": nanoseconds(200_000, (n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) if (process.env.HOME !== "") sum++;
      return sum;
    }),
    "setTimeout, clearTimeout": nanoseconds(200_000, (n) => {
      for (let i = 0; i < n; i++) clearTimeout(setTimeout(ignore, 1e6));
      return n;
    }),
    "fs.existsSync(path)": nanoseconds(20_000, (n) => {
      let sum = 0;
      for (let i = 0; i < n; i++) if (existsSync("/")) sum++;
      return sum;
    }),
  };
}

function ignore(): void {}

/** The best of several batches: what a call costs when nothing comes in between. */
function nanoseconds(calls: number, batch: (calls: number) => number): number {
  let best = Number.POSITIVE_INFINITY;
  for (let i = 0; i < BATCHES; i++) {
    const startedAt = performance.now();
    if (batch(calls) <= 0) throw new Error("a batch did nothing");
    best = Math.min(best, performance.now() - startedAt);
  }
  return (best * 1e6) / calls;
}
