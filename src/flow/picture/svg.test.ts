import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { FlowDefinition, FlowStep } from "../model.ts";
import { hostileFlow } from "./hostile-flow.fixture.ts";
import { dataPipeline, documentApproval, nightlyEtl, orderFulfilment } from "./sample-flows.fixture.ts";
import { flowToSvg } from "./svg.ts";

describe("an SVG picture", () => {
  it.each([nightlyEtl, documentApproval, dataPipeline, orderFulfilment])(
    "shows every step and arrow of $name",
    (flow) => {
      const svg = flowToSvg(flow);
      expect(tagsOf(svg).filter((tag) => tag === "g" || tag === "/g").length % 2).toBe(0);
      for (const step of flow.steps) expect(svg).toContain(`<title>${step.id} (${step.kind})`);
      const arrows = flow.steps.reduce((sum, step) => sum + step.dependsOn.length, 0) + branchCount(flow);
      expect(svg.match(/marker-end=/g)).toHaveLength(arrows);
    },
  );

  it("can be read by those who do not see it", () => {
    const svg = flowToSvg(documentApproval);
    expect(svg).toMatch(/^<svg xmlns="http:\/\/www\.w3\.org\/2000\/svg" [^>]*role="img" aria-labelledby="(\S+) (\S+)"/);
    expect(svg).toContain("6 steps: submit_document; then notify_reviewers;");
    expect(svg).toContain("On timeout of wait_for_approval, escalate_approval starts.");
  });

  it("needs nothing but itself", () => {
    const svg = flowToSvg(orderFulfilment, { theme: "dark" });
    expect(svg).not.toMatch(/<script|<style|<image|<foreignObject|href|@import|url\((?!#)/);
  });

  it("says when, how and how long", () => {
    const svg = flowToSvg(orderFulfilment);
    expect(svg).toContain(">when !input.express</text>");
    expect(svg).toContain(">join: any</text>");
    expect(svg).toContain(">continues on error</text>");
    expect(svg).toContain(">fraud_review_decision, up to 1h30m</text>");
    expect(svg).toContain(">waits 1m30s</text>");
    expect(svg.match(/stroke-dasharray/g)).toHaveLength(2);
    expect(svg).toContain(">on timeout</text>");
    expect(svg).toContain(">on error</text>");
  });

  it("cuts long texts and tells them whole in a tooltip", () => {
    const svg = flowToSvg(orderFulfilment);
    const whole = "reject-order-and-tell-the-customer-why-politely-in-their-language";
    expect(svg).not.toContain(`>${whole}<`);
    expect(svg).toMatch(/>reject-order[\w-]*…[\w-]*language<\/text>/);
    expect(svg).toContain(`(agent)\n${whole}</title>`);
  });

  it("shows the state of steps; those not named are pending", () => {
    const svg = flowToSvg(dataPipeline, { status: { extract: "completed", transform: "timed_out" } });
    expect(svg).toContain("data-extractor\nstatus: completed</title>");
    expect(svg).toContain("status: timed out</title>");
    expect(svg.match(/status: pending<\/title>/g)).toHaveLength(3);
    expect(flowToSvg(dataPipeline)).not.toContain("status:");
  });

  it("is not fooled by steps named like methods of objects", () => {
    const step: FlowStep = { kind: "task", id: "constructor", activity: "toString", dependsOn: [] };
    expect(flowToSvg({ name: "x", steps: [step] }, { status: {} })).toContain("status: pending");
  });

  it("is the same for the same flow, and different in the dark", () => {
    expect(flowToSvg(nightlyEtl)).toBe(flowToSvg(structuredClone(nightlyEtl)));
    expect(flowToSvg(nightlyEtl, { theme: "dark" })).not.toBe(flowToSvg(nightlyEtl));
  });

  it("lets no text out of its place", () => {
    const svg = flowToSvg(hostileFlow, { status: { end: "failed" } });
    expect(svg).not.toMatch(/<script|<b |onclick='|" onload="/);
    expect(svg).not.toMatch(/[^\t\n\u0020-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u);
    tagsOf(svg);
  });

  it("is well formed for any texts, unknown ids, duplicates and cycles", () => {
    fc.assert(
      fc.property(anyFlow, (flow) => {
        tagsOf(flowToSvg(flow));
      }),
      { numRuns: 60 },
    );
  });

  it("is drawn for a flow without steps", () => {
    expect(flowToSvg({ name: "empty", steps: [] })).toContain(">empty</text>");
  });
});

function branchCount(flow: FlowDefinition): number {
  return flow.steps.filter(
    (step) => typeof step.onError === "object" || (step.kind === "signal" && step.signal.onTimeout !== undefined),
  ).length;
}

/** The names of all tags. Fails unless they are nested properly and everything between them is escaped. */
function tagsOf(svg: string): string[] {
  const tags: string[] = [];
  const open: string[] = [];
  const text = svg.replace(
    /<(\/?)([a-z]+)((?: [\w:-]+="[^"<]*")*)(\/?)>/gi,
    (_, closing: string, name: string, _rest, empty: string) => {
      tags.push(`${closing}${name}`);
      if (closing !== "") expect(open.pop()).toBe(name);
      else if (empty === "") open.push(name);
      return "";
    },
  );
  expect(open).toEqual([]);
  expect(text).not.toMatch(/[<>]|&(?!(amp|lt|gt|quot|#39);)/);
  return tags;
}

const anyId = fc.oneof(fc.constantFrom("a", "b", "c", "d"), fc.string({ unit: "binary", maxLength: 20 }));
const anyStep: fc.Arbitrary<FlowStep> = fc
  .record({
    id: anyId,
    dependsOn: fc.array(anyId, { maxLength: 3 }),
    text: fc.string({ unit: "binary" }),
    target: anyId,
  })
  .chain(({ id, dependsOn, text, target }) =>
    fc.constantFrom<FlowStep>(
      { kind: "task", id, dependsOn, activity: text, when: text },
      { kind: "agent", id, dependsOn, agent: text, onError: { goto: target }, join: "any" },
      { kind: "signal", id, dependsOn, signal: { name: text, timeoutMs: 1, onTimeout: target } },
      { kind: "timer", id, dependsOn, timer: { cron: text } },
    ),
  );
const anyFlow: fc.Arbitrary<FlowDefinition> = fc.record({
  name: fc.string({ unit: "binary" }),
  description: fc.string({ unit: "binary" }),
  steps: fc.array(anyStep, { maxLength: 8 }),
});
