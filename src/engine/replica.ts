/**
 * A run's code replayed beside the run: no effects, no log, nothing written. For questions about a run (queries), for finding out
 * where in its history something happened (resume, reset, fork), and for checking code against histories.
 */
import type { Note } from "../core/events.ts";
import type { Machine } from "../core/machine.ts";
import { pastOf } from "../core/past.ts";
import type { ReplayPlan, ReplayRow } from "../core/resume.ts";
import type { Logger } from "../workflow/logger.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import type { CommandSpec } from "./command-spec.ts";
import type { MachineMaker } from "./machine-maker.ts";
import type { RunFacts } from "./run-facts.ts";
import type { ScopeOwner } from "./run-scope.ts";
import type { Turns } from "./turns.ts";

/** What a replica is made of. */
export interface ReplicaParts {
  readonly maker: MachineMaker;
  readonly turns: Turns;
}

const SILENT: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} };

export class Replica implements ScopeOwner {
  readonly machine: Machine<CommandSpec>;
  readonly #turns: Turns;
  #rejection: { readonly error: unknown } | undefined;

  /**
   * @param plan tells generations; its rows are not applied yet.
   * @param onNote told of what the code notes.
   */
  constructor(
    { maker, turns }: ReplicaParts,
    facts: RunFacts,
    definition: AnyWorkflow,
    plan: ReplayPlan,
    onNote: (note: Note) => void = () => {},
  ) {
    this.#turns = turns;
    this.machine = maker.machine(facts, definition, plan.generation, {
      rejected: (error) => this.rejected(error),
      codeLog: SILENT,
      replays: true,
      onBlocked: () => {},
      onNote,
      onSettled: () => {},
      onAnswered: () => {},
    });
    this.machine.trace(plan.rows);
    this.machine.recall(pastOf(plan.rows, []));
  }

  /** A rejection that nobody handles: the history says what came of it, unless {@link settled} is asked. */
  rejected(error: unknown): void {
    this.#rejection ??= { error };
  }

  /** Waits until rejections that nobody handles are known, and lets the first of them end the run, as it does live. */
  async settled(): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.#rejection !== undefined) this.machine.fail(this.#rejection.error);
  }

  /** Applies events, one in each turn. Ends early when the code disagrees: see `machine.blockage`. */
  apply(rows: readonly ReplayRow[]): Promise<void> {
    if (rows.length === 0) return Promise.resolve();
    const { machine } = this;
    let next = 0;
    return new Promise((resolve, reject) => {
      this.#turns.add({
        takeTurn: () => {
          machine.openTurn();
          const row = rows[next++];
          if (row !== undefined) machine.apply(row, row.verify);
        },
        drained: () => machine.drained(),
        endTurn: () => {
          machine.closeTurn();
          machine.takeCommands();
          machine.takeNotes();
          return next < rows.length && machine.blockage === undefined;
        },
        turnsDone: resolve,
        broke: reject,
      });
      this.#turns.run();
    });
  }

  /** Cuts the code off. */
  end(): void {
    this.machine.kill();
  }
}
