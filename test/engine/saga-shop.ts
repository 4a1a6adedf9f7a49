/** What tests of sagas buy and undo. */
import { type Activity, activity, type PerdureError, type Signal, signal, type Workflow } from "../../src/index.ts";
import type { Bench } from "./fixture.ts";

export interface Shop {
  /** What was done, in order. */
  readonly log: string[];
  readonly act: Activity<string, string>;
  readonly undo: Activity<string | undefined, void>;
}

export const go: Signal<string> = signal<string>("go");
export const thrown = (error: unknown): unknown => error;
export const causeOf = (error: unknown): unknown => (error as PerdureError).cause;

/** Activities that say what they did. What begins with `bad` fails for good, what begins with `hang` lasts until it is aborted. */
export function shop(): Shop {
  const log: string[] = [];
  const once = { retry: { maxAttempts: 1 } };
  const act = activity("act", once, (what: string, ctx) => {
    log.push(what);
    if (what.startsWith("bad")) throw new RangeError(`${what} failed`);
    if (!what.startsWith("hang")) return `${what} done`;
    return new Promise<string>((_, reject) => {
      ctx.signal.addEventListener("abort", () => {
        log.push(`${what} aborted`);
        reject(ctx.signal.reason);
      });
    });
  });
  const undo = activity("undo", async (what: string | undefined) => {
    log.push(`undo ${what}`);
  });
  return { log, act, undo };
}

export async function failing(at: Bench, w: Workflow<undefined, unknown>): Promise<unknown> {
  const e = await at.engine({ workflows: [w] });
  return at.finish(await e.start(w)).catch(thrown);
}
