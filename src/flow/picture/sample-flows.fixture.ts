/** Flows that tests of plans and pictures share. */
import type { AgentStep, FlowDefinition, SignalConfig, StepBase, TaskStep, TimerConfig } from "../model.ts";

type Extra = Partial<Omit<StepBase, "id" | "dependsOn">>;

function task(
  id: string,
  activity: string,
  dependsOn: readonly string[] = [],
  extra: Partial<TaskStep> = {},
): TaskStep {
  return { kind: "task", id, activity, dependsOn, ...extra };
}

function agent(id: string, name: string, dependsOn: readonly string[] = [], extra: Partial<AgentStep> = {}): AgentStep {
  return { kind: "agent", id, agent: name, dependsOn, ...extra };
}

function signal(id: string, config: SignalConfig, dependsOn: readonly string[], extra: Extra = {}) {
  return { kind: "signal", id, signal: config, dependsOn, ...extra } as const;
}

function timer(id: string, config: TimerConfig, dependsOn: readonly string[], extra: Extra = {}) {
  return { kind: "timer", id, timer: config, dependsOn, ...extra } as const;
}

/** Three extractions side by side, a maintenance window, a load. */
export const nightlyEtl: FlowDefinition = {
  name: "nightly-etl",
  description: "Extract from three sources, transform, and load in the maintenance window",
  steps: [
    task("validate_sources", "etl-service/validate_data_sources"),
    task("extract_database", "etl-service/extract_from_database", ["validate_sources"]),
    task("extract_api", "etl-service/extract_from_api", ["validate_sources"]),
    task("extract_files", "etl-service/extract_from_files", ["validate_sources"]),
    task("merge_extracted_data", "etl-service/merge_data", ["extract_database", "extract_api", "extract_files"]),
    task("clean_data", "etl-service/clean_and_normalize", ["merge_extracted_data"]),
    task("enrich_data", "etl-service/enrich_with_metadata", ["clean_data"]),
    timer("wait_for_maintenance_window", { key: "maintenance", cron: "0 3 * * *" }, ["enrich_data"]),
    task("load_to_warehouse", "etl-service/load_data_warehouse", ["wait_for_maintenance_window"]),
    task("generate_reports", "reporting-service/generate_daily_reports", ["load_to_warehouse"]),
  ],
};

/** A wait with an escalation branch that joins again. */
export const documentApproval: FlowDefinition = {
  name: "document-approval",
  description: "Publish a document once somebody has approved it",
  steps: [
    task("submit_document", "doc-service/submit_for_review"),
    task("notify_reviewers", "notification-service/send_review_notifications", ["submit_document"]),
    signal("wait_for_approval", { name: "document_approved", timeoutMs: 172_800_000, onTimeout: "escalate_approval" }, [
      "notify_reviewers",
    ]),
    task("escalate_approval", "doc-service/escalate_to_manager"),
    signal("wait_escalated_approval", { name: "escalated_approval", timeoutMs: 86_400_000 }, ["escalate_approval"]),
    task("publish_document", "doc-service/publish_approved_document", ["wait_for_approval", "wait_escalated_approval"]),
  ],
};

/** A chain of agents whose last one may fail. */
export const dataPipeline: FlowDefinition = {
  name: "data-pipeline",
  description: "Extract, transform, and load data",
  timeoutMs: 3_600_000,
  retry: { maxAttempts: 3, backoff: "exponential" },
  steps: [
    agent("extract", "data-extractor"),
    agent("transform", "data-transformer", ["extract"]),
    agent("load", "data-loader", ["transform"]),
    agent("validate", "data-validator", ["load"]),
    agent("notify", "notifier", ["validate"], { onError: "continue" }),
  ],
};

/** A bit of everything: conditions, joins, fallbacks, long edges, long texts. */
export const orderFulfilment: FlowDefinition = {
  name: "order-fulfilment",
  description: "Charge, reserve, ship; with a fallback carrier and a person for the odd cases",
  steps: [
    task("receive", "orders/receive"),
    task("fraud-check", "risk/score_order", ["receive"], { description: "Scores the order between 0 and 1" }),
    task("reserve_stock", "warehouse/reserve", ["receive"]),
    task("charge", "payments/charge_card", ["fraud-check"], { onError: { goto: "ask_for_other_card" } }),
    agent("ask_for_other_card", "customer-mailer"),
    signal("review", { name: "fraud_review_decision", timeoutMs: 5_400_000, onTimeout: "reject" }, ["fraud-check"], {
      when: "steps['fraud-check'].output.score > 0.8 && input.total > 500",
    }),
    agent("reject", "reject-order-and-tell-the-customer-why-politely-in-their-language"),
    timer("cool_down", { delayMs: 90_000 }, ["reserve_stock"]),
    task("ship_fast", "carriers/express", ["charge", "cool_down", "review"], { when: "input.express" }),
    task("ship_slow", "carriers/standard", ["charge", "cool_down", "review"], { when: "!input.express" }),
    agent("say_thanks", "customer-mailer", ["ship_fast", "ship_slow"], { join: "any", onError: "continue" }),
    task("archive", "orders/archive", ["receive", "say_thanks", "reject"]),
  ],
};
