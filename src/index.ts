/** Perdure: durable workflows. What authors and callers import. */
export { type AgentSource, defineConfig, type PerdureConfig } from "./cli/config.ts";
export type { AwaitedCode } from "./client/awaited-code.ts";
export type { BulkAction, BulkOptions, BulkReport } from "./client/bulk.ts";
export { connect } from "./client/connect.ts";
export type { Connection } from "./client/connection.ts";
export type { ForkOptions } from "./client/fork.ts";
export { open } from "./client/open.ts";
export type { OpenOptions } from "./client/open-options.ts";
export type { Pause, PauseTarget } from "./client/pause-control.ts";
export type { Perdure } from "./client/perdure.ts";
export type { QueueOptions } from "./client/queue-options.ts";
export type { QueueStatus } from "./client/queues.ts";
export type { ReplayOptions, ReplayReport } from "./client/replays.ts";
export type { ResetOptions } from "./client/reset.ts";
export type { OpenStep, RunDescription } from "./client/run-description.ts";
export type { HistoryEvent, RunHandle, SignalOptions, UpdateHandle, UpdateOptions } from "./client/run-handle.ts";
export type { ListOptions, Runs } from "./client/runs.ts";
export type {
  BackfillOptions,
  ScheduleCall,
  ScheduleDescription,
  ScheduleHandle,
  Schedules,
  TriggerOptions,
} from "./client/schedules.ts";
export type { AskOptions, StartOptions, WithPayload, WithSignal, WithUpdate } from "./client/starts.ts";
export { CancelledError } from "./core/cancelled.ts";
export type { Point } from "./core/cut.ts";
export type { Duration } from "./core/duration.ts";
export { type ErrorCode, isPerdureError, PerdureError } from "./core/errors.ts";
export type { EventType } from "./core/events.ts";
export type { Failure } from "./core/failure.ts";
export type { PayloadCodec } from "./core/payload.ts";
export type { RetryOptions } from "./core/retry-policy.ts";
export type { InferInput, InferOutput, StandardSchemaV1, ValueSchemas } from "./core/schema.ts";
export type { StoreTransaction } from "./core/sql-transaction.ts";
export type { ClosedStatus, OnParentClose, RunStatus, StepStatus } from "./core/status.ts";
export type { ArchivedRun } from "./engine/archived-run.ts";
export type { Archive } from "./engine/collector.ts";
export type { GuardMode } from "./engine/guard/guard.ts";
export type { Observer, RunEvent } from "./engine/observers.ts";
export type { ActivitySet } from "./engine/registry.ts";
export type { LentTransaction } from "./store/admissions.ts";
export {
  type Activity,
  type ActivityContext,
  type ActivityOptions,
  type AnyActivity,
  activity,
  FatalError,
  RetryError,
} from "./workflow/activity.ts";
export type {
  Callback,
  CancelScope,
  ChildHandle,
  ChildOptions,
  Decision,
  MapWork,
  PeerHandle,
  RunInfo,
  SecretInput,
  StepOptions,
  WorkflowContext,
} from "./workflow/context.ts";
export {
  type AnyEntity,
  type Entity,
  type EntityClient,
  type EntityContext,
  type EntityDefinition,
  type EntityInput,
  entity,
  type OperationOptions,
} from "./workflow/entity.ts";
export type { Logger } from "./workflow/logger.ts";
export type { MapOptions, Settled } from "./workflow/map.ts";
export type { Retention } from "./workflow/retention.ts";
export type { Compensation, Saga, Undo } from "./workflow/saga.ts";
export type { Overlap, ScheduleOptions, ScheduleSpec, ScheduleTiming, Time } from "./workflow/schedule-spec.ts";
export type { ScheduleCause, ScheduleEntry, SchedulePause, WaitingStart } from "./workflow/schedule-state.ts";
export { type Query, query, type Signal, signal, type Update, update } from "./workflow/signal.ts";
export { type AnyWorkflow, type Workflow, workflow } from "./workflow/workflow.ts";
