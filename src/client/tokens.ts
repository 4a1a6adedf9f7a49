/** Tokens by which somebody outside settles something a run waits for: an attempt that goes on elsewhere, a callback. */
import { PerdureError } from "../core/errors.ts";
import { toFailure } from "../core/failure.ts";
import { parseRunId } from "../core/ids.ts";
import { encodePayload } from "../core/payload.ts";
import { type StandardSchemaV1, validated } from "../core/schema.ts";
import { foreignOutcome } from "../engine/foreign-outcome.ts";
import { callbackSignal } from "../engine/workflow-context.ts";
import type { Sealer } from "../store/sealing.ts";
import type { MessageKind } from "../store/store.ts";
import { outputOf } from "../workflow/activity.ts";
import type { HandleHost } from "./handle-host.ts";

/** What is sealed in a token: the run, and for attempts which one. */
interface Addressed {
  readonly run: string;
  readonly c?: number;
  readonly g?: number;
  readonly a?: number;
  /** The activity, when its output has a schema. */
  readonly n?: string;
}

export class Tokens {
  readonly #host: HandleHost;
  readonly #sealer: Sealer;

  readonly #outputOf: (activity: string) => StandardSchemaV1 | undefined;

  /** @param outputOf the schema of an activity's output, where it is known: else whoever advances the run validates the result. */
  constructor(
    host: HandleHost,
    sealer: Sealer,
    outputOf: (activity: string) => StandardSchemaV1 | undefined = () => undefined,
  ) {
    this.#host = host;
    this.#outputOf = outputOf;
    this.#sealer = sealer;
  }

  async complete(token: string, result: unknown): Promise<void> {
    const { run, c, g = 0, a = 1, n } = this.#read(token);
    const schema = n === undefined ? undefined : this.#outputOf(n);
    const value = schema === undefined ? result : await validated(schema, result, outputOf(n!));
    // Whoever waits for a callback takes undefined for its timeout.
    const data = encodePayload(c === undefined ? (value ?? null) : value, this.#host.codec);
    const valid = schema !== undefined && { q: true as const };
    if (c === undefined) await this.#send(run, "signal", callbackSignal(token), data, "callback");
    else
      await this.#send(run, "outcome", "", foreignOutcome({ c, g, a, ...this.#meantFor(run), ...valid }, data), null);
  }

  async fail(token: string, error: Error): Promise<void> {
    const { run, c, g = 0, a = 1 } = this.#read(token);
    if (c === undefined)
      throw new PerdureError(
        "INVALID_ARGUMENT",
        "a callback takes an answer, no failure; put the failure into the answer",
      );
    await this.#send(
      run,
      "outcome",
      "",
      foreignOutcome({ c, g, a, ...this.#meantFor(run), e: toFailure(error) }),
      null,
    );
  }

  #read(token: string): Addressed {
    try {
      return JSON.parse(this.#sealer.unseal(token)) as Addressed;
    } catch (cause) {
      throw new PerdureError("INVALID_ARGUMENT", "this is no token of this store, or it was changed on the way", {
        cause,
      });
    }
  }

  /** An attempt belongs to its run, not to one that continues it. */
  #meantFor(runId: string): { u?: number } {
    const run = parseRunId(this.#host.store.id, runId);
    return run === undefined ? {} : { u: run };
  }

  /** A callback is answered once: the first answer counts. */
  async #send(runId: string, kind: MessageKind, name: string, data: string, once: string | null): Promise<void> {
    const run = parseRunId(this.#host.store.id, runId);
    if (run === undefined) throw new PerdureError("INVALID_ARGUMENT", "this token belongs to another store");
    const key = once === null ? null : `${once}:${name}`;
    const sent = await this.#host.store.send({ run, kind, name, data, at: this.#host.now(), key });
    if (!("refused" in sent)) return;
    throw sent.refused === "closed"
      ? new PerdureError("RUN_CLOSED", `run ${runId} has ended; nobody waits for this token any more`)
      : new PerdureError("NOT_FOUND", `run ${runId} does not exist (any more)`);
  }
}
