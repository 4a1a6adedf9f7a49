/**
 * Decides which steps may start now: how many attempts of an activity and of a queue run at a time, how many start within a span,
 * and what people have stopped.
 *
 * Owner: the engine; limits count in one engine, not in all of the store. Invariants: a ticket that holds a place gives it back exactly
 * once, when its attempt ends in whatever way; a step that was turned away is either in exactly one line (or among those stopped) and
 * is called when it may, or was given up. Steps are called in a pass of the event loop of their own, never within a turn or within the
 * end of another step. An activity that nobody limits never gets here ({@link Slots.free}).
 */

import { type AnyActivity, activityParts } from "../workflow/activity.ts";
import type { CancelTimer, Clock } from "./clock.ts";
import { FairLine, type Leave } from "./fair-line.ts";
import { type Pauses, queueOf } from "./pauses.ts";
import type { RunFacts } from "./run-facts.ts";
import { runOutside } from "./run-scope.ts";
import { StartRate } from "./start-rate.ts";
import type { PlaceTicket, StepRun } from "./step-run.ts";

/** Limits of a queue, complete. */
export interface QueueLimits {
  /** Attempts that run at a time; infinite for no limit. */
  readonly concurrency: number;
  /** Attempts that start within `perMs`; undefined for no limit. */
  readonly rate: { readonly starts: number; readonly perMs: number } | undefined;
}

/** Limits by the name of the queue. */
export type QueueSet = ReadonlyMap<string, QueueLimits>;

/** Activities that share one line: those of a queue, or one that has a limit of its own. */
export interface Lane {
  readonly queue: Queue;
  limit: number;
  running: number;
  readonly line: FairLine<Ticket>;
}

interface Queue {
  readonly name: string;
  readonly limit: number;
  readonly rate: StartRate | undefined;
  running: number;
  /** The first is that of the activities without a limit of their own. */
  readonly lanes: Lane[];
  /** Which lane is asked first the next time. */
  turn: number;
  timer: CancelTimer | undefined;
}

/** Whoever wants a place. */
interface Applicant {
  readonly command: {
    readonly kind: string;
    readonly name: string;
    readonly spec: { readonly queue?: string };
  };
  ticket: PlaceTicket | undefined;
  /** It may have its place now. */
  admitted(): void;
}

/** The claim of one attempt on a place. */
class Ticket implements PlaceTicket {
  readonly step: Applicant;
  readonly facts: Pick<RunFacts, "run" | "workflow">;
  /** Null: nobody limits the activity, it is only stopped. */
  readonly lane: Lane | null;
  readonly #slots: Slots;
  held = false;
  /** Leaves the line the ticket stands in. */
  leave: Leave | undefined;

  constructor(slots: Slots, step: Applicant, facts: Ticket["facts"], lane: Lane | null) {
    this.#slots = slots;
    this.step = step;
    this.facts = facts;
    this.lane = lane;
  }

  /** The place was not used: the attempt does not count as one that started. */
  giveBack(): void {
    if (this.held) this.lane?.queue.rate?.undo();
    this.end();
  }

  end(): void {
    this.step.ticket = undefined;
    this.leave?.();
    this.leave = undefined;
    if (this.held && this.lane !== null) this.#slots.returned(this.lane);
    this.held = false;
  }
}

/** A place for a task that is about to be claimed. */
export interface UnusedPlace extends PlaceTicket {
  /** There was no task for it. */
  giveBack(): void;
}

/** Activities of one queue that share a line. */
export interface TaskLane {
  readonly queue: string;
  readonly activities: readonly string[];
  /** Null: nobody limits them. */
  readonly lane: Lane | null;
}

/** To the line, all tasks are those of one run, which pauses of workflows do not concern here. */
const OF_TASKS: Ticket["facts"] = { run: -1, workflow: "" };

function applicant(name: string, admitted: () => void = () => {}): Applicant {
  return { command: { kind: "activity", name, spec: {} }, ticket: undefined, admitted };
}

export class Slots {
  readonly #clock: Clock;
  readonly #pauses: Pauses;
  readonly #limits: QueueSet;
  readonly #queues = new Map<string, Queue>();
  readonly #lanes = new Map<string, Lane | null>();
  /** Steps that somebody stopped, in the order of coming. */
  readonly #stopped = new Set<Ticket>();
  /** Lanes in whose line tasks stand, and places they got that way and have not used yet. */
  readonly #applied = new Set<Lane>();
  readonly #granted = new Map<Lane, Ticket[]>();
  #stoppedWork: { readonly workflow: string; readonly then: () => void }[] = [];
  /** Queues in which something may start. */
  readonly #eased = new Set<Queue>();
  #scheduled = false;
  /** Passes of the event loop asked for. */
  #underWay = 0;

  constructor(clock: Clock, pauses: Pauses, limits: QueueSet) {
    this.#clock = clock;
    this.#pauses = pauses;
    this.#limits = limits;
  }

