/**
 * Replays without an engine: everything that workflow code needs to be replayed, with its effects cut off. Guarded as it would be in an
 * engine, so that code which does not replay is told so.
 *
 * Owner: whoever made it, until `close`.
 */
import type { PayloadCodec } from "../core/payload.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { Guard, type GuardMode } from "./guard/guard.ts";
import { installGuard } from "./guard/installation.ts";
import { silentLogger } from "./log.ts";
import { MachineMaker } from "./machine-maker.ts";
import type { RecordedHistory } from "./recorded-history.ts";
import type { Registry } from "./registry.ts";
import { type Recording, type Replayed, replayRecording } from "./replaying.ts";
import type { ReplicaParts } from "./replica.ts";
import { attributeRejections } from "./run-scope.ts";
import { Turns } from "./turns.ts";

/** What replays have in common. */
export interface ReplayerOptions {
  readonly codec?: PayloadCodec | undefined;
  /** Default `error`, as for engines. */
  readonly guard?: GuardMode | undefined;
}

export class Replayer {
  readonly #codec: PayloadCodec | undefined;
  readonly #guard: Guard | undefined;
  readonly #turns = new Turns(() => {});
  readonly #release: readonly (() => void)[];

  constructor({ codec, guard = "error" }: ReplayerOptions = {}) {
    this.#codec = codec;
    this.#guard = Guard.of(guard, silentLogger);
    this.#release = [attributeRejections(), ...(this.#guard === undefined ? [] : [installGuard()])];
  }

  /** Replays a run of a store against a definition, with what `registry` has around it. */
  replay(recording: Recording, definition: AnyWorkflow, registry: Registry): Promise<Replayed> {
    return replayRecording(this.#parts(registry, recording.facts.runId), recording, definition, this.#codec);
  }

  /** Replays a history that was recorded in a text. */
  replayRecorded(recorded: RecordedHistory, definition: AnyWorkflow, registry: Registry): Promise<Replayed> {
    return this.replay(recordingOf(recorded), definition, registry);
  }

  #parts(registry: Registry, runId: string): ReplicaParts {
    const host = {
      codec: this.#codec,
      guard: this.#guard,
      registry,
      store: { id: runId.slice(0, runId.lastIndexOf("-")) },
      services: {
        send: () => new Promise<never>(() => {}),
        callbackToken: () => "",
        callbackUrl: () => undefined,
      },
    };
    return { maker: new MachineMaker(host), turns: this.#turns };
  }

  /** Takes back what it changed in the process. */
  close(): void {
    for (const release of this.#release) release();
  }
}

/** A recorded history as it is replayed. */
function recordingOf(recorded: RecordedHistory): Recording {
  const { workflow, version, workflowId, runId, startedAt, parent, tags, events, inFlight, check } = recorded;
  const parentLink =
    parent === null ? null : { run: numberOf(parent), command: 0, generation: 0, onClose: "abandon" as const };
  const facts = {
    run: numberOf(runId),
    runId,
    workflowId,
    workflow,
    secrets: {},
    deadline: undefined,
    version: version ?? undefined,
    startedAt,
    parent: parentLink,
    meta: null,
    request: null,
    tags,
    progress: null,
  };
  return { facts, events, inFlight, check: check ?? undefined };
}

function numberOf(runId: string): number {
  return Number.parseInt(runId.slice(runId.lastIndexOf("-") + 1), 36);
}
