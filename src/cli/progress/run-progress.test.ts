import { describe, expect, test } from "vitest";
import type { HistoryEvent } from "../../client/run-handle.ts";
import type { EventData, EventType } from "../../core/events.ts";
import type { RunEvent } from "../../engine/observers.ts";
import type { FlowDefinition } from "../../flow/model.ts";
import { type Change, RunProgress } from "./run-progress.ts";

const FLOW: FlowDefinition = {
  name: "flow",
  steps: [
    { id: "load", kind: "agent", agent: "loader", dependsOn: [] },
    { id: "notify", kind: "agent", agent: "notifier", dependsOn: [], onError: "continue" },
    { id: "ask", kind: "signal", signal: { name: "ok", onTimeout: "escalate", timeoutMs: 1000 }, dependsOn: ["load"] },
    { id: "escalate", kind: "agent", agent: "mailer", dependsOn: [] },
    { id: "done", kind: "agent", agent: "closer", dependsOn: ["ask"] },
  ],
};
const RUN = { workflow: "flow", workflowId: "f1", runId: "s-1" };

function live(type: RunEvent["type"], at: number, fields: object = {}): RunEvent {
  return { ...RUN, type, at, ...fields } as RunEvent;
}

function step(name: string, command: number): object {
  return { command, kind: "activity", step: name, name: "agent:x" };
}

function past(seq: number, type: EventType, at: number, data: EventData = {}): HistoryEvent {
  return { seq, type, at, step: data.l ?? data.n, data };
}

function states(progress: RunProgress): Record<string, string> {
  return Object.fromEntries(progress.steps.map(({ name, state }) => [name, state]));
}

