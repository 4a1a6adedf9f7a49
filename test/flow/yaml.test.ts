import { describe, expect, it } from "vitest";
import { formatProblem, parseFlow, readFlow } from "../../src/flow/index.ts";
import fc from "../properties.ts";

const DATA_PIPELINE = `# .parac/workflows/data-pipeline.yaml
name: data-pipeline
description: Extract, transform, and load data

steps:
  - id: extract
    agent: data-extractor
    input:
      source: database

  - id: transform
    agent: data-transformer
    depends_on: [extract]
    input:
      rules: transformation_rules.json

  - id: load
    agent: data-loader
    depends_on: [transform]
    input:
      destination: warehouse

  - id: validate
    agent: data-validator
    depends_on: [load]

  - id: notify
    agent: notifier
    depends_on: [validate]
    on_error: continue  # Don't fail workflow if notification fails

retry:
  max_attempts: 3
  backoff: exponential

timeout: 3600  # 1 hour
`;

const APPROVAL = `name: document-approval
description: Publish a document once somebody has approved it
retry: { max_attempts: 3, backoff: exponential }     # default for steps
timeout: 3d                                          # a bare number is seconds: 3600
steps:
  - id: submit
    task: doc-service/submit_for_review              # an activity; or  agent: reviewer
    input: { document: "\${{ input.document }}", priority: normal }
  - id: wait_for_approval
    depends_on: [submit]
    signal: { name: document_approved, timeout: 48h, on_timeout: escalate }
  - id: escalate                                     # starts only on that timeout
    task: doc-service/escalate_to_manager
  - id: wait_escalated
    depends_on: [escalate]
    signal: { name: escalated_approval, timeout: 24h }
  - id: decide
    depends_on: [wait_for_approval, wait_escalated]
    agent: decider
  - id: publish
    depends_on: [decide]
    when: steps.decide.output.approved
    task: doc-service/publish
  - id: night
    depends_on: [publish]
    timer: { cron: "0 3 * * *", timezone: Europe/Berlin }     # or { delay: 30s }
  - id: index
    depends_on: [night]
    task: doc-service/index_page
    on_error: continue
output: "\${{ steps.publish.output }}"                # default: the outputs of the last steps, by id
`;

