/** Puts a workflow's code, its context and its machine together: for runs that are advanced and for replays alike. */

import type { Ending } from "../core/ending.ts";
import type { Note } from "../core/events.ts";
import { formatRunId } from "../core/ids.ts";
import { Machine } from "../core/machine.ts";
import type { MachineOptions } from "../core/machine-options.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { invalidOutput, validatedNow } from "../core/schema.ts";
import type { RunInfo } from "../workflow/context.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import type { CallOwner } from "./call-options.ts";
import type { CommandSpec } from "./command-spec.ts";
import type { ContextHost } from "./context-host.ts";
import type { Guard } from "./guard/guard.ts";
import type { Registry } from "./registry.ts";
import type { RunFacts } from "./run-facts.ts";
import { type Place, runInScope, runOutside, type ScopeOwner } from "./run-scope.ts";
import { RunContext } from "./workflow-context.ts";

/** What a machine tells whoever feeds it. */
export interface MachineOwner extends ScopeOwner, CallOwner {
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
      taskQueue: (...of) => host.registry.taskQueue(...of),
      outputs: (one) => host.registry.rememberOutput(one),
      provide: (one) => host.registry.provide(one),
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
    return new Machine<CommandSpec>(
      new Wiring(this.#host, this.#contextHost, { facts, definition, generation, owner }),
    );
  }
}

/** Whose machine it is and what it runs. */
interface Wired {
  readonly facts: RunFacts;
  readonly definition: AnyWorkflow;
  readonly generation: (command: number) => number;
  readonly owner: MachineOwner;
}

/** Between one machine, the code it runs and whoever feeds it. One object a run: there are very many runs. */
class Wiring implements MachineOptions<CommandSpec> {
  readonly #host: MachineHost;
  readonly #contextHost: ContextHost;
  readonly #wired: Wired;
  #context: RunContext | undefined;
  #place: Place | undefined;

  constructor(host: MachineHost, contextHost: ContextHost, wired: Wired) {
    this.#host = host;
    this.#contextHost = contextHost;
    this.#wired = wired;
  }

  get runId(): string {
    return this.#wired.facts.runId;
  }

  get codec(): PayloadCodec | undefined {
    return this.#host.codec;
  }

  start(machine: Machine<CommandSpec>, input: unknown): Promise<unknown> {
    const { facts, definition, owner } = this.#wired;
    const { guard } = this.#host;
    const guarded = guard === undefined ? undefined : { facts, machine, guard };
    const place = { owner, scope: machine.scope, guarded };
    const info = new Info(facts, definition.version, machine, this.#host.store.id);
    const context = new RunContext(machine, this.#contextHost, owner, info, place, definition.input);
    this.#place = place;
    this.#context = context;
    const { output } = definition;
    if (output === undefined) return runInScope(place, () => definition.run(context, input));
    const what = `the output of workflow ${definition.name}`;
    return runInScope(place, async () =>
      validatedNow(output, await definition.run(context, input), what, invalidOutput),
    );
  }

  generation(command: number): number {
    return this.#wired.generation(command);
  }

  onBlocked(): void {
    runOutside(() => this.#wired.owner.onBlocked());
  }

  onCancelled(reason: string): void {
    const place = this.#place;
    if (place !== undefined) runInScope(place, () => this.#context?.cancelled(reason));
  }

  rejecting(reject: () => void): void {
    if (this.#place === undefined) reject();
    else runInScope(this.#place, reject);
  }

  onNote(note: Note): void {
    runOutside(() => this.#wired.owner.onNote(note));
  }

  onSettled(command: number): void {
    runOutside(() => this.#wired.owner.onSettled(command));
  }

  onAnswered(message: number, ending: Ending): void {
    runOutside(() => this.#wired.owner.onAnswered(message, ending));
  }
}

/** What code may ask of its run. */
class Info implements RunInfo {
  readonly workflow: string;
  readonly version: string | undefined;
  readonly workflowId: string;
  readonly runId: string;
  readonly parent: { readonly runId: string } | undefined;
  readonly startedAt: number;
  readonly #machine: { readonly applied: number };

  constructor(facts: RunFacts, version: string | undefined, machine: { readonly applied: number }, storeId: string) {
    this.workflow = facts.workflow;
    this.version = version;
    this.workflowId = facts.workflowId;
    this.runId = facts.runId;
    this.parent = facts.parent === null ? undefined : { runId: formatRunId(storeId, facts.parent.run) };
    this.startedAt = facts.startedAt;
    this.#machine = machine;
  }

  get historyLength(): number {
    return this.#machine.applied;
  }
}