  /** Whether a step may start without being asked for: nobody limits it and nothing is stopped. */
  free(step: StepRun): boolean {
    return (
      step.command.spec.config.concurrency === Number.POSITIVE_INFINITY && this.#limits.size === 0 && !this.#pauses.any
    );
  }

  /** Whether the step may start; otherwise its `admitted` is called once it may. */
  admit(step: StepRun, facts: RunFacts): boolean {
    const known = step.ticket as Ticket | undefined;
    if (known !== undefined) return known.held;
    const { kind, name, spec } = step.command;
    // What is handed out is let in where it runs.
    const lane = kind === "activity" && spec.queue === undefined ? this.#laneOf(name, spec.config.concurrency) : null;
    const stopped = this.#stops(step, facts);
    if (lane === null && !stopped) return true;
    const ticket = new Ticket(this, step, facts, lane);
    step.ticket = ticket;
    if (lane === null || stopped) {
      this.#stop(ticket);
      return false;
    }
    if (this.#canStart(lane) && !lane.queue.lanes.some((other) => other.line.size > 0 && hasRoom(other))) {
      this.#hold(ticket, lane);
      return true;
    }
    ticket.leave = lane.line.join(facts.run, ticket);
    this.#ease(lane.queue);
    return false;
  }

  /** Whether runs of a workflow may begin something; otherwise `then` is called once they may. */
  mayGoOn(workflow: string, then: () => void): boolean {
    if (!this.#pauses.stopsWorkflow(workflow)) return true;
    this.#stoppedWork.push({ workflow, then });
    return false;
  }

  /** Something was stopped or lifted: whoever still may not goes back to where it was. */
  pausesChanged(): void {
    const stopped = [...this.#stopped];
    const work = this.#stoppedWork;
    this.#stopped.clear();
    this.#stoppedWork = [];
    for (const { step } of stopped) step.ticket = undefined;
    for (const queue of this.#queues.values()) this.#ease(queue);
    if (stopped.length + work.length === 0) return;
    this.#underWay++;
    later(() => {
      this.#underWay--;
      for (const { step } of stopped) step.admitted();
      for (const { workflow, then } of work) if (this.mayGoOn(workflow, then)) then();
    });
  }

  /** Whether something is about to start. */
  get busy(): boolean {
    return this.#underWay > 0;
  }

  /** Forgets the timers; the steps are given up by their runs. */
  close(): void {
    for (const queue of this.#queues.values()) queue.timer?.();
  }

  // ---- tasks -----------------------------------------------------------------------------------------------------------

  /** Activities that share a line, of queues that are not stopped: each can be asked for places for tasks of them. */
  taskLanes(activities: Iterable<AnyActivity>): TaskLane[] {
    const lanes = new Map<Lane | string, TaskLane & { readonly activities: string[] }>();
    for (const one of activities) {
      const { activityName: name } = one;
      const queue = queueOf(name);
      if (this.#pauses.stopsQueue(queue)) continue;
      const lane = this.#laneOf(name, activityParts(one).config.concurrency);
      const known = lanes.get(lane ?? queue);
      if (known !== undefined) known.activities.push(name);
      else lanes.set(lane ?? queue, { queue, activities: [name], lane });
    }
    return [...lanes.values()];
  }

  /**
   * Takes places for up to `most` tasks; undefined when the activities have no limit here. Where there is none, or steps of runs wait for one,
   * tasks stand in line as if they were those of one more run, and `then` is called when it is their turn.
   */
  places({ lane, activities }: TaskLane, most: number, then: () => void): UnusedPlace[] | undefined {
    if (lane === null) return undefined;
    const places = this.#granted.get(lane)?.splice(0, most) ?? [];
    const others = lane.queue.lanes.some((other) => other.line.size > 0 && hasRoom(other));
    while (places.length < most && !others && this.#canStart(lane)) {
      const ticket = new Ticket(this, applicant(activities[0]!), OF_TASKS, lane);
      this.#hold(ticket, lane);
      places.push(ticket);
    }
    if (places.length === 0 && most > 0) this.#applyFor(lane, activities[0]!, then);
    return places;
  }

  /** Stands in line for one place, unless that is done already. */
  #applyFor(lane: Lane, activity: string, then: () => void): void {
    if (this.#applied.has(lane)) return;
    this.#applied.add(lane);
    const ticket: Ticket = new Ticket(
      this,
      applicant(activity, () => {
        this.#applied.delete(lane);
        if (ticket.held) this.#granted.set(lane, [...(this.#granted.get(lane) ?? []), ticket]);
        then();
      }),
      OF_TASKS,
      lane,
    );
    ticket.leave = lane.line.join(OF_TASKS.run, ticket);
    this.#ease(lane.queue);
  }

  // ---- lanes -----------------------------------------------------------------------------------------------------------

  /** Null: nobody limits the activity. */
  #laneOf(activity: string, concurrency: number): Lane | null {
    const known = this.#lanes.get(activity);
    if (known !== undefined && (known?.limit ?? Number.POSITIVE_INFINITY) === concurrency) return known;
    const lane = this.#makeLane(activity, concurrency, known ?? undefined);
    this.#lanes.set(activity, lane);
    return lane;
  }

  #makeLane(activity: string, limit: number, known: Lane | undefined): Lane | null {
    const name = queueOf(activity);
    if (limit === Number.POSITIVE_INFINITY) return this.#limits.has(name) ? this.#queue(name).lanes[0]! : null;
    // The same activity with another limit, in another version of the code: the newest counts.
    if (known !== undefined && known !== known.queue.lanes[0]) {
      known.limit = limit;
      return known;
    }
    const queue = this.#queue(name);
    const lane: Lane = { queue, limit, running: 0, line: new FairLine() };
    queue.lanes.push(lane);
    return lane;
  }

  #queue(name: string): Queue {
    const known = this.#queues.get(name);
    if (known !== undefined) return known;
    const { concurrency = Number.POSITIVE_INFINITY, rate } = this.#limits.get(name) ?? {};
    const queue: Queue = {
      name,
      limit: concurrency,
      rate: rate === undefined ? undefined : new StartRate(rate.starts, rate.perMs),
      running: 0,
      lanes: [],
      turn: 0,
      timer: undefined,
    };
    queue.lanes.push({ queue, limit: Number.POSITIVE_INFINITY, running: 0, line: new FairLine() });
    this.#queues.set(name, queue);
    return queue;
  }

  #canStart(lane: Lane): boolean {
    return hasRoom(lane) && this.#wait(lane.queue) === 0;
  }

  /** Milliseconds until the queue lets one more start; infinite: when one of its attempts ends. */
  #wait({ running, limit, rate }: Queue): number {
    if (running >= limit) return Number.POSITIVE_INFINITY;
    return rate === undefined ? 0 : rate.wait(this.#clock.monotonic());
  }

  #hold(ticket: Ticket, lane: Lane): void {
    ticket.held = true;
    lane.running++;
    lane.queue.running++;
    lane.queue.turn = lane.queue.lanes.indexOf(lane) + 1;
    lane.queue.rate?.started(this.#clock.monotonic());
  }

  /** An attempt ended: its place is free. */
  returned(lane: Lane): void {
    lane.running--;
    lane.queue.running--;
    this.#ease(lane.queue);
  }

  // ---- what people stopped ---------------------------------------------------------------------------------------------

  #stops(step: Applicant, facts: Ticket["facts"]): boolean {
    if (!this.#pauses.any) return false;
    if (this.#pauses.stopsWorkflow(facts.workflow)) return true;
    const { kind, name, spec } = step.command;
    return kind === "activity" && spec.queue === undefined && this.#pauses.stopsQueue(queueOf(name));
  }

  #stop(ticket: Ticket): void {
    this.#stopped.add(ticket);
    ticket.leave = () => this.#stopped.delete(ticket);
  }

  // ---- letting in ------------------------------------------------------------------------------------------------------

  /** Something may start in the queue: looks soon. */
  #ease(queue: Queue): void {
    if (queue.lanes.every(({ line }) => line.size === 0)) return;
    this.#eased.add(queue);
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#underWay++;
    later(() => {
      this.#scheduled = false;
      this.#underWay--;
      const eased = [...this.#eased];
      this.#eased.clear();
      for (const one of eased) this.#pump(one);
    });
  }

  /** Lets in who may, lane by lane in turn. */
  #pump(queue: Queue): void {
    for (;;) {
      const wait = this.#wait(queue);
      const lane = nextLane(queue);
      if (lane === undefined || wait === Number.POSITIVE_INFINITY) return;
      if (wait > 0) {
        queue.timer?.();
        queue.timer = this.#clock.after(wait, () => this.#ease(queue));
        return;
      }
      const ticket = lane.line.take()!;
      ticket.leave = undefined;
      if (this.#stops(ticket.step, ticket.facts)) this.#stop(ticket);
      else {
        this.#hold(ticket, lane);
        ticket.step.admitted();
      }
    }
  }
}

function hasRoom({ running, limit }: Lane): boolean {
  return running < limit;
}

/** The next lane in turn in which somebody waits who may start. */
function nextLane({ lanes, turn }: Queue): Lane | undefined {
  for (let offset = 0; offset < lanes.length; offset++) {
    const lane = lanes[(turn + offset) % lanes.length]!;
    if (lane.line.size > 0 && hasRoom(lane)) return lane;
  }
  return undefined;
}

/** Calls in a pass of the event loop of its own, on behalf of no run. */
function later(work: () => void): void {
  setImmediate(() => runOutside(work));
}