describe("flow files", () => {
  it("read the data pipeline as it is written", () => {
    const { definition, problems } = readFlow(DATA_PIPELINE, { file: "data-pipeline.yaml" });
    expect(problems).toEqual([]);
    expect(definition).toMatchObject({
      name: "data-pipeline",
      timeoutMs: 3_600_000,
      retry: { maxAttempts: 3, backoff: "exponential" },
    });
    expect(definition?.steps.map(({ id, dependsOn }) => [id, dependsOn])).toEqual([
      ["extract", []],
      ["transform", ["extract"]],
      ["load", ["transform"]],
      ["validate", ["load"]],
      ["notify", ["validate"]],
    ]);
    expect(definition?.steps[4]).toMatchObject({ kind: "agent", agent: "notifier", onError: "continue" });
  });

  it("read waits, conditions and spans", () => {
    const flow = parseFlow(APPROVAL);
    expect(flow.timeoutMs).toBe(3 * 86_400_000);
    expect(flow.model.steps[1]).toEqual({
      kind: "signal",
      id: "wait_for_approval",
      dependsOn: ["submit"],
      signal: { name: "document_approved", timeoutMs: 48 * 3_600_000, onTimeout: "escalate" },
    });
    expect(flow.model.steps[6]).toMatchObject({ timer: { cron: "0 3 * * *", timezone: "Europe/Berlin" } });
    expect(parseFlow(JSON.stringify(flow.toJSON())).version).toBe(flow.version);
  });

  it.each([
    ["30", 30_000],
    ["0.5", 500],
    ["30s", 30_000],
    ["1h30m", 5_400_000],
    ["2d", 172_800_000],
    ["PT10S", 10_000],
    ['"90"', 90_000],
  ])("read the span %s", (span, ms) => {
    const { definition } = readFlow(`name: x\nsteps: [{ id: a, timer: { delay: ${span} } }]`);
    expect(definition?.steps[0]).toMatchObject({ timer: { delayMs: ms } });
  });

  it("read all of a retry policy and every on_error", () => {
    const flow = parseFlow(`
name: x
max_parallel: 2
agents: { r: { command: [python3, review.py], env: { A: b } } }
steps:
  - id: a
    task: t
    timeout: 30
    on_error: retry
    retry: { max_attempts: unlimited, backoff: linear, initial: 500ms, factor: 1.5, max: 1m, jitter: 0.5, on: [A], not_on: [B] }
  - { id: b, agent: r, on_error: { goto: c }, when: "\${{ input.x == 1 }}", join: any }
  - { id: c, task: t }
`);
    expect(flow.model.steps[0]).toMatchObject({
      onError: "retry",
      timeoutMs: 30_000,
      retry: {
        maxAttempts: Number.POSITIVE_INFINITY,
        backoff: "linear",
        initialMs: 500,
        factor: 1.5,
        maxMs: 60_000,
        jitter: 0.5,
        on: ["A"],
        notOn: ["B"],
      },
    });
    expect(flow.model.steps[1]).toMatchObject({ onError: { goto: "c" }, when: "input.x == 1", join: "any" });
    expect(parseFlow(JSON.stringify(flow.toJSON())).model).toEqual(flow.model);
  });

  it("report all mistakes of a file at once, each with its line and column", () => {
    const text = `name: eight
max_parralel: 3
steps:
  - id: extract
    task: etl/extract
    needs: [nothing]
    input: { source: \${{ input.source }}, n: 1 }
  - id: load
    agent: loader
    depends_on: [extrct]
    timeout: 10 parsecs
  - id: load
    timer: { cron: "61 * * * *" }
  - id: wait
    signal: { name: "", on_timeout: nowhere, timeout: 1h }
  - id: report
    task: etl/report
    depends_on: [extract]
    input: { x: "\${{ steps.wait.output }}", y: "\${{ 1 + }}" }
    depends_on: [load]
`;
    const { definition, problems } = readFlow(text, { file: "eight.yaml", agents: ["leader"] });
    expect(definition).toBeUndefined();
    expect(problems.map((problem) => `${problem.line}:${problem.column} ${problem.code} ${problem.path}`)).toEqual([
      "2:1 unknown_key max_parralel",
      "6:5 unknown_key steps[0].needs",
      "7:22 bad_syntax ",
      "9:12 unknown_agent steps[1].agent",
      "10:18 unknown_dependency steps[1].depends_on[0]",
      "11:14 bad_duration steps[1].timeout",
      "12:9 duplicate_id steps[2].id",
      "13:20 bad_cron steps[2].timer.cron",
      "15:21 empty_name steps[3].signal.name",
      "15:37 unknown_target steps[3].signal.on_timeout",
      "19:22 not_upstream steps[4].input.x",
      "19:53 bad_expression steps[4].input.y",
      "20:5 duplicate_key ",
    ]);
    expect(problems.map(formatProblem).slice(0, 3)).toEqual([
      'eight.yaml:2:1: error: unknown key "max_parralel" (did you mean max_parallel?)',
      'eight.yaml:6:5: error: unknown key "needs" (write depends_on)',
      'eight.yaml:7:22: error: ${{ input.source }} must be quoted here (quote this: "${{ input.source }}")',
    ]);
    expect(() => parseFlow(text, { file: "eight.yaml" })).toThrow(/eight\.yaml:2:1: error: unknown key/);
  });

  it.each([
    ["if: input.x", "write when"],
    ["with: { a: 1 }", "write input"],
    ["uses: actions/checkout", "write task: the name of an activity"],
    ["run: echo", "write agent: name, and at the top agents: { name: { command: [program, argument] } }"],
    ["continue-on-error: true", "write on_error: continue"],
    ["dependsOn: [b]", "write depends_on"],
    ["descripton: x", "did you mean description?"],
  ])("explain the foreign word %s", (word, hint) => {
    const { problems } = readFlow(`name: x\nsteps:\n  - id: a\n    task: t\n    ${word}\n`);
    expect(problems).toMatchObject([{ code: "unknown_key", line: 5, column: 5, hint }]);
  });

  it.each([
    ['"0 3 * *"', "bad_schedule", "the flow's schedule: "],
    ["{ cron: 0 3 * * *, timezone: Mars }", "bad_schedule", "Mars"],
    ["{ cron: 0 3 * * *, every: 15m }", "bad_schedule", "exactly one of cron, every and at"],
    ["{ every: soon }", "bad_duration", "every must be a duration"],
    ["{ every: 15m, overlap: never }", "wrong_type", "overlap must be skip, buffer-one"],
    ["{ interval: 15m }", "unknown_key", "interval"],
    ["{ at: tomorrow }", "bad_schedule", "no point in time"],
    ["15", "wrong_type", "schedule must be a schedule such as"],
  ])("say what is wrong with the schedule %s", (schedule, code, message) => {
    const { problems } = readFlow(`name: x\nschedule: ${schedule}\nsteps:\n  - id: a\n    task: t\n`);
    expect(problems[0]).toMatchObject({ code, line: 2, message: expect.stringContaining(message) });
  });

  it("read a schedule as a cron expression or as what it says", () => {
    const read = (schedule: string) =>
      readFlow(`name: x\nschedule: ${schedule}\nsteps:\n  - id: a\n    task: t\n`).definition?.schedule;
    expect(read('"0 3 * * *"')).toEqual({ cron: "0 3 * * *" });
    expect(read("{ every: 90, jitter: 10s, catch_up: 1d, at: null }")).toBeUndefined();
    expect(read("{ every: 90, jitter: 10s, catch_up: 1d, input: { full: true } }")).toEqual({
      everyMs: 90_000,
      jitterMs: 10_000,
      catchUpMs: 86_400_000,
      input: { full: true },
    });
  });

  it.each(["map: { over: x }", "workflow: child", "approval: { by: [a] }", "compensate: { task: undo }"])(
    "say that %s is not supported yet",
    (word) => {
      const { problems } = readFlow(`name: x\nsteps:\n  - id: a\n    task: t\n    ${word}\n`);
      expect(problems).toMatchObject([{ code: "unsupported", severity: "error", line: 5 }]);
      expect(problems[0]?.message).toMatch(/not supported yet in this version/);
    },
  );

  it("warn about object_keys and keep them", () => {
    const { definition, problems } = readFlow("name: x\nsteps:\n  - { id: a, task: t, object_keys: [k] }\n");
    expect(problems).toMatchObject([{ code: "unsupported", severity: "warning", line: 3 }]);
    expect(definition?.steps[0]).toMatchObject({ objectKeys: ["k"] });
    expect(readFlow("name: x\nsteps:\n  - { id: a, task: t, object_keys: [] }\n").problems).toEqual([]);
  });

  it.each([
    ["a tag", "name: x\nsteps: !list [{ id: a, task: t }]", /Unresolved tag/],
    ["two documents", "name: x\nsteps: [{ id: a, task: t }]\n---\nname: y\n", /multiple documents/],
    ["an unknown alias", "name: x\nsteps: *gone", /Unresolved alias/],
    ["a list", "- a", /must be a flow/],
    ["nothing", "  \n", /empty/],
    ["merge keys", "name: x\nsteps:\n  - <<: { id: a }\n    id: b\n    task: t\n", /unknown key "<<"/],
    ["an infinite number", "name: x\nsteps: [{ id: a, task: t, input: .inf }]", /Infinity is no JSON number/],
    ["a megabyte", `name: ${"x".repeat(1024 * 1024)}`, /allowed are 1048576/],
    ["endless nesting", "[".repeat(50_000), /nested|Flow sequence/],
  ])("refuse %s", (_what, text, message) => {
    const { definition, problems } = readFlow(text);
    expect(definition).toBeUndefined();
    expect(problems.map((problem) => problem.message).join("\n")).toMatch(message);
  });

  it("refuse a bomb of aliases quickly", () => {
    const lines = ["a: &a [x, x, x, x, x, x, x, x, x]"];
    for (const [from, to] of ["ab", "bc", "cd", "de", "ef", "fg", "gh"]) {
      lines.push(`${to}: &${to} [${Array(9).fill(`*${from}`).join(", ")}]`);
    }
    const { problems } = readFlow(lines.join("\n"));
    expect(problems.map((problem) => problem.message).join()).toMatch(/alias/i);
  });

  it("read anchors and aliases in moderation", () => {
    const { definition, problems } = readFlow(
      "name: x\nsteps:\n  - { id: a, task: t, retry: &r { max_attempts: 2 } }\n  - { id: b, task: t, retry: *r }\n",
    );
    expect(problems).toEqual([]);
    expect(definition?.steps[1]).toMatchObject({ retry: { maxAttempts: 2 } });
  });

  it("never make the reader throw, whatever is in them, and errors name their line", () => {
    const scraps = fc.array(
      fc.oneof(
        fc.constantFrom(
          "\n",
          "  ",
          "- ",
          ": ",
          "steps:",
          "id:",
          "task:",
          "{",
          "}",
          "[",
          "]",
          "*a",
          "&a ",
          '"',
          "#",
          "|",
        ),
        fc.constantFrom(
          "${{",
          "}}",
          "${{ steps.extract.output }}",
          "when:",
          "depends_on:",
          "timer:",
          "!!x ",
          "null",
          "0",
        ),
        fc.string({ maxLength: 4 }),
      ),
      { maxLength: 12 },
    );
    fc.assert(
      fc.property(scraps, fc.nat(DATA_PIPELINE.length), (parts, at) => {
        const text = DATA_PIPELINE.slice(0, at) + parts.join("") + DATA_PIPELINE.slice(at);
        const { definition, problems } = readFlow(text);
        expect(definition === undefined).toBe(problems.some((problem) => problem.severity === "error"));
        for (const problem of problems) if (problem.path !== "") expect(problem.line).toBeGreaterThan(0);
      }),
      { numRuns: 300 },
    );
  });
});
