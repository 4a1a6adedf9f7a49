import { describe, expect, it } from "vitest";
import { readDefinition, writeDefinition } from "../../src/flow/definition-json.ts";
import type { FlowDefinition, FlowRetry, FlowStep, Json, OnError } from "../../src/flow/index.ts";
import fc from "../properties.ts";

const id = fc.stringMatching(/^[a-z][a-z0-9_-]{0,8}$/);
const text = fc.string({ maxLength: 10 });
const span = fc.integer({ min: 0, max: 400 * 86_400_000 });
const json = fc.jsonValue({ maxDepth: 2 }).map((value) => JSON.parse(JSON.stringify(value)) as Json);

const retry: fc.Arbitrary<FlowRetry> = fc.record(
  {
    maxAttempts: fc.oneof(fc.integer({ min: 1, max: 99 }), fc.constant(Number.POSITIVE_INFINITY)),
    backoff: fc.constantFrom("exponential", "linear", "constant"),
    initialMs: span,
    factor: fc.double({ min: 1, max: 9, noNaN: true }),
    maxMs: span,
    jitter: fc.double({ min: 0.01, max: 1, noNaN: true }),
    on: fc.array(text, { maxLength: 2 }),
    notOn: fc.array(text, { maxLength: 2 }),
  },
  { requiredKeys: [] },
);

const onError: fc.Arbitrary<OnError> = fc.oneof(
  fc.constantFrom("fail", "continue", "retry"),
  id.map((goto) => ({ goto })),
);
const base = {
  id,
  dependsOn: fc.array(id, { maxLength: 3 }),
  description: text,
  when: fc.constantFrom("true", "input.x", "steps.a.output == 1"),
  onError,
  join: fc.constantFrom("all", "any"),
};
const work = { ...base, input: json, retry, timeoutMs: span, objectKeys: fc.array(text, { maxLength: 2 }) };

const step: fc.Arbitrary<FlowStep> = fc.oneof(
  fc.record(
    { kind: fc.constant("task"), activity: id, ...work },
    { requiredKeys: ["kind", "id", "dependsOn", "activity"] },
  ),
  fc.record({ kind: fc.constant("agent"), agent: id, ...work }, { requiredKeys: ["kind", "id", "dependsOn", "agent"] }),
  fc.record(
    {
      kind: fc.constant("signal"),
      ...base,
      signal: fc.record({ name: text, timeoutMs: span, onTimeout: id }, { requiredKeys: ["name"] }),
    },
    { requiredKeys: ["kind", "id", "dependsOn", "signal"] },
  ),
  fc.record(
    {
      kind: fc.constant("timer"),
      ...base,
      timer: fc.record(
        { key: text, delayMs: span, cron: text, timezone: text, maxRetries: fc.nat() },
        { requiredKeys: [] },
      ),
    },
    { requiredKeys: ["kind", "id", "dependsOn", "timer"] },
  ),
) as fc.Arbitrary<FlowStep>;

const schedule = fc.oneof(
  fc.record({ cron: text, timezone: text, catchUpMs: span, limit: fc.nat() }, { requiredKeys: ["cron"] }),
  fc.record({ everyMs: span, jitterMs: span, overlap: text, input: json, note: text }, { requiredKeys: ["everyMs"] }),
  fc.record({ at: text, startAt: text, endAt: text }, { requiredKeys: ["at"] }),
);

const retention = fc.oneof(
  span,
  fc.record({ completed: span, failed: span, timed_out: span, default: span }, { requiredKeys: [] }),
);

const definition: fc.Arbitrary<FlowDefinition> = fc.record(
  {
    name: text,
    steps: fc.array(step, { maxLength: 5 }),
    description: text,
    retry,
    timeoutMs: span,
    maxParallel: fc.nat(),
    schedule,
    retention,
    output: json,
  },
  { requiredKeys: ["name", "steps"] },
);

describe("any definition", () => {
  it("comes back the same from its JSON text", () => {
    fc.assert(
      fc.property(definition, (model) => {
        const read = readDefinition(JSON.parse(JSON.stringify(writeDefinition(model))));
        expect(read.findings).toEqual([]);
        expect(read.partial.size).toBe(0);
        expect(read.definition).toEqual(model);
      }),
      { numRuns: 200 },
    );
  });
});
