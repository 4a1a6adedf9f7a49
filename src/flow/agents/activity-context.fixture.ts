/** An activity's context made by hand, for tests that run activities without an engine. */
import type { ActivityContext } from "../../workflow/activity.ts";

/** What was logged, and a context that logs there. */
export interface ContextFixture {
  readonly ctx: ActivityContext;
  readonly logged: string[];
  readonly abort: AbortController;
}

/** A complete context; `overrides` replace parts of it. */
export function activityContext(overrides: Partial<ActivityContext> = {}): ContextFixture {
  const logged: string[] = [];
  const abort = new AbortController();
  const log = (_fields: object, message = ""): void => void logged.push(message);
  const ctx: ActivityContext = {
    signal: abort.signal,
    attempt: 2,
    idempotencyKey: "store-1:7",
    workflowId: "etl-2026-03-01",
    runId: "store-1",
    workflow: "etl",
    step: "extract",
    secrets: {},
    deps: undefined,
    extra: undefined,
    upstream: {},
    runInput: undefined,
    heartbeat: () => undefined,
    completeLater: () => "token",
    lastHeartbeat: undefined,
    log: { debug: log, info: log, warn: log, error: log },
    ...overrides,
  };
  return { ctx, logged, abort };
}
