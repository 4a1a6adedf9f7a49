/** Perdure: durable workflows. What authors and callers import. */
export { type AgentSource, defineConfig, type PerdureConfig } from "./cli/config.ts";
export { type Connection, connect } from "./client/connect.ts";
export { type ListOptions, type OpenOptions, open, type Perdure, type Runs, type StartOptions } from "./client/open.ts";
export type { HistoryEvent, OpenStep, RunDescription, RunHandle } from "./client/run-handle.ts";
export { CancelledError } from "./core/cancelled.ts";
export type { Duration } from "./core/duration.ts";
export { type ErrorCode, isPerdureError, PerdureError } from "./core/errors.ts";
export type { EventType } from "./core/events.ts";
export type { Failure } from "./core/failure.ts";
export type { PayloadCodec } from "./core/payload.ts";
export type { RetryOptions } from "./core/retry-policy.ts";
export type { ClosedStatus, RunStatus, StepStatus } from "./core/status.ts";
export type { Observer, RunEvent } from "./engine/observers.ts";
export type { ActivitySet } from "./engine/registry.ts";
export {
  type Activity,
  type ActivityContext,
  type ActivityOptions,
  type AnyActivity,
  activity,
  FatalError,
  RetryError,
} from "./workflow/activity.ts";
export type { RunInfo, SecretInput, StepOptions, WorkflowContext } from "./workflow/context.ts";
export type { Logger } from "./workflow/logger.ts";
export { type Signal, signal } from "./workflow/signal.ts";
export { type AnyWorkflow, type Workflow, workflow } from "./workflow/workflow.ts";
