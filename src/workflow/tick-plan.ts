/**
 * The next ticks of a schedule as its history has them. What a cron expression means in a time zone changes with the zone's rules, and so
 * with the Node that works it out: it is worked out in a step, so that a history replays on another one. Spans and single times need none.
 */
import type { WorkflowContext } from "./context.ts";
import { nextTick, type ScheduleSpec, ticksAfter } from "./schedule-spec.ts";

/** Ticks worked out at a time. */
const PLANNED = 20;

export class TickPlan {
  readonly #wf: WorkflowContext;
  #spec: ScheduleSpec | undefined;
  #from = 0;
  #ticks: readonly number[] = [];

  constructor(wf: WorkflowContext) {
    this.#wf = wf;
  }

  /** Whether the next two ticks after this time are known, or that there are none. */
  knows(spec: ScheduleSpec, after: number): boolean {
    if (spec.cron === undefined) return true;
    if (spec !== this.#spec || after < this.#from) return false;
    return this.#ticks.length < PLANNED || this.#ticks.at(-2)! > after;
  }

  /** Works out the ticks after this time, unless they are known. */
  async prepare(spec: ScheduleSpec, after: number): Promise<void> {
    if (this.knows(spec, after)) return;
    const ticks = await this.#wf.step("next ticks", () => ticksAfter(spec, after, PLANNED));
    this.#spec = spec;
    this.#from = after;
    this.#ticks = ticks;
  }

  /** The first tick after this time. Only what {@link knows} says is known can be asked for. */
  next(spec: ScheduleSpec, after: number): number | undefined {
    return spec.cron === undefined ? nextTick(spec, after) : this.#ticks.find((tick) => tick > after);
  }
}
