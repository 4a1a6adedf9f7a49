/** What tests of schedules start, and how they see what was started. */
import type { Perdure } from "../../src/client/perdure.ts";
import type { ScheduleDescription } from "../../src/client/schedules.ts";
import { signal } from "../../src/workflow/signal.ts";
import { workflow } from "../../src/workflow/workflow.ts";
import { bench } from "./fixture.ts";

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const go = signal("go");
export const quick = workflow("quick", async (_wf, input: unknown) => input);
export const size = workflow("size", async (_wf, { text }: { text: string }) => text.length);
export const slow = workflow("slow", async (wf) => wf.waitFor(go));

/** Names of the runs a schedule started, oldest first, and how they stand. */
export async function started(engine: Perdure, name: string): Promise<string[]> {
  const runs = await engine.runs.list({ tags: { schedule: name }, limit: 1000 });
  return runs.map(({ workflowId }) => workflowId.replace(`${name}@`, "")).reverse();
}

export function told({ recent }: ScheduleDescription): string[] {
  return recent.map(({ tick, outcome, reason, count }) =>
    [new Date(tick).toISOString().slice(11, 19), outcome, reason, count > 1 ? `x${count}` : undefined]
      .filter((part) => part !== undefined)
      .join(" "),
  );
}

/** A bench whose clock stands at a time. */
export async function benchAt(iso: string): Promise<ReturnType<typeof bench>> {
  const made = bench();
  await made.clock.advance(Date.parse(iso) - made.clock.now());
  return made;
}

/** Moves time in steps, so that everything has its turn. */
export async function pass({ clock }: ReturnType<typeof bench>, ms: number, step = 20_000): Promise<void> {
  for (let left = ms; left > 0; left -= step) await clock.advance(Math.min(step, left));
}

/** An engine that looks for work and says that it lives once in a while only, so that hours are quick. */
export const CALM = { poll: "1h", leaseTtl: "5h" } as const;
export const START = "2027-03-01T00:00:30Z";
