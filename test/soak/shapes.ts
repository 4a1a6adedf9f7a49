/** The runs of the soak: of one to ten steps, with a signal, with a child. Their activities do nothing: what is left is the store. */
import { activity, type Perdure, signal, workflow } from "perdure";

const work = activity("work", async (n: number) => ({ ok: true, n }));
const go = signal<number>("go");

const steps = workflow("steps", async (wf, count: number) => {
  let sum = 0;
  for (let n = 0; n < count; n++) sum += (await wf.call(work, n)).n;
  return sum;
});

const signalled = workflow("signalled", async (wf, n: number) => {
  const got = (await wf.waitFor(go)) ?? 0;
  return (await wf.call(work, n + got)).n;
});

const child = workflow("child", async (wf, n: number) => (await wf.call(work, n)).n);

const parent = workflow("parent", async (wf, n: number) => {
  wf.tag({ half: n % 2 === 0 ? "even" : "odd" });
  return wf.child(child, n);
});

/** All of them. */
export const WORKFLOWS = [steps, signalled, child, parent];

/** One of the shapes, and how many runs it makes. */
interface Shape {
  readonly share: number;
  readonly runs: number;
  run(engine: Perdure, n: number): Promise<unknown>;
}

const ofSteps = (share: number, count: number): Shape => ({
  share,
  runs: 1,
  run: async (engine, n) => (await engine.start(steps, count, { id: `steps-${n}`, conflict: "attach" })).result(),
});

const SHAPES: readonly Shape[] = [
  ofSteps(0.4, 1),
  ofSteps(0.25, 3),
  ofSteps(0.1, 10),
  {
    share: 0.15,
    runs: 1,
    run: async (engine, n) => {
      const handle = await engine.start(signalled, n, { id: `signalled-${n}`, conflict: "attach" });
      await handle.signal(go, 1, { key: `go-${n}` });
      return handle.result();
    },
  },
  {
    share: 0.1,
    runs: 2,
    run: async (engine, n) =>
      (await engine.start(parent, n, { id: `parent-${n}`, conflict: "attach", tags: { n: n % 10 } })).result(),
  },
];

/** Which shape comes n-th: the same order every time. */
export function shapeOf(n: number): Shape {
  let at = (n * 0.618_033_988_749_895) % 1;
  for (const shape of SHAPES) {
    if (at < shape.share) return shape;
    at -= shape.share;
  }
  return SHAPES[0]!;
}
