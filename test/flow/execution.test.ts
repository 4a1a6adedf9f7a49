import { describe, expect, it } from "vitest";
import {
  agent,
  type Flow,
  type FlowStepError,
  flow,
  flowFromJSON,
  parseFlow,
  task,
  waitForSignal,
  waitForTimer,
} from "../../src/flow/index.ts";
import { type ActivityContext, activity, FatalError } from "../../src/workflow/activity.ts";
import { bench } from "../engine/fixture.ts";
import { documentApproval, nightlyEtl } from "./seed-003.ts";

// biome-ignore lint/suspicious/noExplicitAny: each handler knows its own input
type Handlers = Record<string, (input: any, ctx: ActivityContext) => unknown>;

/** Runs a flow on a real engine; `log` has the steps in the order in which their activities started. */
async function run(
  made: Flow,
  handlers: Handlers,
  { input = {}, secrets = {}, signals = {}, withinMs = 10 * 86_400_000 } = {} as {
    input?: unknown;
    secrets?: Record<string, string>;
    signals?: Record<string, unknown>;
    withinMs?: number;
  },
) {
  const b = bench();
  const log: string[] = [];
  const activities = Object.fromEntries(
    Object.entries(handlers).map(([name, handler]) => [
      name,
      (value: unknown, ctx: ActivityContext) => {
        log.push(ctx.step);
        return handler(value, ctx);
      },
    ]),
  );
  // Days pass here: an engine that looks around every second would do little else.
  const engine = await b.engine({ workflows: [made], activities, poll: "1h", leaseTtl: "1d" });
  const handle = await engine.start(made, input, { id: "w", secrets });
  for (const [name, payload] of Object.entries(signals)) await handle.signal(name, payload);
  const outcome = await b.finish(handle, withinMs).then(
    (output) => ({ output, error: undefined }),
    (error: Error & { cause?: unknown }) => ({ output: undefined, error: error.cause as FlowStepError | undefined }),
  );
  const history = JSON.stringify(await handle.history());
  await engine.close();
  return { ...outcome, log, history, elapsed: b.clock.monotonic() };
}

const ok: Handlers[string] = (_input, ctx) => `${ctx.step} done`;
const fail: Handlers[string] = (_input, ctx) => {
  throw new FatalError(`${ctx.step} broke`);
};

