/**
 * One run starts many children, each of which takes many steps; their results come together again.
 *
 *     node --import jiti/register examples/fan-out/main.ts                          # 20 children of 20 steps
 *     node --import jiti/register examples/fan-out/main.ts sqlite:big.db 1000 1000  # a million durable steps
 *
 * Stop it at any time and start it again: only what is missing is done.
 */
import { activity, open, workflow } from "perdure";

const [store = "sqlite:.perdure/store.db", children = "20", steps = "20"] = process.argv.slice(2);

const square = activity("square", async (n: number) => n * n);
const report = activity("report", async ({ child, sum }: { child: number; sum: number }) => {
  if ((child + 1) % Math.ceil(Number(children) / 10) === 0) console.log(`child ${child + 1} has ${sum}`);
});

interface Part {
  readonly child: number;
  readonly steps: number;
}
const sumUp = workflow("sum-up", async (wf, part: Part) => {
  let sum = 0;
  for (let step = 0; step < part.steps; step++) sum += await wf.call(square, step);
  await wf.call(report, { child: part.child, sum });
  return sum;
});

interface Sizes {
  readonly children: number;
  readonly steps: number;
}
const fanOut = workflow("fan-out", async (wf, sizes: Sizes) => {
  const parts = Array.from({ length: sizes.children }, (_, child) => ({ child, steps: sizes.steps }));
  const sums = await wf.map(parts, sumUp, { concurrency: 100 });
  return sums.reduce((total, sum) => total + sum, 0);
});

await using engine = await open({ store, workflows: [fanOut, sumUp] });
const sizes = { children: Number(children), steps: Number(steps) };
const begin = performance.now();
const handle = await engine.start(fanOut, sizes, { id: `fan-out-${children}x${steps}`, conflict: "attach" });
const total = await handle.result();
console.log(`waited ${((performance.now() - begin) / 1000).toFixed(1)} s`);
console.log(`result: ${children} children of ${steps} steps found ${total}`);
