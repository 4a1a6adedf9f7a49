/** Schedules as their owners see them: making them, reading what they say, telling them something. */
import type { Duration } from "../core/duration.ts";
import { isPerdureError, PerdureError } from "../core/errors.ts";
import { parseEvent } from "../core/events.ts";
import { formatRunId, MAX_NAME } from "../core/ids.ts";
import { checkedText } from "../core/names.ts";
import { checkCount, checkKind, checkOptions, optionNames } from "../core/options.ts";
import { decodePayload, reviveParsed } from "../core/payload.ts";
import { isClosed, OPEN_STATUSES, type RunStatus } from "../core/status.ts";
import type { StartSpec } from "../engine/new-run.ts";
import { place } from "../engine/taken-id.ts";
import type { RunRow, StartResult } from "../store/store.ts";
import { SCHEDULE_WORKFLOW, scheduleId, scheduleMessages, scheduleWorkflow } from "../workflow/schedule.ts";
import {
  nextTick,
  type Overlap,
  type ScheduleOptions,
  type ScheduleSpec,
  scheduleSpec,
  type Time,
  ticksAfter,
  timeMs,
} from "../workflow/schedule-spec.ts";
import {
  freshState,
  type ScheduleEntry,
  type ScheduleInput,
  type SchedulePause,
  type ScheduleReport,
  type WaitingStart,
} from "../workflow/schedule-state.ts";
import type { Update } from "../workflow/signal.ts";
import { type AnyWorkflow, isWorkflow } from "../workflow/workflow.ts";
import { awaitedCode } from "./awaited-code.ts";
import type { HandleHost } from "./handle-host.ts";
import { RunHandle } from "./run-handle.ts";
import { startInput } from "./sent-value.ts";

/** What schedules need of an engine to be made. */
export interface ScheduleMaker {
  start(spec: StartSpec, supersedes: number | null): Promise<StartResult>;
  /** The input of the workflow of this name as its schema gives it. @throws PerdureError `INVALID_ARGUMENT` */
  input(workflow: string, given: unknown): unknown;
  /** Whether this engine has a workflow of this name. */
  has(workflow: string): boolean;
  /** Names of the workflows it has, for messages. */
  readonly names: readonly string[];
}

/** A schedule as people want to see it. Times are epoch milliseconds. */
export interface ScheduleDescription {
  readonly name: string;
  /** Name of the workflow it starts. */
  readonly workflow: string;
  /** When and how, in one form: spans and times in milliseconds. */
  readonly spec: ScheduleSpec;
  /** `active`, `paused`, `finished` (no tick will come any more, though it can be triggered), or that of its run when that stands still. */
  readonly status: "active" | "paused" | "finished" | RunStatus;
  /** Why it is paused and since when, while it is. */
  readonly paused: SchedulePause | undefined;
  /** The next tick. */
  readonly next: number | undefined;
  /** The newest decisions, the newest last: what was started, what waits, what was skipped and why. */
  readonly recent: readonly ScheduleEntry[];
  /** Workflow ids of what it started and waits for. */
  readonly running: readonly string[];
  /** Starts that wait until what runs has ended. */
  readonly waiting: readonly WaitingStart[];
  /** How many were started and skipped in all. */
  readonly started: number;
  readonly skipped: number;
  /** Why its run stands still, when it is blocked. */
  readonly blocked: string | undefined;
  /** The workflow that no engine has that is running, and since when it has been waited for. */
  readonly waitingFor: { readonly workflow: string; readonly since: number } | undefined;
  /** The run of the schedule itself. */
  readonly workflowId: string;
  readonly runId: string;
}

/** How long to wait until the schedule has taken what it is told. Default: as long as it takes. */
export interface ScheduleCall {
  readonly timeout?: Duration;
}

/** How {@link ScheduleHandle.trigger} starts. */
export interface TriggerOptions extends ScheduleCall {
  /** Instead of the schedule's own. */
  readonly overlap?: Overlap;
}

/** Which ticks of the past {@link ScheduleHandle.backfill} starts. */
export interface BackfillOptions extends ScheduleCall {
  /** From this time on, that itself included. */
  readonly from: Time;
  /** Up to this time, that itself included. */
  readonly to: Time;
  /** Default `buffer-all`: one after another. */
  readonly overlap?: Overlap;
}

const OF_CREATE: ReadonlySet<string> = optionNames<{ elsewhere?: boolean }>({ elsewhere: true });
const OF_CALL: ReadonlySet<string> = optionNames<ScheduleCall>({ timeout: true });
const OF_TRIGGER: ReadonlySet<string> = optionNames<TriggerOptions>({ overlap: true, timeout: true });
const OF_BACKFILL: ReadonlySet<string> = optionNames<BackfillOptions>({
  from: true,
  to: true,
  overlap: true,
  timeout: true,
});

