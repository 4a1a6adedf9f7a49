/**
 * One schedule at work. What is decided about a tick is decided in one go, without waiting in between, so that ticks and what people ask
 * for never see one another half done.
 *
 * Owner: the run of the schedule. Invariants: ticks are settled in their order; `after` never goes back; what runs with another overlap
 * policy than `allow-all` is in `running` until it has ended.
 */

import { CancelledError } from "../core/cancelled.ts";
import { encodePayload } from "../core/payload.ts";
import { Vouched } from "../core/vouched.ts";
import type { ChildHandle, WorkflowContext } from "./context.ts";
import {
  dueTime,
  nextTick,
  type Overlap,
  type ScheduleSpec,
  ticksAfter,
  ticksWithin,
  timingText,
  toldSpec,
} from "./schedule-spec.ts";
import {
  type BackfillRequest,
  freshState,
  remember,
  type ScheduleCause,
  type ScheduleEntry,
  type ScheduleInput,
  type ScheduleReport,
  type ScheduleState,
  type TriggerRequest,
  type WaitingStart,
} from "./schedule-state.ts";
import { TickPlan } from "./tick-plan.ts";

/** A run the schedule waits for. */
interface Running {
  /** Absent while it is being started. */
  child?: ChildHandle<unknown>;
  /** It is to make room. */
  stop?: "cancel" | "terminate";
}

const MOST_WAITING = 1000;
/** Ticks settled before the schedule looks around. */
const AT_ONCE = 100;

export class ScheduleRun {
  readonly #wf: WorkflowContext;
  readonly #name: string;
  #state: ScheduleState;
  readonly #running = new Map<string, Running>();
  #waiting: WaitingStart[] = [];
  readonly #plan: TickPlan;
  #told = "";
  /** Something happened beside the passing of time. */
  news = false;

  constructor(wf: WorkflowContext, { name, spec, state }: ScheduleInput) {
    this.#wf = wf;
    this.#name = name;
    this.#plan = new TickPlan(wf);
    this.#state = state ?? freshState(spec, wf.info.startedAt);
  }

  get spec(): ScheduleSpec {
    return this.#state.spec;
  }

  /** Ticks up to here are settled. */
  get after(): number {
    return this.#state.after;
  }

  /** Whether something runs, waits or has happened that a new run would not know of. */
  get busy(): boolean {
    return this.#running.size > 0 || this.#waiting.length > 0 || this.news;
  }

