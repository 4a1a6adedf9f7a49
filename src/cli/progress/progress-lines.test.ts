import { describe, expect, test } from "vitest";
import type { RunEvent } from "../../engine/observers.ts";
import { renderLine } from "../text/styled-line.ts";
import { activityOf, awaitedSignals, stepLines } from "./progress-lines.ts";
import { RunProgress } from "./run-progress.ts";
import { toldLine } from "./told-progress.ts";

const PLAIN = { bold: same, dim: same, red: same, green: same, yellow: same, cyan: same, magenta: same };
const RUN = { workflow: "w", workflowId: "w1", runId: "s-1" };

function same(text: string): string {
  return text;
}

function drawn(progress: RunProgress, maxLines = 100, columns = 200): string[] {
  return stepLines(progress, { now: 10_000, animated: false, maxLines }).map((line) =>
    renderLine(line, PLAIN, columns),
  );
}

function crawl(pages: number): RunProgress {
  const progress = new RunProgress();
  for (let i = 0; i < pages; i++) {
    const step = { ...RUN, command: i, kind: "activity", step: `page ${i}`, name: "page" } as const;
    progress.apply({ ...step, type: "step.started", at: 9000, attempt: 1 });
    if (i < pages - 2)
      progress.apply({ ...step, type: "step.completed", at: 9500 + i, attempts: 1, durationMs: 500 + i });
  }
  return progress;
}

test("a line per step has its state, its name and what is to be said of it", () => {
  const progress = new RunProgress({
    name: "w",
    steps: [
      { id: "a", kind: "agent", agent: "x", dependsOn: [] },
      { id: "ask-them", kind: "signal", signal: { name: "ok" }, dependsOn: ["a"] },
      { id: "z", kind: "agent", agent: "x", dependsOn: ["ask-them"] },
    ],
  });
  const events: RunEvent[] = [
    {
      ...RUN,
      type: "step.completed",
      at: 9000,
      command: 1,
      kind: "activity",
      step: "a",
      name: "agent:x",
      attempts: 3,
      durationMs: 1234,
    },
    { ...RUN, type: "step.waiting", at: 9000, command: 2, kind: "wait", step: "ask-them", name: "ok", due: undefined },
  ];
  for (const event of events) progress.apply(event);
  expect(drawn(progress)).toEqual(["  ✔ a         1.2s · 3 attempts", "  ◷ ask-them  waits for signal ok", "  · z"]);
  expect(awaitedSignals(progress)).toEqual(["ok"]);
  expect(activityOf(progress)).toBe("waiting");
});

test("what does not fit is counted, and what is in motion stays visible", () => {
  const lines = drawn(crawl(1000), 10);
  expect(lines.length).toBeLessThanOrEqual(10);
  expect(lines[0]).toBe("  … 993 completed");
  expect(lines.filter((line) => line.includes("●"))).toHaveLength(2);
});

test("lines end where the terminal ends, and steer nothing", () => {
  const progress = crawl(3);
  progress.apply({
    ...RUN,
    type: "step.log",
    at: 1,
    step: "page 2",
    level: "info",
    message: `\u001b[31mred\u001b[0m\r\n${"long ".repeat(50)}`,
  });
  const lines = drawn(progress, 10, 40);
  for (const line of lines) expect(line.length).toBeLessThanOrEqual(40);
  expect(lines.join("")).not.toContain("\u001b");
  expect(lines.at(-1)).toContain("red");
});

describe("what a workflow says of its progress", () => {
  test.each([
    [{ done: 5, total: 10, message: "pages" }, "  ██████████░░░░░░░░░░ 5/10 50%  pages"],
    [{ done: 12, total: 10 }, "  ████████████████████ 12/10 100%"],
    ["half-way\nthere", "  half-way ⏎ there"],
    [{ stage: 2 }, '  {"stage":2}'],
  ])("%j is one line", (value, line) => {
    expect(renderLine(toldLine(value), PLAIN)).toBe(line);
  });
});

test("of many steps alike the first and the last are shown, and children by their ids", () => {
  const progress = new RunProgress();
  for (let command = 1; command <= 20; command++) {
    const step = { ...RUN, command, kind: "child", step: "kid", name: "kid" } as const;
    if (command === 12) progress.apply({ ...step, type: "step.waiting", at: 9000, due: undefined });
    else progress.apply({ ...step, type: "step.completed", at: 9500, attempts: 1, durationMs: 500 });
  }
  progress.applyChildren([1, 11, 12, 13, 20, 99].map((command) => ({ command, workflowId: `p/${command}` })));
  const moment = { now: 10_000, animated: false, maxLines: Number.POSITIVE_INFINITY, maxAlike: 10 };
  expect(stepLines(progress, moment).map((line) => renderLine(line, PLAIN, 200))).toEqual([
    "  ✔ kid  500ms · p/1",
    "  … 9 completed",
    "  ✔ kid  500ms · p/11",
    "  ◷ kid  waits for p/12",
    "  ✔ kid  500ms · p/13",
    ...Array.from({ length: 6 }, () => "  ✔ kid  500ms"),
    "  ✔ kid  500ms · p/20",
  ]);
});
