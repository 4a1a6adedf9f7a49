/** Several processes start runs and send signals on one file while engines advance them: nobody ever hears that it is busy. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { CrashSite } from "./crash-site.ts";

const SENDERS = ["a", "b"];
const SIGNALS = 250;
const STARTS = 150;

let site: CrashSite;
beforeEach(() => {
  site = new CrashSite();
});
afterEach(() => site.clear());

it("two processes send and start while a third one works", { timeout: 60_000 }, async () => {
  const worker = await site.engine();
  const senders = await Promise.all(SENDERS.map(() => site.engine()));
  const count = SIGNALS * SENDERS.length;
  await worker.ask("start", "ledger", { count, every: 50 }, { id: "ledger" });
  const flooding = senders.map((sender, index) =>
    sender.ask("flood", { to: "ledger", sender: SENDERS[index], signals: SIGNALS, starts: STARTS, atOnce: 4 }),
  );
  await Promise.all(flooding);
  const seen = await worker.ask<string[]>("result", "ledger");
  for (const sender of SENDERS) {
    const own = seen.filter((item) => item.startsWith(`${sender}:`));
    expect(own).toEqual(Array.from({ length: SIGNALS }, (_, index) => `${sender}:${index + 1}`));
  }
  const client = await site.client();
  const handles = SENDERS.flatMap((sender) =>
    Array.from({ length: STARTS }, (_, index) => client.handle(`${sender}-${index + 1}`)),
  );
  for (const handle of await Promise.all(handles)) expect(await handle.result({ timeout: "20s" })).toHaveLength(2);
  const everybody = [worker, ...senders];
  await Promise.all(everybody.map((child) => child.leave()));

  const warned = everybody.flatMap(({ log }) => log.filter((line) => /^(warn|error)/.test(line)));
  expect(warned).toEqual([]);
  expect(everybody.map(({ output }) => output).join("")).toBe("");
  const { runs, problems } = await site.audit();
  expect(problems).toEqual([]);
  expect(runs.size).toBe(1 + SENDERS.length * STARTS);
});
