/**
 * Decides which steps may start now: how many attempts of an activity and of a queue run at a time, how many start within a span,
 * and what people have stopped.
 *
 * Owner: the engine; limits count in one engine, not in all of the store. Invariants: a ticket that holds a place gives it back exactly
 * once, when its attempt ends in whatever way; a step that was turned away is either in exactly one line (or among those stopped) and
 * is called when it may, or was given up. Steps are called in a pass of the event loop of their own, never within a turn or within the
 * end of another step. An activity that nobody limits never gets here ({@link Slots.free}).
 */
import type { CancelTimer, Clock } from "./clock.ts";
import { FairLine, type Leave } from "./fair-line.ts";
import { type Pauses, queueOf } from "./pauses.ts";
import type { RunFacts } from "./run-facts.ts";
import { runOutside } from "./run-scope.ts";
import { StartRate } from "./start-rate.ts";
import type { StepRun } from "./step-run.ts";

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
interface Lane {
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

/** The claim of one attempt on a place. */
class Ticket {
  readonly step: StepRun;
  readonly facts: RunFacts;
  /** Null: nobody limits the activity, it is only stopped. */
  readonly lane: Lane | null;
  readonly #slots: Slots;
  held = false;
  /** Leaves the line the ticket stands in. */
  leave: Leave | undefined;

  constructor(slots: Slots, step: StepRun, facts: RunFacts, lane: Lane | null) {
    this.#slots = slots;
    this.step = step;
    this.facts = facts;
    this.lane = lane;
  }

  end(): void {
    this.step.ticket = undefined;
    this.leave?.();
    this.leave = undefined;
    if (this.held && this.lane !== null) this.#slots.returned(this.lane);
    this.held = false;
  }
}

export class Slots {
  readonly #clock: Clock;
  readonly #pauses: Pauses;
  readonly #limits: QueueSet;
  readonly #queues = new Map<string, Queue>();
  readonly #lanes = new Map<string, Lane | null>();
  /** Steps that somebody stopped, in the order of coming. */
  readonly #stopped = new Set<Ticket>();
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
    const lane = step.command.kind === "activity" ? this.#laneOf(step) : null;
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

  // ---- lanes -----------------------------------------------------------------------------------------------------------

  /** Null: nobody limits the activity. */
  #laneOf({ command }: StepRun): Lane | null {
    const { concurrency } = command.spec.config;
    const known = this.#lanes.get(command.name);
    if (known !== undefined && (known?.limit ?? Number.POSITIVE_INFINITY) === concurrency) return known;
    const lane = this.#makeLane(command.name, concurrency, known ?? undefined);
    this.#lanes.set(command.name, lane);
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

  #stops(step: StepRun, facts: RunFacts): boolean {
    if (!this.#pauses.any) return false;
    if (this.#pauses.stopsWorkflow(facts.workflow)) return true;
    return step.command.kind === "activity" && this.#pauses.stopsQueue(queueOf(step.command.name));
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