  /** Whether a tick would be skipped now because of what runs. */
  get skipping(): boolean {
    if (this.#running.size === 0) return false;
    const { overlap } = this.spec;
    return overlap === "skip" || (overlap === "buffer-one" && this.#waiting.length > 0);
  }

  /** What the run that continues this one begins with. */
  carried(): ScheduleInput {
    return { name: this.#name, spec: this.spec, state: this.#state };
  }

  report(): ScheduleReport {
    const { spec, paused, after } = this.#state;
    const next = this.#ticking ? nextTick(spec, after) : undefined;
    const then = next === undefined ? "no tick any more" : `next ${new Date(next).toISOString()}`;
    const message = `${timingText(spec)}, ${paused === undefined ? then : "paused"}`;
    return {
      ...this.#state,
      spec: toldSpec(spec),
      running: [...this.#running.keys()],
      waiting: [...this.#waiting],
      next,
      message,
    };
  }

  /** Says how the schedule stands, when that is something new. The history has what led there, and needs no such report with every tick. */
  tell(): void {
    const report = this.report();
    const text = encodePayload(report);
    if (text === this.#told) return;
    this.#told = text;
    this.#wf.progress(report, { history: false });
  }

  #set(change: Partial<ScheduleState>): void {
    this.#state = { ...this.#state, ...change };
  }

  /** Whether ticks start anything, as long as there are any. */
  get #ticking(): boolean {
    const { spec, paused, used } = this.#state;
    return paused === undefined && (spec.limit === undefined || used < spec.limit);
  }

  /** The next tick and when it is to be started. */
  #next(): { readonly tick: number; readonly due: number } | undefined {
    const { spec, after } = this.#state;
    const tick = this.#ticking ? this.#plan.next(spec, after) : undefined;
    if (tick === undefined) return undefined;
    return { tick, due: dueTime(this.#name, spec, tick, this.#plan.next(spec, tick)) };
  }

  /** Time until something is due; undefined when only news can change anything. */
  dueIn(): number | undefined {
    if (this.#ticking && !this.#plan.knows(this.spec, this.after)) return 0;
    const next = this.#next();
    return next === undefined ? undefined : Math.max(0, next.due - this.#wf.now());
  }

  // ---- ticks -----------------------------------------------------------------------------------------------------------

  /** Starts what waited for what has ended, then settles the ticks that are due, some at a time. */
  async settle(): Promise<void> {
    await this.#drain();
    for (let settled = 0; settled < AT_ONCE && this.#ticking; settled++) {
      const { catchUpMs, jitterMs } = this.spec;
      const window = catchUpMs + jitterMs;
      this.#skipUntil(this.#wf.now() - window - 1, MISSED);
      await this.#plan.prepare(this.spec, this.after);
      const next = this.#plan.knows(this.spec, this.after) ? this.#next() : undefined;
      const late = next === undefined ? -1 : this.#wf.now() - next.due;
      if (next === undefined || late < 0) return;
      // Time has passed with working out the ticks: those that are too old by now are skipped together.
      if (late > window) continue;
      const { tick } = next;
      this.#set({ after: tick });
      if (late > this.spec.catchUpMs) this.#skip({ tick, cause: "tick" }, MISSED);
      else await this.#begin({ tick, cause: "tick" }, this.spec.overlap);
    }
  }

  /** Skips the ticks up to now, which nobody looked at. */
  skipPassed(reason: string): void {
    if (this.#ticking) this.#skipUntil(this.#wf.now(), reason);
  }

  #skipUntil(until: number, reason: string): void {
    const { spec, after } = this.#state;
    if (until <= after) return;
    const ticks = ticksWithin(spec, after, until);
    this.#set({ after: until });
    if (ticks === undefined) return;
    const { first, last, count } = ticks;
    this.#skip({ tick: first, cause: "tick" }, reason, count > 1 ? { last, count } : undefined);
  }

  async #drain(): Promise<void> {
    while (this.#running.size === 0) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      await this.#start(next, true);
    }
  }

  /** Decides what becomes of a start. */
  #begin(what: WaitingStart, overlap: Overlap): Promise<ScheduleEntry> | ScheduleEntry {
    if (what.cause === "tick") this.#set({ used: this.#state.used + 1 });
    if (overlap === "allow-all") return this.#start(what, false);
    if (this.#running.size === 0 && this.#waiting.length === 0) return this.#start(what, true);
    if (overlap === "skip") return this.#pass(what, "still running");
    if (overlap === "buffer-one" && this.#waiting.length > 0) return this.#pass(what, "another one waits already");
    if (overlap === "buffer-all" && this.#waiting.length >= MOST_WAITING)
      return this.#pass(what, `${MOST_WAITING} wait already`);
    if (overlap === "cancel-other" || overlap === "terminate-other") {
      for (const one of this.#waiting) this.#skip(one, "a newer one took its place");
      this.#waiting = [];
      this.#stop(overlap === "cancel-other" ? "cancel" : "terminate");
    }
    this.#waiting.push(what);
    return this.#note({ ...what, outcome: "waiting", reason: "still running" });
  }

  /** Skips a start, which then does not count. */
  #pass(what: WaitingStart, reason: string): ScheduleEntry {
    if (what.cause === "tick") this.#set({ used: this.#state.used - 1 });
    return this.#skip(what, reason);
  }

  async #start(what: WaitingStart, tracked: boolean): Promise<ScheduleEntry> {
    const { workflow, input, tags, timeoutMs: timeout } = this.spec;
    const id = this.#idOf(what);
    const running: Running = {};
    if (tracked) this.#running.set(id, running);
    try {
      const child = await this.#wf.spawn(workflow, new Vouched(input), {
        id,
        onParentClose: "abandon",
        tags: { ...tags, schedule: this.#name },
        ...(timeout !== undefined && { timeout }),
      });
      if (tracked) this.#follow(id, running, child);
      this.#set({ started: this.#state.started + 1 });
      return this.#note({ ...what, outcome: "started", workflowId: id });
    } catch (error) {
      if (error instanceof CancelledError) throw error;
      this.#running.delete(id);
      return this.#skip(what, (error as Error).message);
    }
  }

  #idOf({ tick, cause }: WaitingStart): string {
    const id = `${this.#name}@${new Date(tick).toISOString()}`;
    if (cause !== "trigger") return id;
    this.#set({ triggered: this.#state.triggered + 1 });
    return `${id}+${this.#state.triggered}`;
  }

  #follow(id: string, running: Running, child: ChildHandle<unknown>): void {
    running.child = child;
    const ended = (): void => {
      this.#running.delete(id);
      this.news = true;
    };
    child.result().then(ended, ended);
    if (running.stop !== undefined) this.#tellStop(child, running.stop);
  }

  /** Makes everything that runs end. */
  #stop(how: "cancel" | "terminate"): void {
    for (const running of this.#running.values()) {
      if (running.stop === how) continue;
      running.stop = how;
      if (running.child !== undefined) this.#tellStop(running.child, how);
    }
  }

  /** One that has just ended cannot be told any more, which is as good. */
  #tellStop(child: ChildHandle<unknown>, how: "cancel" | "terminate"): void {
    const why = `the next run of schedule ${this.#name} takes its place`;
    (how === "cancel" ? child.cancel(why) : child.terminate(why)).catch(() => {});
  }

  #skip(what: WaitingStart, reason: string, several?: { last: number; count: number }): ScheduleEntry {
    this.#set({ skipped: this.#state.skipped + (several?.count ?? 1) });
    return this.#note({ ...what, ...several, outcome: "skipped", reason });
  }

  #note(entry: Omit<ScheduleEntry, "at" | "count"> & { count?: number }): ScheduleEntry {
    const whole = { count: 1, ...entry, at: this.#wf.now() };
    this.#set({ recent: remember(this.#state.recent, whole) });
    const { outcome, at: _, ...what } = whole;
    // Of what was started the history tells anyway.
    if (outcome !== "started") this.#wf.note(`schedule.${outcome}`, what);
    return whole;
  }

  // ---- what people ask for ---------------------------------------------------------------------------------------------

  /** Ticks that wait do so no longer; what people asked for does. */
  pause(note: string): void {
    const { paused } = this.#state;
    if (paused === undefined) this.#skipWaiting("tick", PAUSED);
    this.#set({ paused: { note: note ?? "", at: paused?.at ?? this.#wf.now() } });
    this.news = true;
  }

  #skipWaiting(cause: ScheduleCause, reason: string): void {
    const skipped = this.#waiting.filter((one) => one.cause === cause);
    this.#waiting = this.#waiting.filter((one) => one.cause !== cause);
    for (const one of skipped) this.#skip(one, reason);
  }

