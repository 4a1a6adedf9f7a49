/** The checker can fail: each way in which a finished database or a log can be wrong is found. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type ChaosRun, finished } from "./chaos.ts";
import { check } from "./checker.ts";
import { type EffectLine, takeSnapshot } from "./snapshot.ts";
import type { Violation } from "./violation.ts";

const EVENTS = "perdure.events";
const RUNS = "perdure.workflow_runs";
/** The first row of a table that is so. */
const first = (table: string, key: string, where: string): string =>
  `(${key}) = (select ${key} from ${table} where ${where} order by ${key} limit 1)`;
const event = (where: string): string => first(EVENTS, "run, seq", where);

let run: ChaosRun;
let folder: string;
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "perdure-checker-"));
  const load = { engines: 2, clients: 2, lanes: 24, ttlMs: 3000, faults: false, seed: 7, troubleMs: 4000, atLeast: 32 };
  run = await finished({ ...load, folder });
}, 240_000);
afterAll(async () => {
  // What could not be finished is kept to be looked at.
  if (run === undefined) return;
  await run.end();
  rmSync(folder, { recursive: true, force: true });
});

/** What the checker says when statements have changed the database, or something has changed the logs. */
async function verdict({ sql, logs }: { sql?: string; logs?: (folder: string) => void }): Promise<Violation[]> {
  let looked = folder;
  if (logs !== undefined) {
    looked = join(folder, "changed");
    mkdirSync(looked, { recursive: true });
    for (const name of readdirSync(folder).filter((one) => /^(effects|client-\d)\.log$/.test(one)))
      writeFileSync(join(looked, name), readFileSync(join(folder, name)));
    logs(looked);
  }
  const from = { url: run.url, schema: "perdure", folder: looked, faults: [], ttlMs: 3000 };
  return check(await takeSnapshot({ ...from, ...(sql !== undefined && { corruption: sql }) }));
}

/** Changes the lines of a log. */
const inLog =
  (name: string, change: (lines: EffectLine[]) => EffectLine[]) =>
  (where: string): void => {
    const path = join(where, name);
    const lines = readFileSync(path, "utf8").trimEnd().split("\n");
    const changed = change(lines.map((line) => JSON.parse(line) as EffectLine));
    writeFileSync(path, changed.map((line) => `${JSON.stringify(line)}\n`).join(""));
  };

const begins = (lines: readonly EffectLine[]): EffectLine[] => lines.filter(({ phase }) => phase === "begin");

it("finds nothing in a database that nobody has touched", async () => {
  const found = await check(await run.snapshot());
  expect(found).toEqual([]);
});

it("says so when a load has left out something it is to show", async () => {
  const { runs, seenMessages, ledger, ticks } = await run.snapshot();
  const workflows = new Set(runs.map(({ workflow }) => workflow));
  expect([...workflows].sort()).toEqual(
    [
      "cart",
      "child",
      "family",
      "fan",
      "far",
      "flaw",
      "inbox",
      "naps",
      "perdure.schedule",
      "slow",
      "steps",
      "tally",
      "tick",
      "transfers",
      "undoing",
    ].sort(),
  );
  expect(seenMessages.length).toBeGreaterThan(50);
  expect(ledger.length).toBeGreaterThan(3);
  expect(ticks.length).toBeGreaterThan(3);
});

