/** Flows: workflows as steps that depend on one another, in YAML, JSON or TypeScript. */
export { type CommandConfig, CommandError, commandAgent, EXIT_FATAL } from "./agents/command.ts";
export { type AgentFile, agentsOf, loadAgentFile } from "./agents/file.ts";
export type { FlowDict, StepDict, TimerDict } from "./definition-dict.ts";
export type { FlowJson } from "./definition-json.ts";
export { type Flow, type FlowOptions, type FlowSurroundings, flow, flowOf, isFlow } from "./flow.ts";
export { FlowStepError, SignalTimeoutError } from "./flow-error.ts";
export type {
  AgentStep,
  FlowDefinition,
  FlowRetention,
  FlowRetry,
  FlowSchedule,
  FlowStep,
  Join,
  Json,
  OnError,
  Problem,
  ProblemCode,
  RetryPolicy,
  SignalConfig,
  SignalStep,
  StepBase,
  TaskStep,
  TimerConfig,
  TimerStep,
  WorkStep,
} from "./model.ts";
export { flowToDot } from "./picture/dot.ts";
export { flowToMermaid } from "./picture/mermaid.ts";
export { flowToSvg, type SvgOptions } from "./picture/svg.ts";
export { type Branch, type FlowPlan, type Gate, planFlow } from "./plan.ts";
export { formatProblem, hasErrors } from "./problem.ts";
export { type FlowReading, flowFromDict, flowFromJSON, parseFlow, type ReadOptions, readFlow } from "./reader.ts";
export { FLOW_SCHEMA, type JsonSchema, type JsonType } from "./schema.ts";
export {
  agent,
  type SignalSettings,
  type StepSettings,
  type TimerSettings,
  task,
  type WorkSettings,
  waitForSignal,
  waitForTimer,
} from "./step-builders.ts";
export { assertValid, type KnownNames, validateFlow } from "./validation.ts";
