/** Checks of what a step says by itself: its id, names, spans, cron expression, retry policy. */
import { cronProblem, zoneProblem } from "../core/cron.ts";
import { MAX_DURATION_MS } from "../core/duration.ts";
import type { FlowRetry, FlowStep, SignalStep, TimerStep } from "./model.ts";
import type { Finding, Path } from "./problem.ts";
import { describe, listed } from "./structure.ts";

const MAX_ID = 200;
const RESERVED = new Set(["__proto__", "constructor", "prototype"]);

/** Everything wrong with one step on its own. */
export function checkStep(step: FlowStep, path: Path): Finding[] {
  return [
    ...checkId(step.id, [...path, "id"]),
    ...checkOnError(step, path),
    ...checkChoiceOf(step.join, ["all", "any"], [...path, "join"]),
    ...checkKind(step, path),
  ];
}

function checkId(id: string, path: Path): Finding[] {
  if (id === "") return [{ code: "bad_id", path, message: "the step has no id" }];
  if (id.length > MAX_ID) {
    return [{ code: "bad_id", path, message: `the id has ${id.length} characters, allowed are ${MAX_ID}` }];
  }
  if (RESERVED.has(id)) return [{ code: "bad_id", path, message: `the id ${JSON.stringify(id)} is reserved` }];
  if (/^[A-Za-z0-9_][A-Za-z0-9_-]*$/.test(id)) return [];
  const message = `the id ${JSON.stringify(id)} has other characters than letters, digits, - and _`;
  return [{ code: "bad_id", path, message, hint: suggestedId(id) }];
}

function suggestedId(id: string): string | undefined {
  const plain = id.replace(/[^A-Za-z0-9_]+/g, "-").replace(/^-+|-+$/g, "");
  return plain === "" ? undefined : `for example ${plain}; what people read goes into description`;
}

function checkOnError(step: FlowStep, path: Path): Finding[] {
  if (typeof step.onError === "object") return [];
  return checkChoiceOf(step.onError, ["fail", "continue", "retry"], [...path, "on_error"]);
}

function checkChoiceOf(value: unknown, words: readonly string[], path: Path): Finding[] {
  if (value === undefined || words.includes(value as string)) return [];
  const name = String(path[path.length - 1]);
  return [{ code: "wrong_type", path, message: `${name} must be ${listed(words, "or")}, not ${describe(value)}` }];
}

function checkKind(step: FlowStep, path: Path): Finding[] {
  switch (step.kind) {
    case "signal":
      return checkSignal(step, [...path, "signal"]);
    case "timer":
      return checkTimer(step, [...path, "timer"]);
    case "task":
    case "agent": {
      const word = step.kind;
      const name = step.kind === "task" ? step.activity : step.agent;
      return [
        ...checkName(name, word === "task" ? "the activity's name" : "the agent's name", [...path, word]),
        ...checkSpan(step.timeoutMs, [...path, "timeout"]),
        ...checkRetry(step.retry, [...path, "retry"]),
        ...lockWarning(step.objectKeys, [...path, "object_keys"]),
      ];
    }
  }
}

function lockWarning(keys: readonly string[] | undefined, path: Path): Finding[] {
  if (keys === undefined || keys.length === 0) return [];
  const message = "object_keys is kept, but does not lock anything yet in this version";
  return [{ severity: "warning", code: "unsupported", path, message }];
}

function checkSignal(step: SignalStep, path: Path): Finding[] {
  return [
    ...checkName(step.signal.name, "the signal's name", [...path, "name"]),
    ...checkSpan(step.signal.timeoutMs, [...path, "timeout"]),
  ];
}

function checkName(name: string, what: string, path: Path): Finding[] {
  if (name.trim() === "") return [{ code: "empty_name", path, message: `${what} is empty` }];
  if (!name.includes("${{")) return [];
  const hint = "expressions are read in input, when and output only";
  return [{ code: "bad_expression", path, message: `${what} cannot hold an expression`, hint }];
}

function checkTimer(step: TimerStep, path: Path): Finding[] {
  const { delayMs, cron, timezone } = step.timer;
  const findings = [...checkSpan(delayMs, [...path, "delay"]), ...checkCron(cron, timezone, path)];
  if (delayMs !== undefined && cron !== undefined) {
    findings.push({
      code: "timer_choice",
      path,
      message: "the timer has both delay and cron",
      hint: "keep one of them",
    });
  } else if (delayMs === undefined && cron === undefined) {
    const hint = 'write { delay: 30s } or { cron: "0 3 * * *" }';
    findings.push({ code: "timer_choice", path, message: "the timer has neither delay nor cron", hint });
  }
  return findings;
}

function checkCron(cron: string | undefined, timezone: string | undefined, path: Path): Finding[] {
  const findings: Finding[] = [];
  const nowhere = timezone === undefined ? undefined : zoneProblem(timezone);
  if (nowhere !== undefined) findings.push({ code: "bad_timezone", path: [...path, "timezone"], message: nowhere });
  if (cron === undefined) return findings;
  const reason = cronProblem(cron);
  if (reason !== undefined) {
    findings.push({
      code: "bad_cron",
      path: [...path, "cron"],
      message: `${JSON.stringify(cron)} is no cron expression: ${reason}`,
      hint: 'five fields: minute, hour, day, month, weekday, as in "0 3 * * *"',
    });
  }
  return findings;
}

/** Checks a span of time in milliseconds. */
export function checkSpan(ms: number | undefined, path: Path): Finding[] {
  if (ms === undefined) return [];
  const name = String(path[path.length - 1]);
  if (Number.isNaN(ms)) return [{ code: "bad_duration", path, message: `${name} is no duration` }];
  if (ms < 0) return [{ code: "bad_duration", path, message: `${name} is negative: ${ms / 1000} s` }];
  if (ms > MAX_DURATION_MS) {
    return [
      { code: "bad_duration", path, message: `${name} is longer than 100 years`, hint: "a bare number is seconds" },
    ];
  }
  return [];
}

/** Checks the fields of a retry policy. */
export function checkRetry(retry: FlowRetry | undefined, path: Path): Finding[] {
  if (retry === undefined) return [];
  const findings = [...checkSpan(retry.initialMs, [...path, "initial"]), ...checkSpan(retry.maxMs, [...path, "max"])];
  const expect = (holds: boolean, word: string, what: string, value: unknown): void => {
    if (holds) return;
    const message = `${word} must be ${what}, not ${describe(value)}`;
    findings.push({ code: "bad_retry", path: [...path, word], message });
  };
  const { maxAttempts = 1, factor = 1, jitter = 0, backoff = "exponential" } = retry;
  const whole = Number.isInteger(maxAttempts) || maxAttempts === Number.POSITIVE_INFINITY;
  expect(whole && maxAttempts >= 1, "max_attempts", "a whole number from 1, or unlimited", maxAttempts);
  expect(factor >= 1, "factor", "a number from 1", factor);
  expect(jitter >= 0 && jitter <= 1, "jitter", "a number from 0 to 1", jitter);
  const known = ["exponential", "linear", "constant"];
  expect(known.includes(backoff), "backoff", listed(known, "or"), backoff);
  return findings;
}
