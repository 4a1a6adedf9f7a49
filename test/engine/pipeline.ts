/** A run of three steps, for tests of what goes back to one of them. */
import { activity } from "../../src/workflow/activity.ts";
import { workflow } from "../../src/workflow/workflow.ts";

/** Three steps whose calls are counted; the second one fails as long as `broken`. */
export function pipeline() {
  const calls: string[] = [];
  const keys: string[] = [];
  const state = { broken: false };
  const step = activity("step", { retry: { maxAttempts: 1 } }, async (what: string, ctx) => {
    calls.push(what);
    keys.push(ctx.idempotencyKey.split(":").slice(1).join(":"));
    if (state.broken && what.startsWith("b")) throw new Error("broken");
    return what.toUpperCase();
  });
  const flow = workflow("pipeline", async (wf, input: string) => {
    const id = wf.uuid();
    const a = await wf.call(step, `a-${input}`, { label: "first" });
    const b = await wf.call(step, `b-${id.length}`, { label: "second" });
    const c = await wf.call(step, `c-${input}`, { label: "third" });
    return [a, b, c, input].join(" ");
  });
  return { calls, keys, state, flow };
}
