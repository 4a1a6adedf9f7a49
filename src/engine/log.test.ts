import { expect, it, vi } from "vitest";
import { stderrLogger } from "./log.ts";

it("says on standard error what happened, to which run, and why, once", () => {
  const lines: string[] = [];
  vi.spyOn(process.stderr, "write").mockImplementation((text) => lines.push(String(text)) > 0);
  stderrLogger.warn({ error: "Error: sorry, too many clients already" }, "renewing the lease failed");
  stderrLogger.error({ workflowId: "w", error: new Error("no key") }, "it cannot go on: no key");
  stderrLogger.warn({ answer: 42 });
  vi.restoreAllMocks();
  expect(lines).toEqual([
    "perdure warn: renewing the lease failed: Error: sorry, too many clients already\n",
    "perdure error [w]: it cannot go on: no key\n",
    'perdure warn: {"answer":42}\n',
  ]);
});
