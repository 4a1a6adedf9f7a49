/** What agents may be described by: in files, in the words of flow files; in code, in those of {@link CommandConfig}. */
import { FLOW_SCHEMA, type JsonSchema } from "../schema.ts";

const fileWords: Readonly<Record<string, JsonSchema>> = FLOW_SCHEMA.$defs ?? {};

const namedAgents: JsonSchema = {
  title: "a mapping of names to { command: [program, argument] }",
  type: "object",
  additionalProperties: { $ref: "#/$defs/agent" },
};

/** The schema of a YAML or JSON file of agents and activities. */
export const AGENT_FILE_SCHEMA: JsonSchema = {
  title: "a mapping with agents, activities or both",
  type: "object",
  additionalProperties: false,
  properties: { agents: namedAgents, activities: namedAgents },
  $defs: fileWords,
};

const milliseconds: JsonSchema = {
  title: "a duration such as 30s, 1h30m, 2d, PT10S or a number of milliseconds",
  anyOf: [{ type: "number", minimum: 0 }, ...(fileWords.duration?.anyOf ?? []).filter((of) => of.type === "string")],
};

const fileRetry: Readonly<Record<string, JsonSchema>> = fileWords.retry?.properties ?? {};
const { max_attempts: _, not_on, ...sharedRetry } = fileRetry;

const codeRetry: JsonSchema = {
  title: "a retry policy such as { maxAttempts: 5, backoff: 'exponential' }",
  type: "object",
  additionalProperties: false,
  properties: {
    maxAttempts: { title: "a whole number from 1, or Infinity", type: "number", minimum: 1 },
    ...sharedRetry,
    ...(not_on !== undefined && { notOn: not_on }),
  },
};

/** The schema of agents and activities that code describes as data. */
export const AGENT_CODE_SCHEMA: JsonSchema = {
  ...AGENT_FILE_SCHEMA,
  $defs: { ...fileWords, duration: milliseconds, retry: codeRetry },
};
