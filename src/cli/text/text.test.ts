import { expect, test } from "vitest";
import { cellWidth, clipToWidth, plainLine } from "./cell-width.ts";
import { codeFrame } from "./code-frame.ts";
import { errorPlace, errorText, headline } from "./error-text.ts";
import { agoText, spanText } from "./time-text.ts";
import { jsonValue, prettyValue } from "./value-text.ts";

test("wide characters take two columns, combining ones none", () => {
  expect(cellWidth("abc")).toBe(3);
  expect(cellWidth("日本")).toBe(4);
  expect(cellWidth("e\u0301")).toBe(1);
  expect(clipToWidth("日本語", 5)).toBe("日本…");
  expect(clipToWidth("abc", 3)).toBe("abc");
});

test("text from elsewhere cannot steer the terminal", () => {
  expect(plainLine("a\u001b[2Jb\u0007c\u001b]0;title\u0007d\ne")).toBe("abcd ⏎ e");
});

test("of a program's output the line that names the error is told", () => {
  const message = "agent x: node exited with code 1:\n    at foo\nError: no such file\n    at bar\n\nNode.js v20";
  expect(headline(message)).toBe("agent x: node exited with code 1: Error: no such file");
  expect(headline("plain\nwords")).toBe("plain ⏎ words");
  expect(errorText({ name: "FlowStepError", message: "flow f: step s failed" })).toBe("flow f: step s failed");
  expect(errorText({ name: "TypeError", message: "x is not a function" })).toBe("TypeError: x is not a function");
});

test("spans are told in their two largest units", () => {
  expect([0, 999, 1500, 59_999, 125_000, 3_600_000, 12_000_000, 90_000_000].map(spanText)).toEqual([
    "0ms",
    "999ms",
    "1.5s",
    "59s",
    "2m05s",
    "1h",
    "3h20m",
    "1d01h",
  ]);
  expect(agoText(0, 7_200_000)).toBe("2h ago");
});

test("values become JSON whatever they are, and long ones are cut", () => {
  const value = {
    at: new Date(0),
    big: 1n,
    set: new Set([1]),
    nan: Number.NaN,
    bytes: new Uint8Array([1]),
    none: undefined,
  };
  expect(jsonValue(value)).toEqual({
    at: "1970-01-01T00:00:00.000Z",
    big: "1",
    set: [1],
    nan: "NaN",
    bytes: "AQ==",
    none: null,
  });
  expect(prettyValue({ a: 1 }, { lines: 5, columns: 80 })).toEqual(['{ "a": 1 }']);
  expect(
    prettyValue(
      Array.from({ length: 90 }, (_, i) => i),
      { lines: 3, columns: 80 },
    ),
  ).toEqual(["[", "  0,", "  1,", "… 89 more lines"]);
});

test("a code frame points at the column, tabs and all", () => {
  const frame = codeFrame("a:\n\tb: c\n", 2, 5).map((line) =>
    line.map((part) => (typeof part === "string" ? part : part[1])).join(""),
  );
  expect(frame).toEqual(["  1 │ a:", "> 2 │   b: c", "    │      ^"]);
});

test("the place of an error is the first line of the author's own code, also behind causes", () => {
  const failure = (...frames: string[]): { name: string; message: string; stack: string } => ({
    name: "Error",
    message: "no (really: no)",
    stack: ["Error: no (really: no)", ...frames.map((frame) => `    at ${frame}`)].join("\n"),
  });
  const library = "send (/app/node_modules/lib/index.js:1:2)";
  const node = "AsyncLocalStorage.run (node:async_hooks:346:14)";
  expect(errorPlace(failure(library, node, "async pay (file:///app/pay.ts:7:9)", "main (/app/main.ts:1:1)"))).toBe(
    "/app/pay.ts:7:9",
  );
  expect(errorPlace(failure("async /app/top.ts:3:1"))).toBe("/app/top.ts:3:1");
  expect(errorPlace(failure(library, `own (${import.meta.filename}:1:1)`))).toBeUndefined();
  expect(errorPlace({ ...failure(node), cause: failure("inner (/app/inner.ts:2:2)") })).toBe("/app/inner.ts:2:2");
  expect(errorPlace({ name: "Error", message: "old" })).toBeUndefined();
});