describe("the progress of a run", () => {
  test("has the steps of a flow in definition order before anything happens", () => {
    expect(states(new RunProgress(FLOW))).toEqual({
      load: "pending",
      notify: "pending",
      ask: "pending",
      escalate: "pending",
      done: "pending",
    });
  });

  test("follows attempts, retries and outcomes", () => {
    const progress = new RunProgress(FLOW);
    progress.apply(live("run.started", 0));
    progress.apply(live("step.started", 10, { ...step("load", 1), attempt: 1 }));
    expect(progress.steps[0]).toMatchObject({ state: "running", attempts: 1, since: 10 });
    const error = { name: "Error", message: "busy" };
    progress.apply(live("step.retrying", 20, { ...step("load", 1), attempt: 1, error, nextAt: 1020 }));
    expect(progress.steps[0]).toMatchObject({ state: "retrying", error: "busy", due: 1020 });
    progress.apply(live("step.started", 1020, { ...step("load", 1), attempt: 2 }));
    progress.apply(live("step.completed", 1050, { ...step("load", 1), attempts: 2, durationMs: 30 }));
    expect(progress.steps[0]).toMatchObject({ state: "completed", attempts: 2, durationMs: 30 });
  });

  test("tells each change once, though history and live events both report it", () => {
    const changes: Change[] = [];
    const progress = new RunProgress(FLOW, (change) => changes.push(change));
    progress.apply(live("step.completed", 5, { ...step("load", 1), attempts: 1, durationMs: 5 }));
    progress.applyHistory(past(1, "RunStarted", 0));
    progress.applyHistory(past(2, "StepCompleted", 5, { c: 1, k: "activity", n: "agent:loader", l: "load", d: 5 }));
    expect(changes).toHaveLength(1);
  });

  test("calls a failed step failed, or continued where its flow goes on", () => {
    const error = { name: "Error", message: "no" };
    const progress = new RunProgress(FLOW);
    progress.apply(live("step.failed", 5, { ...step("load", 1), attempts: 1, durationMs: 5, error }));
    progress.apply(live("step.failed", 5, { ...step("notify", 2), attempts: 1, durationMs: 5, error }));
    expect(states(progress)).toMatchObject({ load: "failed", notify: "continued" });
  });

  test("reads skipped steps, timeouts and ended waits from notes", () => {
    const progress = new RunProgress(FLOW);
    progress.applyHistory(past(1, "RunStarted", 0));
    const outcome = { c: 1, k: "activity", n: "agent:loader", l: "load" } as const;
    progress.applyHistory(past(2, "StepCompleted", 5, outcome));
    const timedOut = { c: 2, k: "wait", n: "ok", l: "ask" } as const;
    progress.applyHistory(past(3, "WaitTimedOut", 1005, timedOut));
    const o = [
      { k: "step.goto", step: "ask", target: "escalate", reason: "timeout" },
      { k: "step.skipped", step: "done", reason: "everything it depends on was skipped" },
    ];
    progress.applyHistory(past(4, "StepCompleted", 1010, { c: 3, k: "activity", n: "agent:mailer", l: "escalate", o }));
    expect(states(progress)).toMatchObject({ ask: "timed_out", escalate: "completed", done: "skipped" });
    expect(progress.steps[2]).toMatchObject({ target: "escalate", durationMs: 1000 });
  });

  test("tells of sagas in words, and of other notes as they are", () => {
    const told: string[] = [];
    const progress = new RunProgress(FLOW, (change) => {
      if (change.kind === "note") told.push(change.text);
    });
    const o = [
      { k: "saga.compensating", steps: ["ship", "charge"], commands: [2, 1] },
      { k: "saga.compensated", step: "ship", status: "completed" },
      { k: "saga.compensated", step: "charge", status: "failed" },
      { k: "chosen", branch: "left" },
    ];
    progress.applyHistory(past(2, "StepCompleted", 5, { c: 1, k: "activity", n: "agent:loader", l: "load", o }));
    expect(told).toEqual(["undoing ship, charge", "undid ship", "undoing charge failed", 'chosen {"branch":"left"}']);
  });

  test("knows that a wait has ended, by its signal or because what follows has begun", () => {
    const signalled = new RunProgress(FLOW);
    signalled.apply(live("step.waiting", 0, { command: 2, kind: "wait", step: "ask", name: "ok", due: 1000 }));
    expect(signalled.steps[2]).toMatchObject({ state: "waiting", signal: "ok", due: 1000 });
    signalled.apply(live("signal.received", 7, { signal: "ok" }));
    expect(states(signalled)).toMatchObject({ ask: "completed" });
    const early = new RunProgress(FLOW);
    early.apply(live("step.started", 9, { ...step("done", 4), attempt: 1 }));
    expect(states(early)).toMatchObject({ ask: "completed", done: "running" });
  });

  test("takes back what a resume sets aside, and nothing else", () => {
    const progress = new RunProgress(FLOW);
    progress.applyHistory(past(1, "RunStarted", 0));
    progress.applyHistory(past(2, "StepCompleted", 5, { c: 2, k: "activity", n: "agent:notifier", l: "notify" }));
    const e = { name: "Error", message: "no" };
    progress.applyHistory(past(3, "StepFailed", 6, { c: 1, k: "activity", n: "agent:loader", l: "load", e }));
    progress.applyHistory(past(4, "RunFailed", 7, { e }));
    expect(progress).toMatchObject({ status: "failed", closedAt: 7 });
    progress.applyHistory(past(5, "Resumed", 100, { s: [3, 4], f: 2 }));
    expect(progress).toMatchObject({ status: "running", closedAt: undefined });
    expect(states(progress)).toMatchObject({ load: "pending", notify: "completed" });
  });

  test("shows what another process reports as open, without undoing what has ended", () => {
    const progress = new RunProgress(FLOW);
    progress.applyHistory(past(2, "StepCompleted", 5, { c: 1, k: "activity", n: "agent:loader", l: "load" }));
    const open = [
      {
        command: 1,
        kind: "activity",
        step: "load",
        attempt: 1,
        since: 0,
        due: undefined,
        running: true,
        lastError: undefined,
        approvers: undefined,
        approval: undefined,
        held: false,
        queue: undefined,
        engine: undefined,
      },
      {
        command: 2,
        kind: "wait",
        step: "ask",
        attempt: 0,
        since: 5,
        due: 1005,
        running: false,
        lastError: undefined,
        approvers: undefined,
        approval: undefined,
        held: false,
        queue: undefined,
        engine: undefined,
      },
    ];
    const description = {
      ...RUN,
      version: undefined,
      status: "running",
      createdAt: 0,
      closedAt: undefined,
      blocked: undefined,
      paused: undefined,
      tags: {},
      progress: undefined,
      parent: undefined,
      waitingFor: undefined,
      open,
      error: undefined,
      crashes: 0,
      meta: {},
    } as const;
    progress.applyDescription(description);
    expect(states(progress)).toMatchObject({ load: "completed", ask: "waiting" });
  });

  test("ends what was in motion when the run ends", () => {
    const progress = new RunProgress(FLOW);
    progress.apply(live("step.started", 1, { ...step("load", 1), attempt: 1 }));
    progress.apply(live("run.closed", 9, { status: "cancelled" }));
    expect(states(progress)).toMatchObject({ load: "cancelled", done: "pending" });
  });
});