describe("a flow on an engine", () => {
  it("hands inputs, upstream outputs and the run's input to its steps, and gives the outputs of the last ones", async () => {
    const seen: unknown[] = [];
    const { output, log } = await run(
      flow("data", [
        task("fetch-data", "fetch"),
        task("double", "double", { dependsOn: ["fetch-data"], input: { n: "${{ steps.fetch-data.output.n * 2 }}" } }),
        agent("tell", "teller", { dependsOn: ["fetch-data", "double"] }),
        task("count", "count", { dependsOn: ["double"], input: "${{ size(steps.double.output) }} of ${{ run.name }}" }),
      ]),
      {
        fetch: () => ({ n: 3 }),
        double: (input: { n: number }) => ["a", input.n],
        "agent:teller": (input, ctx) => {
          seen.push(input, ctx.upstream, ctx.runInput);
          return "told";
        },
        count: (input: string) => input,
      },
      { input: { who: "ada" } },
    );
    expect(output).toEqual({ tell: "told", count: "2 of data" });
    expect(seen).toEqual([{ who: "ada" }, { "fetch-data": { n: 3 }, double: ["a", 6] }, { who: "ada" }]);
    expect(log).toEqual(["fetch-data", "double", "tell", "count"]);
  });

  it("calls activities given by reference, keeping them out of any list", async () => {
    const greet = activity("greet", async (who: string) => `Hello ${who}`);
    const { output } = await run(
      flow("refs", { output: "${{ steps.a.output }}!" }, [task("a", greet, { input: "${{ input }}" })]),
      {},
      { input: "ada" },
    );
    expect(output).toBe("Hello ada!");
  });

  it("skips by condition, and what depends on skipped steps only", async () => {
    const { output, log } = await run(
      flow("conditions", [
        task("a", "ok", { when: "input.full" }),
        task("b", "ok", { dependsOn: ["a"] }),
        task("c", "ok"),
        task("d", "ok", { dependsOn: ["a", "c"], when: 'steps.a.status == "skipped"' }),
      ]),
      { ok },
      { input: { full: false } },
    );
    expect(log).toEqual(["c", "d"]);
    expect(output).toEqual({ b: null, d: "d done" });
  });

  it("fails with the step's name and its error as the cause", async () => {
    const { error, log } = await run(
      flow("failing", [
        task("a", "ok"),
        task("b", "fail", { dependsOn: ["a"] }),
        task("c", "ok", { dependsOn: ["b"] }),
      ]),
      { ok, fail },
    );
    expect(error?.name).toBe("FlowStepError");
    expect(error?.message).toBe("flow failing: step b failed after 1 attempt: b broke");
    expect(error?.cause).toMatchObject({ message: "b broke", step: "b", attempts: 1 });
    expect(log).toEqual(["a", "b"]);
  });

  it("goes on after a step with on_error: continue, which stays visible as failed", async () => {
    const { output } = await run(
      flow("continuing", { output: "${{ steps.a.status }}/${{ steps.a.error.message }}/${{ steps.b.output }}" }, [
        task("a", "fail", { onError: "continue" }),
        task("b", "show", { dependsOn: ["a"] }),
      ]),
      { fail, show: (_input, ctx) => ctx.upstream },
    );
    expect(output).toBe('failed/a broke/{"a":null}');
  });

  it("starts the fallback of a failed step, whose dependants are skipped", async () => {
    const made = flow("fallback", [
      task("a", "a", { onError: { goto: "fix" } }),
      task("b", "ok", { dependsOn: ["a"] }),
      task("fix", "echo", { input: "${{ steps.a.error.name }}: ${{ steps.a.error.message }}" }),
      task("end", "ok", { dependsOn: ["b", "fix"] }),
    ]);
    const broken = await run(made, { a: fail, ok, echo: (input) => input });
    expect(broken.log).toEqual(["a", "fix", "end"]);
    expect(broken.history).toContain("FatalError: a broke");
    const fine = await run(made, { a: ok, ok, echo: (input) => input });
    expect(fine.log).toEqual(["a", "b", "end"]);
  });

  it("retries by the flow's policy and the step's own", async () => {
    let attempts = 0;
    const flaky: Handlers[string] = () => {
      if (++attempts < 4) throw new Error("not yet");
      return attempts;
    };
    const made = flow("retrying", { retry: { maxAttempts: 2, initial: "1m" } }, [
      task("a", "flaky", { onError: "retry", retry: { maxAttempts: 4, backoff: "constant" } }),
    ]);
    const { output, elapsed } = await run(made, { flaky });
    expect(output).toEqual({ a: 4 });
    expect(elapsed).toBeGreaterThanOrEqual(180_000);
  });

  it("puts secrets in at execution only", async () => {
    const { output, history } = await run(
      flow("secretive", [
        task("a", "use", {
          input: { auth: "Bearer ${{ secrets.TOKEN }} of ${{ input.who }}", raw: "${{ secrets.TOKEN }}" },
        }),
      ]),
      { use: (input: { auth: string; raw: string }) => [input.auth.length, input.raw === "t0p-secret"] },
      { input: { who: "ada" }, secrets: { TOKEN: "t0p-secret" } },
    );
    expect(output).toEqual({ a: ["Bearer t0p-secret of ada".length, true] });
    expect(history).not.toContain("t0p-secret");
  });

  it("never runs more than max_parallel tasks at a time, while waits go on beside them", async () => {
    let now = 0;
    let most = 0;
    const work: Handlers[string] = async () => {
      most = Math.max(most, ++now);
      await new Promise((resolve) => setImmediate(resolve));
      now--;
    };
    const steps = Array.from({ length: 8 }, (_, i) => task(`s${i}`, "work"));
    await run(flow("wide", { maxParallel: 3 }, [waitForTimer("t", { delay: "1h" }), ...steps]), { work });
    expect(most).toBe(3);
  });

  it("joins any at the first branch that completes", async () => {
    const { output } = await run(
      flow("race", { output: "${{ steps.first.output }}" }, [
        task("quick", "ok"),
        waitForTimer("slow", { delay: "1h" }),
        task("first", "show", { dependsOn: ["quick", "slow"], join: "any" }),
      ]),
      { ok, show: (_input, ctx) => Object.keys(ctx.upstream) },
    );
    expect(output).toEqual(["quick"]);
  });

  it("fails a step whose expression cannot be evaluated, under its on_error", async () => {
    const { error } = await run(flow("absent", [task("a", "ok", { input: "${{ input.gone.deep }}" })]), { ok });
    expect(error?.message).toMatch(/step a failed: \$\{\{ input\.gone\.deep \}\}: no such key: gone/);
    const going = await run(
      flow("absent", [task("a", "ok", { input: "${{ input.gone }}", onError: "continue" }), task("b", "ok")]),
      { ok },
    );
    expect(going.log).toEqual(["b"]);
  });

  it("runs the approval to its end, approved or escalated", async () => {
    const handlers: Handlers = Object.fromEntries(
      documentApproval()
        .model.steps.flatMap((step) => (step.kind === "task" ? [step.activity] : []))
        .map((name) => [name, (_input: unknown, ctx: ActivityContext) => Object.keys(ctx.upstream)]),
    );
    const approved = await run(documentApproval(), handlers, { signals: { document_approved: { by: "ada" } } });
    expect(approved.output).toEqual({ publish_document: ["wait_for_approval"] });
    expect(approved.log).toEqual(["submit_document", "notify_reviewers", "publish_document"]);
    const escalated = await run(documentApproval(), handlers, { signals: { escalated_approval: undefined } });
    expect(escalated.output).toEqual({ publish_document: ["wait_escalated_approval"] });
    expect(escalated.elapsed).toBeGreaterThanOrEqual(172_800_000);
    const refused = await run(documentApproval(), handlers);
    expect(refused.error?.message).toBe(
      "flow document_approval: step wait_escalated_approval failed: signal escalated_approval did not come within 1d",
    );
  });

  it("goes on with other branches while one waits, and runs the nightly pipeline through its window", async () => {
    const made = nightlyEtl();
    const names = made.model.steps.flatMap((step) => (step.kind === "task" ? [step.activity] : []));
    const { log } = await run(made, Object.fromEntries(names.map((name) => [name, ok])));
    expect(log).toEqual(made.model.steps.filter((step) => step.kind === "task").map((step) => step.id));
  });

  it("refuses to open with activities and agents that nobody has", async () => {
    const made = flow("lonely", [task("a", "etl/load"), agent("b", "writer")]);
    await expect(bench().engine({ workflows: [made], activities: { "etl/lod": ok } })).rejects.toThrow(
      /there is no activity "etl\/load" \(did you mean etl\/lod\?\)[\s\S]*there is no agent "writer"/,
    );
  });

  it("gives open runs the definition they started with", async () => {
    const b = bench();
    const before = flow("pinned", [waitForSignal("wait", "go"), task("old", "ok", { dependsOn: ["wait"] })]);
    const first = await b.engine({ workflows: [before], activities: { ok } });
    const handle = await first.start(before, {}, { id: "w" });
    await b.clock.settle();
    await first.close();
    const after = flowFromJSON({ ...before.toJSON(), steps: [{ id: "new", task: "ok" }] });
    expect(after.version).not.toBe(before.version);
    const second = await b.engine({ workflows: [after], activities: { ok } });
    const again = await second.handle(handle.workflowId);
    await again.signal("go", undefined);
    expect(await b.finish(again)).toEqual({ old: "old done" });
    expect(await b.finish(await second.start(after, {}, { id: "w2" }))).toEqual({ new: "new done" });
    await second.close();
  });

  it("runs agents that a file describes itself", async () => {
    const made = parseFlow(`
name: self-contained
agents:
  adder: { command: [node, -e, "let t='';process.stdin.on('data',d=>t+=d).on('end',()=>console.log(JSON.parse(t).input.a+1))"] }
steps:
  - { id: add, agent: adder, input: { a: 41 } }
output: \${{ steps.add.output }}
`);
    const b = bench();
    const engine = await b.engine({ workflows: [made] });
    const handle = await engine.start(made, {});
    expect(await handle.result()).toBe(42);
    await engine.close();
  });
});
