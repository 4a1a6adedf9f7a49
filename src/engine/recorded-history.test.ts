import { expect, it } from "vitest";
import { HISTORY_FORMAT, HistoryReader } from "./recorded-history.ts";

function line(runId: string, events: number): string {
  const started = { seq: 1, type: "RunStarted", at: 1, data: {} };
  const rest = Array.from({ length: events - 1 }, (_, at) => ({ seq: at + 2, type: "Resumed", at: 1, data: {} }));
  const run = { workflow: "w", workflowId: runId, runId, status: "failed", storeId: "s", inFlight: [] };
  return JSON.stringify({ format: HISTORY_FORMAT, ...run, events: [started, ...rest] });
}

it("reads each run of an archive once, and again when it has gone on since", () => {
  const reader = new HistoryReader("archive.jsonl");
  const lines = [line("a", 2), line("b", 1), line("a", 2), line("a", 3).slice(0, -9), line("a", 4), line("b", 1), ""];
  const read = lines
    .map((text) => reader.read(text))
    .map((history) => history && [history.runId, history.events.length]);
  expect(read).toEqual([["a", 2], ["b", 1], undefined, undefined, ["a", 4], undefined, undefined]);
  expect(reader.torn).toBe(1);
});
