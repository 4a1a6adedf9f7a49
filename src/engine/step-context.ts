/** What an attempt of a step sees: its input, and a context whose costly parts are made when they are first looked at. */
import { idempotencyKey } from "../core/ids.ts";
import { decodePayload, type Payload, type PayloadCodec } from "../core/payload.ts";
import type { ActivityContext } from "../workflow/activity.ts";
import type { Logger } from "../workflow/logger.ts";
import { type LogWords, logWords } from "./log.ts";
import { encodeWithoutSecrets, fillSecrets, redactFields, redactText, type Secrets } from "./secrets.ts";
import type { StepRun } from "./step-run.ts";

interface Facts {
  readonly runId: string;
  readonly workflowId: string;
  readonly workflow: string;
  readonly secrets: Secrets;
}

interface Host {
  readonly log: Logger;
  readonly deps: unknown;
  readonly codec: PayloadCodec | undefined;
}

type Tell = (level: string, message: string) => void;

class StepContext implements ActivityContext {
  readonly #step: StepRun;
  readonly #facts: Facts;
  readonly #host: Host;
  readonly #tell: Tell;
  readonly attempt: number;
  /** Details that earlier attempts left. */
  readonly #before: Payload | null;
  #extra: unknown;
  #extraDecoded = false;
  #log: Logger | undefined;

  constructor(step: StepRun, facts: Facts, host: Host, tell: Tell) {
    this.#step = step;
    this.#facts = facts;
    this.#host = host;
    this.#tell = tell;
    this.attempt = step.attempt;
    this.#before = step.heartbeatText;
  }

  get signal(): AbortSignal {
    return this.#step.attempt === this.attempt ? this.#step.signal : AbortSignal.abort();
  }

  get idempotencyKey(): string {
    return idempotencyKey(this.#facts.runId, this.#step.command.id, this.#step.command.generation);
  }

  get workflowId(): string {
    return this.#facts.workflowId;
  }

  get runId(): string {
    return this.#facts.runId;
  }

  get workflow(): string {
    return this.#facts.workflow;
  }

  get step(): string {
    return this.#step.command.label ?? this.#step.command.name;
  }

  get secrets(): Secrets {
    return this.#facts.secrets;
  }

  get deps(): unknown {
    return this.#host.deps;
  }

  get extra(): unknown {
    if (!this.#extraDecoded) {
      this.#extraDecoded = true;
      const text = this.#step.command.spec.extra;
      this.#extra = text === undefined ? undefined : decodePayload(text);
    }
    return this.#extra;
  }

  get upstream(): Readonly<Record<string, unknown>> {
    return (this.extra as { upstream?: Record<string, unknown> } | undefined)?.upstream ?? {};
  }

  get runInput(): unknown {
    return (this.extra as { runInput?: unknown } | undefined)?.runInput;
  }

  heartbeat(details?: unknown): void {
    const { codec } = this.#host;
    const what = "the heartbeat's details";
    const text = details === undefined ? null : encodeWithoutSecrets(this.#facts.secrets, details, codec, what);
    this.#step.heartbeat(this.attempt, text);
  }

  completeLater(): string {
    return this.#step.completeLater(this.attempt);
  }

  get lastHeartbeat(): unknown {
    return this.#before === null ? undefined : decodePayload(this.#before, this.#host.codec);
  }

  get log(): Logger {
    this.#log ??= this.#makeLog();
    return this.#log;
  }

  #makeLog(): Logger {
    const { workflow, workflowId, runId, secrets } = this.#facts;
    const bound = { workflow, workflowId, runId, step: this.step, attempt: this.attempt };
    const write =
      (level: keyof Logger) =>
      (...given: LogWords): void => {
        const [fields, message] = logWords(given);
        const text = message === undefined ? undefined : redactText(secrets, message);
        this.#host.log[level]({ ...bound, ...redactFields(secrets, fields) }, text);
        if (text !== undefined) this.#tell(level, text);
      };
    return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  }
}

/** What an attempt starts with. */
export interface Prepared {
  readonly input: unknown;
  readonly context: ActivityContext;
}

/** Decodes the input of an attempt, secrets filled in, and builds its context. */
export function prepareStep(step: StepRun, facts: Facts, host: Host, tell: Tell): Prepared {
  const { input: payload, secretInputs } = step.command.spec;
  let input = payload === undefined ? undefined : decodePayload(payload);
  if (secretInputs !== undefined) input = fillSecrets(input, secretInputs, facts.secrets);
  return { input, context: new StepContext(step, facts, host, tell) };
}
