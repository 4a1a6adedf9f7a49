/** Going back in histories, on the side of the engine: what a run's code had asked for at some point, for forks and resets. */

import type { Blockage } from "../core/ending.ts";
import { PerdureError } from "../core/errors.ts";
import type { Note } from "../core/events.ts";
import type { Command } from "../core/machine.ts";
import type { ReplayPlan, ReplayRow } from "../core/resume.ts";
import type { RunRow, Store } from "../store/store.ts";
import type { CommandSpec } from "./command-spec.ts";
import type { Registry } from "./registry.ts";
import { Replica, type ReplicaParts } from "./replica.ts";
import type { RunFacts } from "./run-facts.ts";

/** What replaying needs from the engine. */
export interface RewindHost {
  readonly store: Store;
  readonly registry: Registry;
  readonly replicas: ReplicaParts;
  facts(row: RunRow, secrets: Readonly<Record<string, string>>, deadline: number | undefined): RunFacts;
}

/** Where the code of a run stands after some of its events. */
export interface Standing {
  /** Commands issued. */
  readonly commands: number;
  /** Commands without an outcome. */
  readonly open: readonly Command<CommandSpec>[];
  readonly notes: readonly Note[];
  /** Why the code does not agree with these events. */
  readonly blockage: Blockage | undefined;
}

/**
 * Replays a run's code with events of its history.
 *
 * @throws PerdureError `VERSION_UNAVAILABLE` when this engine does not have the code.
 */
export async function standingAfter(
  host: RewindHost,
  row: RunRow,
  plan: ReplayPlan,
  rows: readonly ReplayRow[],
): Promise<Standing> {
  const definition = await host.registry.pinned(row.workflow, row.version, host.store);
  if (definition === undefined) throw unavailable(row);
  const notes: Note[] = [];
  const facts = host.facts(row, {}, undefined);
  const replica = new Replica(host.replicas, facts, definition, plan, (note) => notes.push(note));
  await replica.apply(rows);
  const { commands, open, blockage } = replica.machine;
  const standing = {
    commands,
    open: [...open.values()],
    notes,
    blockage,
  };
  replica.end();
  return standing;
}

function unavailable({ workflow, version }: RunRow): PerdureError {
  const code = version === null ? workflow : `${workflow}@${version}`;
  const message = `this engine does not have the code of ${code}, which is needed to go back in its history; ask an engine that has it`;
  return new PerdureError("VERSION_UNAVAILABLE", message, { details: { workflow, version } });
}