/** A run that is started with a delay is left for whoever has its code. */
const ELSEWHERE_MS = 1;
const PAGE = 500;
const PREVIEWED = 10;
const MAX_PREVIEWED = 10_000;
const LOOK_MS = 50;
/** How long an engine may take to end a schedule that is deleted. */
const DELETE_LIMIT_MS = 30_000;

/** The schedules of a store. */
export class Schedules {
  readonly #host: HandleHost;
  readonly #maker: ScheduleMaker | undefined;

  constructor(host: HandleHost, maker?: ScheduleMaker) {
    this.#host = host;
    this.#maker = maker;
  }

  /**
   * Makes a schedule, which ticks from now on.
   *
   * @param elsewhere the workflow is one that this engine need not have: the schedule is left for one that has it.
   * @throws PerdureError `INVALID_ARGUMENT`, `ALREADY_EXISTS`, `NOT_FOUND` for a workflow that this engine does not have.
   *
   * @example
   * await engine.schedules.create("nightly", { workflow: report, cron: "0 3 * * *", timezone: "Europe/Berlin" });
   */
  async create(name: string, options: ScheduleOptions, how: { elsewhere?: boolean } = {}): Promise<ScheduleHandle> {
    checkName(name);
    checkOptions(how, OF_CREATE, "schedules.create()");
    const { elsewhere = false } = how;
    checkTarget(name, options?.workflow);
    const spec = await withValidInput(scheduleSpec(name, options), options.workflow, this.#maker);
    const now = this.#host.now();
    if (nextTick(spec, now - 1) === undefined)
      throw new PerdureError(
        "INVALID_ARGUMENT",
        `schedule ${name} would never tick: there is no such time in the future`,
      );
    const maker = this.#maker;
    if (!elsewhere && maker !== undefined && !maker.has(spec.workflow))
      throw new PerdureError(
        "NOT_FOUND",
        `schedule ${name}: no workflow ${JSON.stringify(spec.workflow)} is registered with this engine; it has ${maker.names.join(", ") || "none"}`,
      );
    const { row } = await this.make(name, spec, elsewhere ? ELSEWHERE_MS : 0);
    if (row === undefined) return new ScheduleHandle(this.#host, name, this.#maker);
    throw new PerdureError(
      "ALREADY_EXISTS",
      `there is a schedule ${JSON.stringify(name)} already; update or delete it`,
      { details: { schedule: name } },
    );
  }

  /** Makes a schedule of what was checked; `row` is that of one that is there already. */
  async make(name: string, spec: ScheduleSpec, delayMs: number): Promise<{ row?: RunRow }> {
    const maker = this.#maker;
    if (maker === undefined)
      throw new PerdureError(
        "INVALID_ARGUMENT",
        "a schedule is made through an engine: use open() instead of connect()",
      );
    const input: ScheduleInput = { name, spec };
    const start = {
      workflow: scheduleWorkflow(spec.workflow) as AnyWorkflow,
      workflowId: scheduleId(name),
      input,
      delayMs,
      timeoutMs: undefined,
      secrets: {},
      meta: null,
      request: null,
      tags: {},
    };
    let row: RunRow | undefined;
    await place(
      (supersedes) => maker.start(start, supersedes),
      (holder) => {
        if (isClosed(holder.status)) return "replace";
        row = holder;
        return "attach";
      },
    );
    return row === undefined ? {} : { row };
  }

  /** The handle of a schedule. @throws PerdureError `NOT_FOUND`. */
  async get(name: string): Promise<ScheduleHandle> {
    await scheduleRow(this.#host, name);
    return new ScheduleHandle(this.#host, name, this.#maker);
  }

  /** All schedules, by name. What is read are rows only: no code is needed. */
  async list(): Promise<ScheduleDescription[]> {
    const found: ScheduleDescription[] = [];
    for (let before: number | undefined; ; ) {
      const filter = { workflow: SCHEDULE_WORKFLOW, status: OPEN_STATUSES, limit: PAGE };
      const rows = await this.#host.store.list({ ...filter, ...(before !== undefined && { before }) });
      for (const row of rows) found.push(await describe(this.#host, row));
      if (rows.length < PAGE) return found.sort((a, b) => (a.name < b.name ? -1 : 1));
      before = rows.at(-1)!.run;
    }
  }
}

/** The input is validated here and once: every start gets it as it is then. */
async function withValidInput(
  spec: ScheduleSpec,
  workflow: AnyWorkflow | string | undefined,
  maker: ScheduleMaker | undefined,
): Promise<ScheduleSpec> {
  const valid =
    typeof workflow === "object"
      ? await startInput(workflow, spec.input)
      : await (maker === undefined ? spec.input : maker.input(spec.workflow, spec.input));
  return valid === spec.input ? spec : { ...spec, input: valid };
}

/** One schedule. */
export class ScheduleHandle {
  readonly #host: HandleHost;
  readonly #maker: ScheduleMaker | undefined;
  readonly name: string;

  constructor(host: HandleHost, name: string, maker?: ScheduleMaker) {
    this.#host = host;
    this.#maker = maker;
    this.name = name;
  }

  /** What it does, what it did last, what it skipped and why. Needs no code. */
  async describe(): Promise<ScheduleDescription> {
    return describe(this.#host, await scheduleRow(this.#host, this.name));
  }

  /** Lets no tick start anything until {@link resume}; those that pass are skipped. Pausing again changes the note. */
  async pause(note = "", call: ScheduleCall = {}): Promise<void> {
    checkNote(note, call, "pause()");
    await this.#tell(scheduleMessages.pause, note, call);
  }

  /** Lets it go on with the next tick. */
  async resume(note = "", call: ScheduleCall = {}): Promise<void> {
    checkNote(note, call, "resume()");
    await this.#tell(scheduleMessages.resume, note, call);
  }

  /** Starts the workflow now, also while the schedule is paused. */
  async trigger(options: TriggerOptions = {}): Promise<ScheduleEntry> {
    checkOptions(options, OF_TRIGGER, "trigger()");
    const { overlap, ...call } = options;
    const request = overlap === undefined ? {} : { overlap };
    return this.#tell(scheduleMessages.trigger, request, call);
  }

  /**
   * Starts the workflow for ticks that have passed, at most 1000 of them. One that was started before is started again, unless that run
   * is still open.
   */
  async backfill(options: BackfillOptions): Promise<ScheduleEntry[]> {
    checkOptions(options, OF_BACKFILL, "backfill()");
    const { from, to, overlap, ...call } = options;
    const span = { from: timeMs(from, "from of a backfill"), to: timeMs(to, "to of a backfill") };
    if (span.to < span.from)
      throw this.#wrong(
        `to (${new Date(span.to).toISOString()}) is before from (${new Date(span.from).toISOString()})`,
      );
    const request = { ...span, ...(overlap !== undefined && { overlap }) };
    return this.#tell(scheduleMessages.backfill, request, call);
  }

  /**
   * Replaces when and how it ticks, from now on. What is left out has its default again; `workflow` may be left out.
   *
   * @throws PerdureError `INVALID_ARGUMENT`, also for another workflow than before.
   */
  async update(
    options: Omit<ScheduleOptions, "workflow"> & Partial<ScheduleOptions>,
    call: ScheduleCall = {},
  ): Promise<void> {
    checkOptions(call, OF_CALL, "update()");
    const { spec } = await this.describe();
    const next = scheduleSpec(this.name, { ...options, workflow: options.workflow ?? spec.workflow });
    await this.change(await withValidInput(next, options.workflow, this.#maker), call);
  }

  /** Replaces when and how it ticks with what was checked. */
  async change(spec: ScheduleSpec, call: ScheduleCall = {}): Promise<void> {
    await this.#tell(scheduleMessages.update, spec, call);
  }

  /** The next ticks, epoch milliseconds, whether or not it is paused. Needs no code. */
  async preview(count: number = PREVIEWED): Promise<number[]> {
    checkCount(count, "count of preview()");
    if (count > MAX_PREVIEWED)
      throw this.#wrong(`preview() tells at most ${MAX_PREVIEWED.toLocaleString("en")} ticks at a time`);
    const { spec, status } = await this.describe();
    return status === "finished" ? [] : ticksAfter(spec, this.#host.now(), count);
  }

  /**
   * Deletes the schedule. What it started goes on.
   *
   * @throws PerdureError `NOT_FOUND`, `WAIT_TIMED_OUT` when the engine that has it does not answer.
   */
  async delete(): Promise<void> {
    const { store, now, changed } = this.#host;
    const { workflowId } = await scheduleRow(this.#host, this.name);
    await (await this.#run()).terminate("the schedule was deleted");
    for (const limit = now() + DELETE_LIMIT_MS; ; ) {
      const row = await store.find({ workflowId });
      if (row === undefined || (isClosed(row.status) && row.owner === null)) break;
      if (now() >= limit)
        throw new PerdureError(
          "WAIT_TIMED_OUT",
          `schedule ${this.name} is to end, but has not yet; delete it again later`,
        );
      await changed(row.run, LOOK_MS);
    }
    for (const row of await store.list({ workflowId, limit: PAGE })) await store.remove(row.run);
  }

  /** Tells the schedule something. @throws PerdureError `INVALID_ARGUMENT` for what it refused. */
  async #tell<I, O>(message: Update<I, O>, input: I, call: ScheduleCall): Promise<O> {
    const run = await this.#run();
    try {
      return await run.update(message, input, call);
    } catch (error) {
      const { cause } = error as { cause?: { readonly code?: unknown; readonly message: string } };
      if (isPerdureError(error, "UPDATE_FAILED") && cause?.code === "INVALID_ARGUMENT")
        throw this.#wrong(cause.message);
      throw error;
    }
  }

  #wrong(what: string): PerdureError {
    return new PerdureError("INVALID_ARGUMENT", `schedule ${this.name}: ${what}`, { details: { schedule: this.name } });
  }

  async #run(): Promise<RunHandle> {
    const { workflowId, run } = await scheduleRow(this.#host, this.name);
    return new RunHandle(this.#host, workflowId, run);
  }
}

function checkNote(note: unknown, call: unknown, what: string): void {
  checkKind(note, "string", `the note of ${what}`);
  checkOptions(call, OF_CALL, what);
}

/** The row of an open schedule. */
async function scheduleRow({ store }: HandleHost, name: string): Promise<RunRow> {
  const row = await store.find({ workflowId: scheduleId(name) });
  if (row !== undefined && row.workflow === SCHEDULE_WORKFLOW && !isClosed(row.status)) return row;
  throw new PerdureError("NOT_FOUND", `there is no schedule ${JSON.stringify(name)} in this store`, {
    details: { schedule: name, hint: "perdure schedules list shows the schedules" },
  });
}

async function describe(host: HandleHost, row: RunRow): Promise<ScheduleDescription> {
  const report = await reportOf(host, row);
  const { spec, paused, recent, running, waiting, started, skipped, next } = report;
  const { blocked } = row.detail === null ? {} : (JSON.parse(row.detail) as { blocked?: { message: string } });
  const stands = row.status === "paused" || row.status === "blocked" ? row.status : undefined;
  return {
    name: row.workflowId.slice(scheduleId("").length),
    workflow: spec.workflow,
    spec,
    status: stands ?? (paused !== undefined ? "paused" : next === undefined ? "finished" : "active"),
    paused,
    next,
    recent,
    running,
    waiting,
    started,
    skipped,
    blocked: stands === "blocked" ? blocked?.message : undefined,
    waitingFor: await waitingFor(host, row),
    workflowId: row.workflowId,
    runId: formatRunId(host.store.id, row.run),
  };
}

/** Nobody has taken the run of the schedule, though none of its kind is held back. */
async function waitingFor({ store, now }: HandleHost, row: RunRow): Promise<ScheduleDescription["waitingFor"]> {
  const awaited = awaitedCode(row, now());
  if (awaited === undefined) return undefined;
  const held = (await store.pauses()).some(
    ({ scope, name }) => scope === "all" || (scope === "workflow" && name === SCHEDULE_WORKFLOW),
  );
  return held ? undefined : { workflow: awaited.version ?? "", since: awaited.since };
}

/** What the schedule told last; of one that has not run yet, what it will begin with. */
async function reportOf({ store, codec }: HandleHost, row: RunRow): Promise<Omit<ScheduleReport, "message">> {
  if (row.progress !== null) return decodePayload(row.progress, codec) as ScheduleReport;
  const [first] = await store.history(row.run, 0, 1);
  if (first === undefined) throw new PerdureError("INTERNAL", `schedule run ${row.run} has no history`);
  const { spec, state } = reviveParsed(parseEvent(first).data.p, codec) as ScheduleInput;
  const before = state ?? freshState(spec, row.createdAt);
  const next = before.paused === undefined ? nextTick(before.spec, before.after) : undefined;
  return { ...before, running: [], waiting: [], next };
}

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const CONTROL = /[\u0000-\u001f\u007f]/;
/** What its runs' ids have behind the name: `@2027-01-31T03:00:00.000Z+12345`. */
const ROOM = 50;

/** An activity has a name, too, but nothing can start it. */
function checkTarget(name: string, workflow: unknown): void {
  if (workflow === undefined || typeof workflow === "string" || isWorkflow(workflow)) return;
  throw new PerdureError(
    "INVALID_ARGUMENT",
    `schedule ${name}: workflow is what workflow(…) or flow(…) returned, or its name`,
  );
}

function checkName(name: string): void {
  checkedText(name, "a schedule's name");
  if (name !== "" && name.length <= MAX_NAME - ROOM && !CONTROL.test(name)) return;
  throw new PerdureError(
    "INVALID_ARGUMENT",
    `a schedule's name must have 1 to ${MAX_NAME - ROOM} characters, none of them control characters`,
  );
}
