/** A wall clock that is set back in the moment when something is due (rule 4). */
import { expect, test } from "vitest";
import { open } from "../../src/client/open.ts";
import type { Clock } from "../../src/engine/clock.ts";
import { silentLogger } from "../../src/engine/log.ts";
import { createMemoryStore } from "../../src/store/memory/memory-store.ts";
import { VirtualClock } from "../../src/testing/virtual-clock.ts";
import { signal } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";

const BACK_MS = 700;

/** Goes back once a timer of a second has rung. */
function clockSetBack(): { clock: VirtualClock; wall: Clock } {
  const clock = new VirtualClock();
  let behind = 0;
  const wall: Clock = {
    now: () => clock.now() - behind,
    monotonic: () => clock.monotonic(),
    after: (ms, callback) =>
      clock.after(ms, () => {
        callback();
        if (ms === 1000) behind = BACK_MS;
      }),
  };
  return { clock, wall };
}

const slept = workflow("slept", async (wf) => {
  const began = wf.now();
  await wf.sleep(1000);
  return wf.now() - began;
});

const waited = workflow("waited", async (wf) => {
  const began = wf.now();
  await wf.waitFor(signal("never"), { timeout: 1000 });
  return wf.now() - began;
});

test.each([slept, waited])("what is due is never over before it was due: $name", async (one) => {
  const { clock, wall } = clockSetBack();
  const engine = await open({
    store: createMemoryStore(),
    clock: wall,
    logger: silentLogger,
    workflows: [slept, waited],
    poll: "1h",
    leaseTtl: "1d",
  });
  const handle = await engine.start(one);
  const result = handle.result();
  await clock.advance(60_000);
  expect(await result).toBe(1000);
  await engine.close();
});
