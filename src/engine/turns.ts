/**
 * Turns: applies durable events to workflow code, at most one event of a run in a turn, many runs in one turn.
 *
 * A turn is open while the reactions of the promises it settled run, and closed once the microtask queue has drained: a
 * microtask queued after the events schedules a tick, and Node runs ticks only when no microtask is left. No I/O callback can
 * come between, so a command that arrives outside is not caused by our events alone (rule 1). This is stricter than waiting
 * one `setImmediate` and saves a pass of the event loop per step.
 */
import { setWorkflowTurn } from "../workflow/turn.ts";
import { runOutside } from "./run-scope.ts";

/** Something that has events to apply. */
export interface TurnTaker {
  /** Applies the next event with the turn open. */
  takeTurn(): void;
  /** The reactions have run, the turn is still open. True when that made more of them, after which it is asked again. */
  drained(): boolean;
  /** The turn is closed; true when another event is waiting. */
  endTurn(): boolean;
  /** No event is waiting any more. */
  turnsDone(): void;
  /** One of the above threw: a defect, which must not hold up the other runs. */
  broke(error: unknown): void;
}

/** Turns after which timers and I/O get their chance although events are still waiting. */
const MAX_TURNS_IN_A_ROW = 200;

export class Turns {
  #waiting: TurnTaker[] = [];
  #running = false;
  #inARow = 0;
  readonly #onDrained: () => void;

  /** @param onDrained called whenever all waiting events have been applied. */
  constructor(onDrained: () => void) {
    this.#onDrained = onDrained;
  }

  /** Gives a run its turn as soon as the current one is over. */
  add(taker: TurnTaker): void {
    this.#waiting.push(taker);
  }

  /** Whether events are being applied or wait for it. */
  get busy(): boolean {
    return this.#running || this.#waiting.length > 0;
  }

  /** Starts applying unless that is going on already. */
  run(): void {
    if (this.#running || this.#waiting.length === 0) return;
    this.#running = true;
    this.#open();
  }

  #open(): void {
    const takers = this.#waiting;
    this.#waiting = [];
    setWorkflowTurn(true);
    for (const taker of takers) takeTurn(taker);
    this.#drain(takers, takers);
  }

  /** Waits until no reaction is left, also of what runs decide when none is left (rule 6). */
  #drain(asked: readonly TurnTaker[], takers: TurnTaker[]): void {
    queueMicrotask(() =>
      process.nextTick(() =>
        runOutside(() => {
          let again: TurnTaker[] | undefined;
          for (const taker of asked) {
            if (!taker.drained()) continue;
            again ??= [];
            again.push(taker);
          }
          if (again === undefined) this.#close(takers);
          else this.#drain(again, takers);
        }),
      ),
    );
  }

  #close(takers: TurnTaker[]): void {
    setWorkflowTurn(false);
    const done: TurnTaker[] = [];
    for (const taker of takers) {
      if (taker.endTurn()) this.#waiting.push(taker);
      else done.push(taker);
    }
    for (const taker of done) finishTurns(taker);
    if (this.#waiting.length === 0) {
      this.#running = false;
      this.#inARow = 0;
      this.#onDrained();
    } else if (++this.#inARow < MAX_TURNS_IN_A_ROW) {
      this.#open();
    } else {
      this.#inARow = 0;
      setImmediate(() => this.#open());
    }
  }
}

function takeTurn(taker: TurnTaker): void {
  try {
    taker.takeTurn();
  } catch (error) {
    taker.broke(error);
  }
}

function finishTurns(taker: TurnTaker): void {
  try {
    taker.turnsDone();
  } catch (error) {
    taker.broke(error);
  }
}
