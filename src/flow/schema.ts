/**
 * The words of a flow file, once: as a JSON Schema (draft 2020-12). Editors get it as `schema/flow.schema.json`, the reader
 * checks files against this same object (see structure.ts).
 */

import { RETENTION_SCHEMA } from "./flow-retention.ts";
import { SCHEDULE_SCHEMA } from "./flow-schedule.ts";

/** The part of JSON Schema that flow files need. */
export interface JsonSchema {
  readonly $schema?: string;
  readonly $ref?: string;
  readonly $defs?: Readonly<Record<string, JsonSchema>>;
  /** What a value must be, as a noun phrase; error messages use it. */
  readonly title?: string;
  readonly description?: string;
  readonly examples?: readonly unknown[];
  readonly default?: unknown;
  readonly type?: JsonType | readonly JsonType[];
  readonly enum?: readonly (string | number | boolean | null)[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minLength?: number;
  readonly minItems?: number;
  readonly minProperties?: number;
  readonly pattern?: string;
  readonly items?: JsonSchema;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean | JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  /** Only branches of the form `{required: [word]}`: exactly one of the words. */
  readonly oneOf?: readonly JsonSchema[];
  /** Words that exclude others: only branches of the form `{properties: {word: {not: {}}}}`. */
  readonly dependentSchemas?: Readonly<Record<string, JsonSchema>>;
  readonly not?: JsonSchema;
}

/** The types of JSON. */
export type JsonType = "object" | "array" | "string" | "number" | "integer" | "boolean" | "null";

const duration: JsonSchema = {
  title: "a duration such as 30s, 1h30m, 2d, PT10S or a number of seconds",
  description: "A span of time: 30s, 1h30m, 2d, ISO 8601 (PT10S), or a bare number of seconds.",
  anyOf: [
    { type: "number", minimum: 0 },
    {
      type: "string",
      pattern: "^\\s*(\\d+(\\.\\d+)?|P[0-9.WDTHMS]+|(\\d+(\\.\\d+)?\\s*(ms|s|m|h|d|w)\\s*)+)\\s*$",
    },
  ],
  examples: ["30s", "1h30m", "2d", "PT10S", 3600],
};

const retry: JsonSchema = {
  title: "a retry policy such as { max_attempts: 5, backoff: exponential }",
  description: "When and how a failed attempt is tried again. What is left out comes from the flow, then the activity.",
  type: "object",
  additionalProperties: false,
  properties: {
    max_attempts: {
      title: "a whole number from 1, or unlimited",
      description: "Attempts in all, the first one included. Default 3.",
      anyOf: [{ type: "integer", minimum: 1 }, { enum: ["unlimited"] }],
    },
    backoff: {
      description: "How the waits between attempts grow. Default exponential.",
      enum: ["exponential", "linear", "constant"],
    },
    initial: { $ref: "#/$defs/duration", description: "Wait before the second attempt. Default 1s." },
    factor: {
      description: "What each wait is multiplied by. Default 2.",
      type: "number",
      minimum: 1,
      title: "a number from 1",
    },
    max: { $ref: "#/$defs/duration", description: "Longest wait. Default 1m." },
    jitter: {
      title: "a number from 0 to 1",
      description: "Share of each wait that is random. Default 0.",
      type: "number",
      minimum: 0,
      maximum: 1,
    },
    on: { $ref: "#/$defs/names", description: "Retry only errors whose class, name or code is listed." },
    not_on: { $ref: "#/$defs/names", description: "Never retry errors whose class, name or code is listed." },
  },
};

const agent: JsonSchema = {
  title: "an agent such as { command: [python, review.py] }",
  description:
    "A program that does the work of an agent. It reads JSON {input, upstream, run_input} on standard input.",
  type: "object",
  additionalProperties: false,
  required: ["command"],
  properties: {
    command: {
      title: "a list of the program and its arguments",
      description: "The program and its arguments. No shell reads them.",
      type: "array",
      minItems: 1,
      items: { type: "string" },
    },
    description: { description: "What the agent does, for people.", type: "string" },
    cwd: { description: "Folder the program runs in. Default: that of the file.", type: "string" },
    env: {
      title: "a mapping of names to texts",
      description: "Environment variables beside those of the engine.",
      type: "object",
      additionalProperties: { type: "string" },
    },
    timeout: { $ref: "#/$defs/duration", description: "Longest time of one attempt. Default 10m." },
    retry: { $ref: "#/$defs/retry" },
    output: {
      description: "What standard output is. Default auto: JSON when it parses as such, otherwise text.",
      enum: ["json", "text", "auto"],
    },
  },
};

const signal: JsonSchema = {
  title: "a signal such as { name: approved, timeout: 48h, on_timeout: escalate }",
  description: "Waits until the run is sent this signal. The step's output is the signal's payload.",
  type: "object",
  additionalProperties: false,
  required: ["name"],
  properties: {
    name: { description: "Name of the signal.", type: "string", minLength: 1, title: "a name" },
    timeout: { $ref: "#/$defs/duration", description: "Longest wait. Default: for ever." },
    on_timeout: {
      description: "Id of the step that starts when the signal did not come in time, and only then.",
      type: "string",
      title: "the id of a step",
    },
  },
};

const timer: JsonSchema = {
  title: 'a timer such as { delay: 30s } or { cron: "0 3 * * *" }',
  description: "Waits for a span of time or until a cron expression matches.",
  type: "object",
  additionalProperties: false,
  oneOf: [{ required: ["delay"] }, { required: ["cron"] }],
  properties: {
    delay: { $ref: "#/$defs/duration", description: "How long to wait." },
    cron: {
      description: "Wait until the next time this cron expression matches.",
      type: "string",
      title: 'a cron expression such as "0 3 * * *"',
      examples: ["0 3 * * *"],
    },
    timezone: {
      description: "IANA time zone of the cron expression. Default UTC.",
      type: "string",
      title: "a time zone such as Europe/Berlin",
      examples: ["Europe/Berlin"],
    },
    key: { description: "A name for people and other systems; it has no effect.", type: "string" },
    max_retries: {
      description: "Kept for flows that come from elsewhere; a durable timer needs no retries.",
      type: "integer",
      minimum: 0,
      title: "a whole number",
    },
  },
};

const noWork: JsonSchema = {
  properties: { input: { not: {} }, retry: { not: {} }, timeout: { not: {} }, object_keys: { not: {} } },
};

const step: JsonSchema = {
  title: "a step such as { id: extract, task: etl/extract }",
  type: "object",
  additionalProperties: false,
  required: ["id"],
  oneOf: [{ required: ["task"] }, { required: ["agent"] }, { required: ["signal"] }, { required: ["timer"] }],
  dependentSchemas: { signal: noWork, timer: noWork },
  properties: {
    id: {
      title: "a text",
      description: "Name of the step: letters, digits, - and _. Unique within the flow.",
      type: "string",
      pattern: "^[A-Za-z0-9_][A-Za-z0-9_-]*$",
    },
    description: { description: "What the step does, for people.", type: "string" },
    task: {
      title: "the name of an activity",
      description: "Calls an activity; etl/extract means activity etl/extract on queue etl.",
      type: "string",
      minLength: 1,
    },
    agent: { title: "the name of an agent", description: "Calls an agent.", type: "string", minLength: 1 },
    signal: { $ref: "#/$defs/signal" },
    timer: { $ref: "#/$defs/timer" },
    depends_on: {
      $ref: "#/$defs/names",
      description: "Steps that must settle first. They stand earlier in the file.",
    },
    input: {
      description: "Input of the task or agent; texts may hold ${{ expressions }}. Left out: the run's input.",
    },
    when: {
      title: 'a CEL condition such as steps.check.output.ok or input.kind == "full"',
      description: "CEL condition. When it is false, the step is skipped.",
      type: ["string", "boolean"],
      minLength: 1,
    },
    retry: { $ref: "#/$defs/retry" },
    timeout: { $ref: "#/$defs/duration", description: "Longest time of one attempt. Default 10m." },
    on_error: {
      title: "fail, continue, retry or { goto: step }",
      description:
        "What happens when the step has failed for good. fail (default) fails the run; continue lets dependants run; " +
        "{ goto: id } starts a fallback step; retry is another word for fail.",
      anyOf: [
        { enum: ["fail", "continue", "retry"] },
        { type: "object", required: ["goto"], additionalProperties: false, properties: { goto: { type: "string" } } },
      ],
    },
    join: {
      description: "With several dependencies: start after all of them (default), or at the first that completes.",
      enum: ["all", "any"],
    },
    object_keys: {
      $ref: "#/$defs/names",
      description: "Names of shared objects that the step needs for itself. Kept, not yet enforced.",
    },
  },
};

/** The schema of a flow file. */
export const FLOW_SCHEMA: JsonSchema = {
  $schema: "https://json-schema.org/draft/2020-12/schema",
  title: "a flow: a mapping with name and steps",
  description: "A durable workflow as steps that depend on one another.",
  type: "object",
  additionalProperties: false,
  required: ["name", "steps"],
  properties: {
    name: { title: "a name", description: "Name of the workflow.", type: "string", minLength: 1 },
    description: { description: "What the workflow does, for people.", type: "string" },
    retry: { $ref: "#/$defs/retry", description: "Default retry policy of all steps." },
    timeout: { $ref: "#/$defs/duration", description: "Longest life of a run, waits included. Default: none." },
    max_parallel: {
      title: "a whole number from 1",
      description: "How many tasks and agents may run at a time. Waits do not count. Default: no limit.",
      type: "integer",
      minimum: 1,
    },
    schedule: {
      $ref: "#/$defs/schedule",
      description: "When the flow starts by itself, on engines that are opened with it.",
    },
    retention: {
      $ref: "#/$defs/retention",
      description: "How long runs are kept after their end, then engines that are opened with it delete them.",
    },
    agents: {
      title: "a mapping of names to agents",
      description: "Agents that only this flow needs, by name.",
      type: "object",
      additionalProperties: { $ref: "#/$defs/agent" },
    },
    steps: {
      title: "a list of steps",
      description: "The steps. Those without open dependencies start at once, in this order.",
      type: "array",
      items: { $ref: "#/$defs/step" },
    },
    output: {
      description:
        "Output of the run; texts may hold ${{ expressions }}. Default: the outputs of the last steps, by id.",
    },
  },
  $defs: {
    duration,
    names: { title: "a list of names", type: "array", items: { type: "string", title: "a text" } },
    retry,
    agent,
    signal,
    timer,
    schedule: SCHEDULE_SCHEMA,
    retention: RETENTION_SCHEMA,
    step,
  },
};

const seedSignal: JsonSchema = {
  title: "a signal with name, timeout_ms and on_timeout",
  type: "object",
  additionalProperties: false,
  required: ["name"],
  properties: {
    name: { type: "string", title: "a name" },
    timeout_ms: { type: ["number", "null"], title: "a number of milliseconds" },
    on_timeout: { type: ["string", "null"], title: "the name of a step" },
  },
};

const seedTimer: JsonSchema = {
  title: "a timer with key and delay_ms or cron_expr",
  type: "object",
  additionalProperties: false,
  properties: {
    key: { type: "string" },
    timer_key: { type: "string" },
    delay_ms: { type: ["number", "null"], title: "a number of milliseconds" },
    cron_expr: { type: ["string", "null"], title: "a cron expression" },
    max_retries: { type: ["integer", "null"], title: "a whole number" },
  },
};

const nullableNames: JsonSchema = { type: ["array", "null"], items: { type: "string" }, title: "a list of names" };

/** The schema of the dictionary form: `service_name`, `handler_name`, `dependencies`, `timeout_ms`. */
export const DICT_SCHEMA: JsonSchema = {
  title: "a flow: an object with steps",
  type: "object",
  additionalProperties: false,
  required: ["steps"],
  properties: {
    name: { type: "string", minLength: 1, title: "a name" },
    steps: {
      title: "a list of steps",
      type: "array",
      items: {
        title: "a step",
        type: "object",
        additionalProperties: false,
        required: ["name"],
        properties: {
          name: { type: "string", title: "a text" },
          type: { enum: ["task", "wait_signal", "wait_timer"] },
          service_name: { type: ["string", "null"] },
          handler_name: { type: ["string", "null"] },
          dependencies: nullableNames,
          object_keys: nullableNames,
          input_data: {},
          signal: seedSignal,
          timer: seedTimer,
        },
      },
    },
  },
};
