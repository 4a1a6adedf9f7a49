/** Puts a workflow's code, its context and its machine together: for runs that are advanced and for replays alike. */

import type { Ending } from "../core/ending.ts";
import type { Note } from "../core/events.ts";
import { formatRunId } from "../core/ids.ts";
import { Machine } from "../core/machine.ts";
import type { PayloadCodec } from "../core/payload.ts";
import type { Logger } from "../workflow/logger.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import type { CommandSpec } from "./command-spec.ts";
import type { Guard } from "./guard/guard.ts";
import type { Registry } from "./registry.ts";
import type { RunFacts } from "./run-facts.ts";
import { type Place, runInScope, runOutside, type ScopeOwner } from "./run-scope.ts";
import { type ContextHost, RunContext } from "./workflow-context.ts";

/** What a machine tells whoever feeds it. */
export interface MachineOwner extends ScopeOwner {
  /** The logger of the run's code. */
  readonly codeLog: Logger;
  onBlocked(): void;
  onNote(note: Note): void;
  onSettled(command: number): void;
  onAnswered(message: number, ending: Ending): void;
}

/** What the makers of machines need from the engine. */
export interface MachineHost {
  readonly services: Pick<ContextHost, "send" | "callbackToken" | "callbackUrl">;
  readonly codec: PayloadCodec | undefined;
  /** Undefined when the code is not guarded. */
  readonly guard: Guard | undefined;
  readonly registry: Registry;
  readonly store: { readonly id: string };
}

export class MachineMaker {
  readonly #host: MachineHost;
  readonly #contextHost: ContextHost;

  constructor(host: MachineHost) {
    this.#host = host;
    this.#contextHost = {
      activity: (name) => host.registry.activity(name),
      workflow: (of) => host.registry.child(of),
      send: (...message) => host.services.send(...message),
      callbackToken: (runId, nonce) => host.services.callbackToken(runId, nonce),
      callbackUrl: (token) => host.services.callbackUrl(token),
    };
  }

  machine(
    facts: RunFacts,
    definition: AnyWorkflow,
    generation: (command: number) => number,
    owner: MachineOwner,
  ): Machine<CommandSpec> {
    const host = this.#host;
    let context: RunContext | undefined;
    let place: Place | undefined;
    const machine: Machine<CommandSpec> = new Machine<CommandSpec>({
      runId: facts.runId,
      codec: host.codec,
      generation,
      start: (self, input) => {
        const parent = facts.parent === null ? undefined : { runId: formatRunId(host.store.id, facts.parent.run) };
        const info = {
          workflow: facts.workflow,
          version: definition.version,
          workflowId: facts.workflowId,
          runId: facts.runId,
          parent,
          startedAt: facts.startedAt,
          get historyLength(): number {
            return self.applied;
          },
        };
        const guarded = host.guard === undefined ? undefined : { facts, machine: self, guard: host.guard };
        place = { owner, scope: self.scope, guarded };
        const live = new RunContext(self, this.#contextHost, owner, info, place);
        context = live;
        return runInScope(place, () => definition.run(live, input));
      },
      onBlocked: () => runOutside(() => owner.onBlocked()),
      onCancelled: (reason) => place && runInScope(place, () => context?.cancelled(reason)),
      onNote: (note) => runOutside(() => owner.onNote(note)),
      onSettled: (command) => runOutside(() => owner.onSettled(command)),
      onAnswered: (message, ending) => runOutside(() => owner.onAnswered(message, ending)),
    });
    return machine;
  }
}
