/** An engine that has another key than the rest of the fleet. */
import { afterEach, describe, expect, test, vi } from "vitest";
import { activity, type Logger, workflow } from "../../src/index.ts";
import { bench, vanishing } from "./fixture.ts";

afterEach(() => vi.unstubAllEnvs());

const reveal = activity("reveal", async (_: undefined, ctx) => ctx.secrets.key?.length);
const order = workflow("order", async (wf) => {
  await wf.waitFor("go");
  return wf.call(reveal);
});

const plain = workflow("plain", async () => "fine");

function logged(): { readonly lines: string[]; readonly logger: Logger } {
  const lines: string[] = [];
  const line = (_: object, message = ""): void => void lines.push(message);
  return { lines, logger: { debug: () => {}, info: () => {}, warn: line, error: line } };
}

describe("an engine with a wrong key", () => {
  test("leaves runs with secrets to those that can read them, says so, and runs the others", async () => {
    const { engine, clock, finish, store } = bench();
    vi.stubEnv("PERDURE_KEY", "the right one");
    const first = await engine({ workflows: [order] });
    await first.start(order, undefined, { id: "secret", secrets: { key: "s3cr3t" } });
    await clock.advance(30_000);
    await first.close();

    vi.stubEnv("PERDURE_KEY", "another");
    const { lines, logger } = logged();
    await using wrong = await engine({ workflows: [order, plain], logger });
    await (await wrong.handle("secret")).signal("go");
    expect(await finish(await wrong.start(plain))).toBe("fine");
    await clock.advance(5000);
    expect(await store.find({ workflowId: "secret" })).toMatchObject({ status: "running", owner: null });
    expect(lines.filter((line) => line.includes("left to others"))).not.toHaveLength(0);
    expect(lines.join("\n")).toContain("PERDURE_KEY");

    vi.stubEnv("PERDURE_KEY", "the right one");
    await using right = await engine({ workflows: [order] });
    expect(await finish(await right.handle("secret"), 30_000)).toBe(6);
  });

  test("leaves a run whose engine died as it was: where it had stood before that does not count any more", async () => {
    const { engine, clock, finish, store } = bench();
    const state = { hangs: true };
    const slow = activity("slow", () => (state.hangs ? new Promise<number>(() => {}) : Promise.resolve(7)));
    const patient = workflow("patient", async (wf) => [await wf.waitFor("go"), await wf.call(slow)]);
    const doomed = vanishing(store);
    vi.stubEnv("PERDURE_KEY", "the right one");
    const first = await engine({ store: doomed.store, workflows: [patient] });
    const { workflowId } = await first.start(patient, undefined, { secrets: { key: "s3cr3t" } });
    await clock.advance(30_000);
    await (await first.handle(workflowId)).signal("go", 1);
    await clock.advance(3000);
    doomed.vanish();
    state.hangs = false;

    vi.stubEnv("PERDURE_KEY", "another");
    const { lines, logger } = logged();
    await using _wrong = await engine({ workflows: [patient], logger });
    await clock.advance(30_000);
    expect(lines.filter((line) => line.includes("left to others"))).not.toHaveLength(0);

    vi.stubEnv("PERDURE_KEY", "the right one");
    await using right = await engine({ workflows: [patient] });
    expect(await finish(await right.handle(workflowId))).toEqual([1, 7]);
  });

  test("leaves tasks of such runs to others, and no attempt is lost to it", async () => {
    const { engine, clock, finish } = bench();
    const far = activity(
      "far/reveal",
      { retry: { maxAttempts: 1 } },
      async (_: undefined, ctx) => ctx.secrets.key?.length,
    );
    const sender = workflow("sender", (wf) => wf.call(far));
    vi.stubEnv("PERDURE_KEY", "the right one");
    await using first = await engine({ workflows: [sender], activities: [far], serves: ["default"] });
    const handle = await first.start(sender, undefined, { secrets: { key: "s3cr3t" } });
    vi.stubEnv("PERDURE_KEY", "another");
    const { lines, logger } = logged();
    await using _wrong = await engine({ activities: [far], serves: ["far"], logger });
    await clock.advance(5000);
    expect(lines.filter((line) => line.includes("left to others"))).not.toHaveLength(0);
    vi.stubEnv("PERDURE_KEY", "the right one");
    await using _right = await engine({ activities: [far], serves: ["far"] });
    expect(await finish(handle, 30_000)).toBe(6);
  });
});
