/** Every flow of the original flow documentation, as TypeScript. One function each, so that they can be executed too. */
import { type Flow, flow, task, waitForSignal, waitForTimer } from "../../src/flow/index.ts";

export function dataPipeline(): Flow {
  return flow("data_pipeline", [
    task("extract", "etl-service/extract_data"),
    task("transform", "etl-service/transform_data", { dependsOn: ["extract"] }),
    task("load", "etl-service/load_data", { dependsOn: ["transform"] }),
  ]);
}

export function parallelProcessing(): Flow {
  return flow("parallel_processing", [
    task("process_a", "service/process_type_a"),
    task("process_b", "service/process_type_b"),
    task("process_c", "service/process_type_c"),
    task("merge_results", "service/merge_results", { dependsOn: ["process_a", "process_b", "process_c"] }),
  ]);
}

export function taskSteps(): Flow {
  return flow("task_steps", [
    task("unique_step_name", "my-service/my_handler"),
    task("previous_step", "my-service/prepare"),
    task("dependent_step", "my-service/process_data", {
      dependsOn: ["previous_step"],
      input: { config: "production", batch_size: 100 },
    }),
    task("init_step", "object-service/init"),
    task("object_step", "object-service/update_state", {
      dependsOn: ["init_step"],
      objectKeys: ["user:123", "cart:456"],
    }),
  ]);
}

export function signalSteps(): Flow {
  return flow("signal_steps", [
    task("review_step", "review-service/review"),
    waitForSignal("wait_for_approval", "approval_granted", { dependsOn: ["review_step"] }),
    task("prompt_user", "prompt-service/prompt"),
    waitForSignal("wait_with_timeout", "user_action", {
      dependsOn: ["prompt_user"],
      timeout: 300_000,
      onTimeout: "timeout_handler_step",
    }),
    task("timeout_handler_step", "prompt-service/handle_timeout"),
  ]);
}

export function timerSteps(): Flow {
  return flow("timer_steps", [
    task("failed_step", "service/may_fail"),
    waitForTimer("delay_before_retry", { key: "retry_delay", delay: 30_000, dependsOn: ["failed_step"] }),
    task("prep_step", "service/prepare"),
    waitForTimer("nightly_batch", { key: "nightly", cron: "0 2 * * *", dependsOn: ["prep_step"] }),
    task("error_step", "service/error"),
    waitForTimer("retry_with_backoff", {
      key: "exponential_backoff",
      delay: 5000,
      maxRetries: 3,
      dependsOn: ["error_step"],
    }),
  ]);
}

export function nightlyEtl(): Flow {
  return flow("nightly_etl", [
    task("validate_sources", "etl-service/validate_data_sources"),
    task("extract_database", "etl-service/extract_from_database", { dependsOn: ["validate_sources"] }),
    task("extract_api", "etl-service/extract_from_api", { dependsOn: ["validate_sources"] }),
    task("extract_files", "etl-service/extract_from_files", { dependsOn: ["validate_sources"] }),
    task("merge_extracted_data", "etl-service/merge_data", {
      dependsOn: ["extract_database", "extract_api", "extract_files"],
    }),
    task("clean_data", "etl-service/clean_and_normalize", { dependsOn: ["merge_extracted_data"] }),
    task("enrich_data", "etl-service/enrich_with_metadata", { dependsOn: ["clean_data"] }),
    waitForTimer("wait_for_maintenance_window", {
      key: "maintenance",
      cron: "0 3 * * *",
      dependsOn: ["enrich_data"],
    }),
    task("load_to_warehouse", "etl-service/load_data_warehouse", { dependsOn: ["wait_for_maintenance_window"] }),
    task("generate_reports", "reporting-service/generate_daily_reports", { dependsOn: ["load_to_warehouse"] }),
  ]);
}

export function documentApproval(): Flow {
  return flow("document_approval", [
    task("submit_document", "doc-service/submit_for_review", { input: { priority: "normal" } }),
    task("notify_reviewers", "notification-service/send_review_notifications", { dependsOn: ["submit_document"] }),
    waitForSignal("wait_for_approval", "document_approved", {
      dependsOn: ["notify_reviewers"],
      timeout: 172_800_000,
      onTimeout: "escalate_approval",
    }),
    task("escalate_approval", "doc-service/escalate_to_manager"),
    waitForSignal("wait_escalated_approval", "escalated_approval", {
      dependsOn: ["escalate_approval"],
      timeout: 86_400_000,
    }),
    task("publish_document", "doc-service/publish_approved_document", {
      dependsOn: ["wait_for_approval", "wait_escalated_approval"],
    }),
  ]);
}

export function manualWorkflow(): Flow {
  return flow("manual_workflow")
    .add(task("step1", "service/handler1"))
    .add(task("step2", "service/handler2", { dependsOn: ["step1"] }));
}

export function serialised(): Flow {
  return flow("serialised", [task("step1", "svc/h1"), task("step2", "svc/h2", { dependsOn: ["step1"] })]);
}

export function customStep(): Flow {
  return flow("custom", [
    task("previous_step", "my-service/first"),
    task("custom_step", "my-service/my_handler", { dependsOn: ["previous_step"], input: { key: "value" } }),
  ]);
}

export function configurationClasses(): Flow {
  return flow("configuration", [
    waitForSignal("approval", "approval_signal", { timeout: 3_600_000, onTimeout: "timeout_step" }),
    task("timeout_step", "svc/timeout"),
    waitForTimer("batch", { key: "batch_timer", delay: 60_000, maxRetries: 5 }),
    waitForTimer("daily", { key: "daily_job", cron: "0 0 * * *", maxRetries: 3 }),
  ]);
}

/** The one that must be refused: `step1` does not exist. */
export function invalid(): Flow {
  return flow("invalid", [
    task("step2", "svc/h2", { dependsOn: ["step1"] }),
    task("step3", "svc/h3", { dependsOn: ["step2"] }),
  ]);
}

export function testWorkflow(): Flow {
  return flow("test_workflow", [
    task("extract", "etl/extract"),
    task("transform", "etl/transform", { dependsOn: ["extract"] }),
  ]);
}

/** All that are valid. */
export const VALID: Readonly<Record<string, () => Flow>> = {
  dataPipeline,
  parallelProcessing,
  taskSteps,
  signalSteps,
  timerSteps,
  nightlyEtl,
  documentApproval,
  manualWorkflow,
  serialised,
  customStep,
  configurationClasses,
  testWorkflow,
};
