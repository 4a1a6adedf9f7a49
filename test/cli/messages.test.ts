/** Queries, updates, approvals, tokens and pauses from the command line, against a run that another process advances. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { eventually } from "../crash/eventually.ts";
import { folderWith, lastJson, linesOf, perdure, Running } from "./perdure.ts";

const CART = `import { appendFileSync } from "node:fs";
import { activity, query, signal, update, workflow } from "perdure";

const add = update("add");
const total = query("total");
const items = query("items");
const checkout = signal("checkout");
const print = activity("print", { timeout: "1h", retry: { maxAttempts: 2, initial: "10ms" } }, async (_, ctx) => {
  appendFileSync("tokens.txt", ctx.completeLater() + "\\n");
});

export const cart = workflow("cart", async (wf) => {
  const list = [];
  wf.on(add, (item) => {
    list.push(item);
    return list.length;
  }, { validate: (item) => { if (!item?.sku) throw new Error("no sku"); } });
  wf.on(total, () => list.length);
  wf.on(items, (filter) => list.filter(({ sku }) => filter === undefined || sku.startsWith(filter.prefix)));
  await wf.waitFor(checkout);
  const decision = await wf.approval("release", { approvers: ["ada", "bob"], timeout: "7d", label: "release it" });
  if (!decision.approved) return "rejected: " + decision.comment;
  return { by: decision.by, receipt: await wf.call(print), items: list.length };
});
`;

const STEADY = `import { appendFileSync } from "node:fs";
import { activity, workflow } from "perdure";
const tick = activity("slow/tick", async (n: number) => appendFileSync("ticks.txt", n + "\\n"));
const open = activity("open", async () => { appendFileSync("opened.txt", "x\\n"); });
export const steady = workflow("steady", async (wf) => {
  await wf.call(open);
  await wf.call(tick, 1);
});
`;

const CROWD = `import { activity, workflow } from "perdure";
let running = 0;
let meet;
const met = new Promise((resolve) => { meet = resolve; });
const visit = activity("crowd/visit", async () => {
  const here = ++running;
  if (here === 2) meet();
  await met;
  await new Promise((resolve) => setTimeout(resolve, 5));
  running--;
  return here;
});
export const crowd = workflow("crowd", async (wf) => {
  const seen = await Promise.all([1, 2, 3, 4, 5].map(() => wf.call(visit)));
  return Math.max(...seen);
});
`;

describe("messages", () => {
  let folder = "";
  let running: Running;

  beforeAll(async () => {
    folder = folderWith({ "cart.ts": CART });
    running = new Running(folder, ["run", "cart.ts", "--id", "cart-1"]);
    await running.printed(/checkout/);
  });

  afterAll(() => running.kill("SIGKILL"));

  test("updates change the run and print what it answers; the same id is the same update", async () => {
    const first = await perdure(folder, "runs", "update", "cart-1", "add", "sku=A1", "count=2", "--id", "u1");
    expect([first.code, first.stdout, first.stderr]).toEqual([0, "1\n", ""]);
    const again = await perdure(folder, "runs", "update", "cart-1", "add", "sku=A1", "--id", "u1", "--json");
    expect(lastJson(again)).toMatchObject({ workflowId: "cart-1", update: "add", answer: 1 });
    const more = await perdure(folder, "runs", "update", "cart-1", "add", "--input", '{"sku": "B7"}');
    expect(more.stdout).toBe("2\n");
  });

  test("rejected updates say why, with exit code 1", async () => {
    const { code, stderr } = await perdure(folder, "runs", "update", "cart-1", "add", "count=2");
    expect([code, stderr]).toEqual([1, expect.stringContaining("no sku")]);
    const unknown = await perdure(folder, "runs", "update", "cart-1", "remove", "sku=A1");
    expect([unknown.code, unknown.stderr]).toEqual([1, expect.stringMatching(/remove.*it has add/s)]);
  });

  test("queries are answered here by the code the run was started from", async () => {
    const total = await perdure(folder, "runs", "query", "cart-1", "total");
    expect([total.code, total.stdout, total.stderr]).toEqual([0, "2\n", ""]);
    const items = await perdure(folder, "runs", "query", "cart-1", "items", "prefix=B", "--json");
    expect(lastJson(items)).toMatchObject({ query: "items", answer: [{ sku: "B7" }] });
    const unknown = await perdure(folder, "runs", "query", "cart-1", "totals");
    expect([unknown.code, unknown.stderr]).toEqual([2, expect.stringContaining("totals")]);
  });

  test("approvals are listed, and decided by who may", async () => {
    await perdure(folder, "runs", "signal", "cart-1", "checkout");
    const list = async (...options: string[]): Promise<Record<string, unknown>[]> =>
      lastJson<Record<string, unknown>[]>(await perdure(folder, "approvals", "list", "--json", ...options));
    await eventually(async () => (await list()).length === 1, "the approval");
    expect(await list()).toMatchObject([
      { workflowId: "cart-1", workflow: "cart", name: "release", approvers: ["ada", "bob"], due: expect.any(String) },
    ]);
    expect(await list("--for", "eve")).toEqual([]);
    expect(await list("--for", "bob", "--workflow", "cart")).toHaveLength(1);
    const { stdout } = await perdure(folder, "approvals", "list");
    expect(stdout).toMatch(/^APPROVAL +ID +WORKFLOW +SINCE +DUE +WHO MAY\nrelease +cart-1 +cart +.*ada, bob\n$/);
    const show = await perdure(folder, "runs", "show", "cart-1");
    expect(show.stdout).toContain("waits for a decision");
    expect(show.stdout).toContain("perdure approvals approve cart-1 release --by ada (or bob)");
    const nobody = await perdure(folder, "approvals", "approve", "cart-1");
    expect([nobody.code, nobody.stderr]).toEqual([2, expect.stringContaining("--by WHO")]);
    const eve = await perdure(folder, "approvals", "approve", "cart-1", "release", "--by", "eve");
    expect([eve.code, eve.stderr]).toEqual([1, "error eve may not decide release; that is for ada, bob\n"]);
    const lost = await perdure(folder, "approvals", "approve", "cart-1", "realease", "--by", "ada");
    expect([lost.code, lost.stderr]).toEqual([
      1,
      expect.stringMatching(/^error cart-1 waits for no approval "realease"\nperdure approvals list/),
    ]);
    const ada = await perdure(folder, "approvals", "approve", "cart-1", "--by", "ada", "--comment", "fine", "--json");
    expect(ada.code, ada.stderr).toBe(0);
    expect(lastJson(ada)).toMatchObject({ approval: "release", approved: true, by: "ada", comment: "fine" });
    expect(await list()).toEqual([]);
  });

  test("tokens are completed and failed from any process", async () => {
    await eventually(async () => linesOf(folder, "tokens.txt").length === 1, "the first token");
    const [first = ""] = linesOf(folder, "tokens.txt");
    const both = await perdure(folder, "complete", first, "--result", "1", "--error", "x");
    expect([both.code, both.stderr]).toEqual([2, expect.stringContaining("exclude each other")]);
    const wrong = await perdure(folder, "complete", "v1.nonsense", "--result", "1");
    expect([wrong.code, wrong.stderr]).toEqual([2, expect.stringContaining("no token of this store")]);
    expect((await perdure(folder, "complete", first, "--error", "out of paper")).code).toBe(0);
    await eventually(async () => linesOf(folder, "tokens.txt").length === 2, "the second token");
    const [, second = ""] = linesOf(folder, "tokens.txt");
    expect((await perdure(folder, "complete", second, "--result", "page=7")).stdout).toContain("completed");
    const { code, stdout } = await running.ended;
    expect([code, stdout]).toEqual([0, expect.stringContaining('"by": "ada"')]);
    const result = lastJson(await perdure(folder, "runs", "result", "cart-1", "--json"));
    expect(result.output).toEqual({ by: "ada", receipt: { page: 7 }, items: 2 });
    const late = await perdure(folder, "complete", second);
    expect([late.code, late.stderr]).toEqual([2, expect.stringContaining("has ended")]);
  });

  test("a run that has ended still answers queries, and takes no updates", async () => {
    expect((await perdure(folder, "runs", "query", "cart-1", "total")).stdout).toBe("2\n");
    expect((await perdure(folder, "runs", "update", "cart-1", "add", "sku=C")).code).toBe(2);
  });

  test("without an engine an update is kept, and the command says what to do", async () => {
    const alone = new Running(folder, ["run", "cart.ts", "--id", "cart-2"]);
    await alone.printed(/checkout/);
    alone.kill("SIGTERM");
    await alone.ended;
    const { code, stderr } = await perdure(folder, "runs", "update", "cart-2", "add", "sku=A1", "--id", "kept");
    expect([code, stderr]).toEqual([1, expect.stringMatching(/no engine is running.*perdure runs resume cart-2/s)]);
    const resumed = new Running(folder, ["runs", "resume", "cart-2"]);
    await eventually(
      async () => (await perdure(folder, "runs", "query", "cart-2", "total")).stdout === "1\n",
      "the kept update",
    );
    resumed.kill("SIGTERM");
    await resumed.ended;
  });

  test("no secret key of another store reads the tokens of this one", async () => {
    const [token = ""] = linesOf(folder, "tokens.txt");
    const other = folderWith({ "cart.ts": CART });
    const begun = new Running(other, ["run", "cart.ts", "--id", "x"]);
    await begun.printed(/checkout/);
    begun.kill("SIGTERM");
    await begun.ended;
    expect((await perdure(other, "complete", token)).stderr).toContain("no token of this store");
  });
});

describe("limits", () => {
  test("of queues in the configuration hold for what is run, and mistakes in them are told", async () => {
    const config = (queues: string): string => `export default { queues: ${queues} };`;
    const folder = folderWith({ "crowd.ts": CROWD, "perdure.config.mjs": config("{ crowd: { concurrency: 2 } }") });
    const ended = await perdure(folder, "run", "crowd.ts", "--json");
    expect(ended.stderr).toBe("");
    expect(lastJson(ended).output).toBe(2);
    const wrong = folderWith({ "crowd.ts": CROWD, "perdure.config.mjs": config("{ crowd: { concurrency: 0 } }") });
    const { code, stderr } = await perdure(wrong, "run", "crowd.ts");
    expect([code, stderr]).toEqual([2, expect.stringContaining('"crowd" has the concurrency 0')]);
  });
});

describe("pauses", () => {
  test("a queue is paused and unpaused from another process, and the commands tell of it", async () => {
    const folder = folderWith({ "steady.ts": STEADY });
    const missing = await perdure(folder, "pause", "--all");
    expect(missing.code).toBe(3);
    await perdure(folder, "run", "steady.ts", "--id", "first");
    const paused = await perdure(folder, "pause", "--queue", "slow", "--reason", "disk is full");
    expect([paused.code, paused.stdout]).toEqual([0, expect.stringContaining("perdure unpause --queue slow")]);
    const running = new Running(folder, ["run", "steady.ts", "--id", "s1"]);
    await eventually(async () => linesOf(folder, "opened.txt").length === 2, "the step before");
    const shown = async (): Promise<string> => (await perdure(folder, "runs", "show", "s1")).stdout;
    await eventually(async () => (await shown()).includes("holds it back"), "the held step");
    const show = await perdure(folder, "runs", "show", "s1");
    expect(show.stdout).toMatch(/paused {2}queue slow, .*: disk is full {2}perdure unpause --queue slow/);
    expect(lastJson(await perdure(folder, "runs", "show", "s1", "--json")).pauses).toEqual([
      { target: { queue: "slow" }, reason: "disk is full" },
    ]);
    const doctor = await perdure(folder, "doctor");
    expect([doctor.code, doctor.stdout]).toEqual([0, expect.stringMatching(/paused +1\n +queue slow, .*disk is full/)]);
    expect((await perdure(folder, "pauses")).stdout).toMatch(/^PAUSED +SINCE +REASON\nqueue slow +.* +disk is full\n$/);
    expect(linesOf(folder, "ticks.txt")).toEqual(["1"]);
    expect((await perdure(folder, "unpause", "--queue", "slow")).stdout).toContain("queue slow goes on");
    expect((await running.ended).code).toBe(0);
    expect(linesOf(folder, "ticks.txt")).toEqual(["1", "1"]);
    expect((await perdure(folder, "pauses")).stdout).toBe("nothing is paused\n");
    expect(lastJson(await perdure(folder, "unpause", "--queue", "slow", "--json"))).toMatchObject({ unpaused: false });
  });

  test("a paused workflow takes starts, and they wait", async () => {
    const folder = folderWith({ "steady.ts": STEADY });
    await perdure(folder, "run", "steady.ts", "--id", "first");
    await perdure(folder, "pause", "--workflow", "steady");
    const running = new Running(folder, ["run", "steady.ts", "--id", "s1"]);
    await eventually(async () => (await perdure(folder, "runs", "show", "s1", "--json")).code === 0, "the start");
    expect(lastJson(await perdure(folder, "runs", "show", "s1", "--json"))).toMatchObject({
      status: "pending",
      pauses: [{ target: { workflow: "steady" } }],
    });
    await perdure(folder, "unpause", "--workflow", "steady");
    expect((await running.ended).code).toBe(0);
  });

  test("mistakes are answered with what is meant", async () => {
    const folder = folderWith({ "steady.ts": STEADY });
    await perdure(folder, "run", "steady.ts", "--id", "first");
    expect((await perdure(folder, "pause")).stderr).toContain("--workflow NAME, --queue NAME or --all");
    const two = await perdure(folder, "pause", "--all", "--queue", "slow");
    expect([two.code, two.stderr]).toEqual([2, expect.stringContaining("only one")]);
    expect((await perdure(folder, "pause", "--workflow", "stedy")).stdout).toContain("is the name right?");
    expect(lastJson(await perdure(folder, "pauses", "--json"))).toMatchObject([{ target: { workflow: "stedy" } }]);
  });
});