  resume(_note: string): void {
    const { paused: _, ...state } = this.#state;
    if (_ === undefined) return;
    this.#state = state;
    this.skipPassed(PAUSED);
    this.news = true;
  }

  async trigger({ overlap = this.spec.overlap }: TriggerRequest): Promise<ScheduleEntry> {
    const entry = await this.#begin({ tick: this.#wf.now(), cause: "trigger" }, overlap);
    this.news = true;
    return entry;
  }

  /** Ticks that are still to be settled are left to be settled. */
  async backfill({ from, to, overlap = "buffer-all" }: BackfillRequest): Promise<ScheduleEntry[]> {
    const until = Math.min(to, this.#state.paused === undefined ? this.after : this.#wf.now());
    const { spec } = this;
    const count = (): number => ticksWithin(spec, from - 1, until)?.count ?? 0;
    const ticks = await this.#wf.step("ticks to fill in", () => ticksAfter(spec, from - 1, count()));
    const entries: ScheduleEntry[] = [];
    for (const tick of ticks) entries.push(await this.#begin({ tick, cause: "backfill" }, overlap));
    this.news = true;
    return entries;
  }

  change(spec: ScheduleSpec): void {
    const fromNow = Math.max(this.after, this.#wf.now());
    this.#set({ spec, after: fromNow, used: 0 });
    this.news = true;
  }
}

const MISSED = "missed: no engine was there in time";
const PAUSED = "paused";
