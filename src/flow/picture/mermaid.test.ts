import { describe, expect, it } from "vitest";
import { hostileFlow } from "./hostile-flow.fixture.ts";
import { flowToMermaid } from "./mermaid.ts";
import { documentApproval } from "./sample-flows.fixture.ts";

describe("a Mermaid flowchart", () => {
  it("shows steps by kind, dependencies and branches", () => {
    expect(flowToMermaid(documentApproval)).toBe(`---
title: "document-approval"
---
flowchart TD
  s0["submit_document<br/>doc-service/submit_for_review"]:::task
  s1["notify_reviewers<br/>notification-service/send_review_notifications"]:::task
  s2{{"wait_for_approval<br/>document_approved, up to 2d"}}:::signal
  s3["escalate_approval<br/>doc-service/escalate_to_manager"]:::task
  s4{{"wait_escalated_approval<br/>escalated_approval, up to 1d"}}:::signal
  s5["publish_document<br/>doc-service/publish_approved_document"]:::task
  s0 --> s1
  s1 --> s2
  s3 --> s4
  s2 --> s5
  s4 --> s5
  s2 -.->|on timeout| s3
  classDef task fill:#e8f0fe,stroke:#2563eb,color:#0f172a
  classDef signal fill:#fdf1dc,stroke:#b45309,color:#0f172a
`);
  });

  it("lets no text out of its label", () => {
    const lines = flowToMermaid(hostileFlow).split("\n");
    expect(lines).toHaveLength(13);
    for (const line of lines.slice(4, 7)) {
      expect(line).toMatch(/^ {2}s\d(\[|\{\{|\()"[^"<>`%{}[\]&\\]*(<br\/>[^"<>`%{}[\]&\\]*)+"(\]|\}\}|\)):::\w+$/);
    }
    expect(lines[1]).not.toMatch(/%%|[<>{}]/);
    expect(lines[6]).toBe('  s2("subgraph<br/>every 5 minutes UTC"):::timer');
  });
});
