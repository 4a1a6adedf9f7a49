import { describe, expect, it } from "vitest";
import { flowToDot } from "./dot.ts";
import { hostileFlow } from "./hostile-flow.fixture.ts";
import { orderFulfilment } from "./sample-flows.fixture.ts";

describe("a Graphviz digraph", () => {
  it("shows steps, dependencies and dashed branches", () => {
    const dot = flowToDot(orderFulfilment);
    expect(dot).toMatch(/^digraph "order-fulfilment" \{\n {2}rankdir=TB;\n/);
    expect(dot).toContain('"cool_down" [label="cool_down\\nwaits 1m30s", shape=octagon,');
    expect(dot).toContain('label="say_thanks\\ncustomer-mailer\\njoin: any\\ncontinues on error"');
    expect(dot).toContain('\n  "receive" -> "fraud-check";\n');
    expect(dot).toMatch(/"charge" -> "ask_for_other_card" \[style=dashed, label="on error"/);
    expect(dot.endsWith("\n}\n")).toBe(true);
  });

  it("lets no text out of its quotes", () => {
    const dot = flowToDot(hostileFlow);
    const unquoted = dot.replace(/"(?:[^"\\\n]|\\["\\n])*"/g, "Q");
    expect(unquoted).toMatch(/^digraph Q \{\n[\w\s=Q,;[\]>-]*\n\}\n$/);
    expect(unquoted).not.toContain("alert");
    expect(unquoted).not.toContain("evil");
  });
});