describe("the checker reports", () => {
  it.each<[what: string, rule: string, said: RegExp, sql: string]>([
    ["a lost event", "I2", /has the number/, `delete from ${EVENTS} where ${event("type = 'StepCompleted'")}`],
    ["a lost end", "I2", /does not end so/, `delete from ${EVENTS} where ${event("type = 'RunCompleted'")}`],
    ["a lost run", "I2", /without a run/, `delete from ${RUNS} where ${first(RUNS, "run", "workflow = 'steps'")}`],
    [
      "an event behind the end",
      "I5",
      /follows the end/,
      `insert into ${EVENTS} select run, seq + 1, 'SignalReceived', at, '{"n":"item","m":99,"p":1}' from ${EVENTS} where ${event("type = 'RunCompleted'")}`,
    ],
    [
      "a second outcome of a step",
      "I5",
      /two outcomes/,
      `update ${EVENTS} set data = replace(data, '"c":2,', '"c":1,') where ${event(`type = 'StepCompleted' and data like '%"c":2,%' and run in (select run from ${EVENTS} where type = 'StepCompleted' and data like '%"c":1,%')`)}`,
    ],
    ["time that runs backwards", "I3", /backwards/, `update ${EVENTS} set at = at - 600000 where ${event("seq > 2")}`],
    [
      "an event nobody wrote",
      "I1",
      /nobody wrote/,
      `delete from seen.events where ${first("seen.events", "run, seq", "seq > 1")}`,
    ],
    [
      "an event written before what came before it",
      "I2",
      /written before the one before/,
      `update seen.events set at = at - 60000 where ${first("seen.events", "run, seq", "seq > 1")}`,
    ],
    [
      "an open run",
      "I10",
      /has not ended/,
      `update ${RUNS} set closed_at = null where ${first(RUNS, "run", "workflow = 'fan'")}`,
    ],
    [
      "another status than the end",
      "I2",
      /does not end so/,
      `update ${RUNS} set status = 'failed' where ${first(RUNS, "run", "status = 'completed'")}`,
    ],
    [
      "a message that is left",
      "I10",
      /left in messages/,
      "insert into perdure.messages values (1, 1, 'signal', 'x', '1', 1)",
    ],
    [
      "an attempt that is left",
      "I10",
      /left in attempts/,
      "insert into perdure.attempts values (1, 1, 'activity', 'x', 1, 1, 1)",
    ],
    [
      "a message with another number",
      "I4",
      /in no history/,
      `update ${EVENTS} set data = replace(data, '"m":1,', '"m":1000,') where ${event(`type = 'SignalReceived' and data like '%"m":1,%'`)}`,
    ],
    [
      "messages in another order",
      "I4",
      /came after message/,
      `update ${EVENTS} set data = replace(data, '"m":2,', '"m":0,') where ${event(`type = 'SignalReceived' and data like '%"m":2,%'`)}`,
    ],
    [
      "a message with another content",
      "I4",
      /is not what was sent/,
      `update ${EVENTS} set data = replace(data, 'inbox-', 'outbox-') where ${event("type = 'SignalReceived' and data like '%inbox-%'")}`,
    ],
    [
      "a lost message",
      "I4",
      /in no history/,
      `update ${EVENTS} set type = 'VersionMarked' where ${event("type = 'SignalReceived'")}`,
    ],
    ["a lost key of a message", "I4", /nothing is known of it/, "delete from perdure.message_keys"],
    [
      "a run that was continued by none",
      "I4",
      /continued by no run/,
      `update ${RUNS} set chain = null where ${first(RUNS, "run", "chain is not null and workflow = 'tally'")}`,
    ],
    [
      "a child's result the parent was not told",
      "I5",
      /something else/,
      `update ${EVENTS} set data = replace(data, '"p":', '"p":1') where ${event(`type = 'StepCompleted' and data ~ '"k":"child".*"p":[0-9]'`)}`,
    ],
    [
      "a child the parent was not told of",
      "I4",
      /was not told/,
      `delete from seen.messages where ${first("seen.messages", "run, number", "kind = 'outcome'")}`,
    ],
    [
      "a child that was started twice",
      "I5",
      /started 2 children/,
      `insert into ${RUNS} (run, workflow_id, workflow, status, created_at, closed_at, parent, parent_command, parent_generation, superseded)
        select 999999, 'twin', workflow, status, created_at, closed_at, parent, parent_command, parent_generation, 1 from ${RUNS} where ${first(RUNS, "run", "workflow = 'child'")}`,
    ],
    [
      "a child that is not there",
      "I5",
      /is not there/,
      `update ${RUNS} set parent = null where ${first(RUNS, "run", "workflow = 'child'")}`,
    ],
    [
      "money out of nowhere",
      "I5",
      /accounts hold/,
      "update public.accounts set balance = balance + 1 where account = 3",
    ],
    [
      "a transfer that was booked twice",
      "I5",
      /booked 2 times/,
      "insert into public.ledger select * from public.ledger limit 1",
    ],
    [
      "a transfer that was not booked",
      "I5",
      /was not booked/,
      `delete from public.ledger where (run_id, step) = (select run_id, step from public.ledger limit 1)`,
    ],
    [
      "a tick that was booked twice",
      "I5",
      /booked 2 times/,
      "insert into public.ticks select * from public.ticks limit 1",
    ],
    [
      "a tick that was started twice",
      "I5",
      /started 2 times/,
      `update ${RUNS} r set workflow_id = o.workflow_id, superseded = 1 from (select * from ${RUNS} where workflow = 'tick' order by run limit 1) o
        where r.run = (select max(run) from ${RUNS} where workflow = 'tick')`,
    ],
    [
      "a tick that was left out",
      "I10",
      /left out ticks/,
      `delete from ${RUNS} where run = (select run from ${RUNS} where workflow_id like 'every-second@%' order by run offset 2 limit 1)`,
    ],
    ["an order that was not started", "I4", /was not started/, "insert into public.orders values ('order-unheard-of')"],
    [
      "an order that was taken back",
      "I1",
      /was taken back/,
      "delete from public.orders where id = (select min(id) from public.orders)",
    ],
    [
      "an order that nobody admitted",
      "I10",
      /admissions are waiting/,
      "update perdure.admissions set decided_at = null where number = (select min(number) from perdure.admissions)",
    ],
    [
      "a task that is left",
      "I10",
      /left in tasks/,
      "insert into perdure.tasks (run, command, generation, attempt, queue, activity, workflow, body, lost, created_at) values (1, 1, 0, 1, 'q', 'a', 'w', '', '', 1)",
    ],
    [
      "the outcome of a transaction that was kept beside its event",
      "I5",
      /kept beside its event/,
      `insert into perdure.tx_outcomes (run, command, generation, data, at)
        select run, (data::json ->> 'c')::integer, 0, '1', 1 from ${EVENTS} where ${event(`data like '%"k":"transaction"%'`)}
        on conflict (run, command, generation) do update set data = '1'`,
    ],
    [
      "another result than its client was told",
      "I5",
      /told another result/,
      `update ${EVENTS} set data = '{"p":["?"]}' where ${event(`type = 'RunCompleted' and data like '{"p":["e%'`)}`,
    ],
    [
      "an effect of an engine without a lease",
      "I2",
      /without a lease/,
      "update seen.leases set ended = began where engine = 1",
    ],
    ["an effect before its cause", "I1", /before event 1 was written/, "update seen.events set at = at + 600000"],
    ["an effect after the outcome", "I5", /after its outcome/, `update seen.events set at = at - 600000`],
    [
      "the outcome of another step",
      "I5",
      /outcome is that of another step/,
      `update ${EVENTS} set data = replace(data, '"l":"s0"', '"l":"s1"') where ${event(`data like '%"l":"s0"%'`)}`,
    ],
  ])("%s", async (_, rule, said, sql) => {
    const found = await verdict({ sql });
    expect(
      found.filter((one) => one.rule === rule && said.test(one.what)).length,
      JSON.stringify(found[0]),
    ).toBeGreaterThan(0);
  });

  it.each<[what: string, rule: string, said: RegExp, change: (lines: EffectLine[]) => EffectLine[]]>([
    ["an attempt that was begun twice", "I5", /twice under one lease/, (lines) => [...lines, begins(lines)[0]!]],
    [
      "an attempt that began after another was recorded",
      "I5",
      /was not the last to begin/,
      (lines) => [...lines, { ...begins(lines)[0]!, token: "e9.1/1" }],
    ],
    [
      "an attempt after the outcome",
      "I5",
      /began after its outcome/,
      (lines) => [...lines, { ...begins(lines)[0]!, at: begins(lines)[0]!.at + 600_000 }],
    ],
    [
      "two steps with one key",
      "I5",
      /used by another step/,
      (lines) => {
        const [one, other] = begins(lines);
        return lines.map((line) => (line === other ? { ...line, key: one!.key, runId: one!.runId } : line));
      },
    ],
    [
      "a step with two keys",
      "I5",
      /has the keys/,
      (lines) => [...lines, { ...begins(lines)[0]!, key: `${begins(lines)[0]!.runId}:77` }],
    ],
    [
      "a step that was never done",
      "I5",
      /was not done/,
      (lines) => lines.filter((line) => line.token !== lines[0]!.token),
    ],
    [
      "a step that was recorded before it was done",
      "I5",
      /before it was done/,
      (lines) => lines.map((line) => (line.phase === "end" ? { ...line, at: line.at + 5000 } : line)),
    ],
    [
      "more attempts than there may be",
      "I5",
      /of at most/,
      (lines) => lines.map((line) => (line === begins(lines)[0] ? { ...line, attempt: 1001 } : line)),
    ],
    [
      "an effect of a run that is not there",
      "I1",
      /there is no run/,
      (lines) => [...lines, { ...begins(lines)[0]!, runId: "nowhere-1", key: "nowhere-1:1" }],
    ],
    [
      "an effect whose cause is not there",
      "I1",
      /which is not there/,
      (lines) => lines.map((line) => (line === begins(lines)[0] ? { ...line, cause: 5000 } : line)),
    ],
    [
      "an effect that came before the database had its cause",
      "I1",
      /the database had/,
      (lines) => lines.map((line) => (line.phase === "look" ? { ...line, seen: 0 } : line)),
    ],
    [
      "an effect of a process without a lease",
      "I2",
      /without a lease/,
      (lines) => lines.map((line) => (line === begins(lines)[0] ? { ...line, incarnation: "e9.1" } : line)),
    ],
  ])("%s, from the log of effects", async (_, rule, said, change) => {
    const found = await verdict({ logs: inLog("effects.log", change) });
    expect(
      found.filter((one) => one.rule === rule && said.test(one.what)).length,
      JSON.stringify(found[0]),
    ).toBeGreaterThan(0);
  });

  type Line = Record<string, unknown>;
  it.each<[what: string, rule: string, said: RegExp, change: (line: Line) => Line]>([
    [
      "a signal that was acknowledged and is not there",
      "I4",
      /nothing is known of it/,
      (line) => (String(line.op).startsWith("signal:") ? { ...line, key: "unheard of" } : line),
    ],
    [
      "an update that was answered otherwise",
      "I5",
      /answered otherwise/,
      (line) => (line.op === "update:u1" ? { ...line, ok: 17 } : line),
    ],
    [
      "an operation that was answered otherwise",
      "I4",
      /answered and is not so/,
      (line) => (String(line.op).startsWith("add:") ? { ...line, ok: 1700 } : line),
    ],
    [
      "a refusal that was not right",
      "I5",
      /was refused with/,
      (line) => (line.op === "start" ? { ...line, code: "INTERNAL" } : line),
    ],
    ["a start that never was", "I5", /there is no run/, (line) => ({ ...line, scenario: `${line.scenario}?` })],
    [
      "two winners of one start",
      "I5",
      /two were told/,
      (line) => (line.op === "start" ? { ...line, ok: "won" } : line),
    ],
    [
      "a scenario that never ended",
      "I10",
      /never got to the end/,
      (line) => (line.op === "end" ? { ...line, op: "…" } : line),
    ],
  ])("%s, from the journals of clients", async (_, rule, said, change) => {
    const changed = (where: string): void => {
      for (const name of ["client-1.log", "client-2.log"])
        inLog(name, (lines) => lines.map((line) => change(line as unknown as Line) as unknown as EffectLine))(where);
    };
    const found = await verdict({ logs: changed });
    expect(
      found.filter((one) => one.rule === rule && said.test(one.what)).length,
      JSON.stringify(found[0]),
    ).toBeGreaterThan(0);
  });
});
