/** Secrets of a run: activities get them, and nothing that is kept or said has them. */
import { inspect } from "node:util";
import { describe, expect, it } from "vitest";
import { activity, workflow } from "../../src/index.ts";
import { bench } from "./fixture.ts";

describe("secrets", () => {
  it("reach activities, and never a history, an error or a log", async () => {
    const { engine, finish, store } = bench();
    const lines: string[] = [];
    // As loggers do, which show more of an error than JSON does.
    const write = (fields: object, message?: string): void => void lines.push(`${inspect(fields)} ${message}`);
    const logger = { debug: write, info: write, warn: write, error: write };
    const use = activity("use", { retry: { maxAttempts: 1 } }, async (how: string, ctx) => {
      ctx.log.info({ token: ctx.secrets.token }, `calling with ${ctx.secrets.token}`);
      ctx.log.warn({ err: new Error(`refused ${ctx.secrets.token}`, { cause: ctx.secrets.token }) }, "refused");
      if (how === "beat") ctx.heartbeat({ token: ctx.secrets.token });
      if (how === "throw") throw new Error(`denied for ${ctx.secrets.token}`);
      return how === "leak" ? { token: ctx.secrets.token } : ctx.secrets.token?.length;
    });
    const w = workflow("w", async (wf) => {
      const length = await wf.call(use, "fine");
      const thrown = await wf.call(use, "throw").catch((error: Error) => error.message);
      const leaked = await wf.call(use, "leak").catch((error: Error & { code?: string }) => error.code);
      const beat = await wf.call(use, "beat").catch((error: Error & { code?: string }) => error.code);
      return { length, thrown, leaked, beat };
    });
    const e = await engine({ workflows: [w], logger });
    const handle = await e.start(w, undefined, { secrets: { token: "hunter2-hunter2" } });
    expect(await finish(handle)).toEqual({
      length: 15,
      thrown: "denied for [secret]",
      leaked: "SECRET_LEAK",
      beat: "SECRET_LEAK",
    });
    expect(JSON.stringify(await store.history(1, 0, 100))).not.toContain("hunter2");
    expect(lines.join("\n")).not.toContain("hunter2");
  });

  const AWKWARD = 'n<"hun\\ter2\u2028>\n';
  const reversed = (text: string): string => [...text].reverse().join("");

  it.each([
    ["plain values", undefined, (token: string) => ({ token })],
    ["rich values", undefined, (token: string) => new Map([[`of ${token}`, 1n]])],
    ["values that a codec writes", { encode: reversed, decode: reversed }, (token: string) => ({ token })],
  ])("whatever characters they have, are found in %s", async (_, codec, leak) => {
    const { engine, finish, store } = bench();
    const w = workflow("w", (wf) =>
      wf.step("leak", (ctx) => leak(ctx.secrets.token!)).catch((error: Error & { code?: string }) => error.code),
    );
    await using e = await engine({ workflows: [w], ...(codec !== undefined && { codec }) });
    const secrets = { token: AWKWARD };
    await expect(e.start(w, leak(AWKWARD) as unknown as undefined, { secrets })).rejects.toMatchObject({
      code: "SECRET_LEAK",
    });
    expect(await finish(await e.start(w, undefined, { secrets }))).toBe("SECRET_LEAK");
    expect(JSON.stringify(await store.history(1, 0, 100))).not.toContain("ter2");
  });

  it("are blotted out of errors and their properties, whatever characters they have, and one in another", async () => {
    const { engine, finish, store } = bench();
    const w = workflow("w", (wf) =>
      wf
        .step(
          "leak",
          ({ secrets: { token, longer } }) => {
            const cause = Object.assign(new Error(`because\n${token!.slice(1)}`), { headers: new Map([[token, 1n]]) });
            throw Object.assign(new Error(`${longer} and ${token}`, { cause }), { body: { token: `<${token}>` } });
          },
          { retry: { maxAttempts: 1 } },
        )
        .catch((error: Error & { body: object; cause: Error & { headers: object } }) => [
          error.message,
          error.body,
          error.cause.headers,
        ]),
    );
    await using e = await engine({ workflows: [w] });
    const handle = await e.start(w, undefined, { secrets: { token: AWKWARD, longer: `${AWKWARD} in full` } });
    expect(await finish(handle)).toEqual([
      "[secret] and [secret]",
      { token: "<[secret]>" },
      new Map([["[secret]", 1n]]),
    ]);
    expect(JSON.stringify(await store.history(1, 0, 100))).not.toContain("full");
  });

  it("are blotted out of what blocks a run", async () => {
    const { engine, clock, store } = bench();
    const before = workflow("w", async (wf) => wf.step("one", () => 1).then(() => wf.waitFor("go")));
    const after = workflow("w", async () => {
      throw new Error("the token is hunter2-hunter2");
    });
    const first = await engine({ workflows: [before] });
    const { workflowId } = await first.start(before, undefined, { secrets: { token: "hunter2-hunter2" } });
    await clock.advance(10);
    await first.close();
    await using second = await engine({ workflows: [after] });
    const handle = await second.handle(workflowId);
    await handle.signal("go");
    await clock.advance(10);
    const { blocked } = await handle.describe();
    expect(blocked?.message).toContain("ended with the token is [secret]");
    expect(JSON.stringify(await store.find({ workflowId }))).not.toContain("hunter2");
  });

  it("are refused in an input, with where they belong", async () => {
    const { engine } = bench();
    const w = workflow("w", async (_, input: object) => input);
    const e = await engine({ workflows: [w] });
    await expect(
      e.start(w, { key: "hunter2-hunter2" }, { secrets: { token: "hunter2-hunter2" } }),
    ).rejects.toMatchObject({
      code: "SECRET_LEAK",
      message: expect.stringMatching(/the input contains the secret "token".*ctx\.secrets/),
    });
  });
});
