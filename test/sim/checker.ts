/** What must hold when the simulation is over, read from the store's rows alone and compared with what clients were told. */
import { encodePayload, reviveParsed } from "../../src/core/payload.ts";
import type { AnswerRow, EventRow, LoadedRun, MessageRow, Store } from "../../src/store/store.ts";
import { checkAdmissions } from "./admission-checker.ts";
import type { AdmissionTable } from "./admission-table.ts";
import type { AskingClient } from "./asking-client.ts";
import type { RunClient } from "./client.ts";
import type { LedgerRow } from "./database.ts";
import type { Graveyard } from "./graveyard.ts";
import { checkMessages } from "./message-checker.ts";
import type { Oracle } from "./oracle.ts";
import { type Replayed, replayAll } from "./replay.ts";
import type { EventKeys, Fail } from "./shadow.ts";
import type { Tenant } from "./tenant.ts";
import type { World } from "./world.ts";

const MANY = 1_000_000;
const TERMINAL_OF: Readonly<Record<string, string>> = {
  completed: "RunCompleted",
  failed: "RunFailed",
  cancelled: "RunCancelled",
  terminated: "RunTerminated",
  timed_out: "RunTimedOut",
  continued_as_new: "RunContinued",
};

interface Parts {
  readonly world: World;
  readonly base: Store;
  /** What users' transactions have written. */
  readonly ledger: readonly LedgerRow[];
  readonly oracle: Oracle;
  readonly clients: readonly RunClient[];
  readonly users: readonly AskingClient[];
  readonly tenants: readonly Tenant[];
  readonly graveyard: Graveyard;
  readonly admissions: AdmissionTable | undefined;
}

/** Runs every check at the end. */
export async function checkEnd(parts: Parts): Promise<void> {
  const { world, base, ledger, oracle, clients, users, tenants, graveyard, admissions } = parts;
  const rows = await base.list({ limit: MANY });
  const left = await base.load(
    rows.map(({ run }) => run),
    MANY,
  );
  // What retention has deleted counts as what it was then. Newest first, as a store lists them.
  const loaded =
    graveyard.runs.size === 0 ? left : [...left, ...graveyard.runs.values()].sort((a, b) => b.row.run - a.row.run);
  const fail = (check: string, message: string): void => world.violate(check, message);
  for (const run of loaded) checkRow(run, oracle, fail);
  checkLedger(ledger, oracle, fail);
  for (const { queue, waiting, running } of await base.queues())
    if (waiting + running > 0) fail("tasks", `${waiting + running} tasks of queue ${queue} were left`);
  const withLate = loaded.map(withWhatCameLate);
  for (const client of clients) checkAcknowledged(client, withLate, fail);
  for (const tenant of tenants) checkTenant(tenant, loaded, oracle, fail);
  if (admissions !== undefined)
    checkAdmissions({ table: admissions, users, loaded: withLate, oracle, graveyard, fail });
  const histories = loaded.flatMap(({ row, events }) =>
    prefixes(events, oracle.runs.get(row.run)?.copied ?? 0).map((history) => ({ row, history })),
  );
  const replays = await replayAll(base.id, histories);
  for (const replayed of replays) checkReplay(replayed, fail);
  const whole = loaded.map(({ row }) => replays.findLast((replayed) => replayed.row.run === row.run)!);
  const answer = async (run: number, number: number): Promise<AnswerRow | undefined> =>
    (await base.answer(run, number)) ?? graveyard.answer(run, number);
  await checkMessages({ answer, loaded: withLate, clients, replays: whole, fail });
}

/** With the signals that lie in the inbox of the closed run, as if they stood before its end. */
function withWhatCameLate(run: LoadedRun): LoadedRun {
  const late = run.messages.filter(({ kind }) => kind === "signal");
  if (late.length === 0) return run;
  const events = late.map(({ name, number, at, data }) => ({
    type: "SignalReceived",
    at,
    data: `{"n":${JSON.stringify(name)},"m":${number},"p":${data}}`,
  }));
  return { ...run, events: [...run.events.slice(0, -1), ...events, ...run.events.slice(-1)] };
}

/** A resume or a fork of a run that could be deleted any moment has happened whole, if it is said to have happened. */
function checkTenant(
  { script, started, resumed, forks }: Tenant,
  loaded: readonly LoadedRun[],
  oracle: Oracle,
  fail: Fail,
): void {
  const where = (run: number): string => `${script.id}: run ${run}`;
  const find = (run: number): LoadedRun | undefined => loaded.find(({ row }) => row.run === run);
  for (const run of started)
    if (find(run) === undefined) fail("I1 start", `${where(run)} was acknowledged and does not exist`);
  for (const [run, times] of resumed) {
    const there = find(run)?.events.filter(({ type }) => type === "Resumed").length ?? 0;
    if (there < times) fail("retention half", `${where(run)} was resumed ${times} times and went on ${there} times`);
  }
  for (const { of, run, from } of forks) {
    const fork = oracle.runs.get(run);
    const original = oracle.runs.get(of)!;
    const isCopy = fork?.events.slice(1, from - 1).every(({ type, at }, index) => {
      const event = original.events[index + 1];
      return event?.type === type && event.at === at;
    });
    if (fork?.copied !== from || isCopy !== true || find(run) === undefined)
      fail(
        "retention half",
        `${where(of)} was forked from event ${from}, and run ${run} has ${fork?.copied} of its events`,
      );
  }
}

/** I5: what a transactional step wrote is there once when it completed, and not at all when it failed. */
function checkLedger(ledger: readonly LedgerRow[], oracle: Oracle, fail: Fail): void {
  for (const [run, { transactions }] of oracle.runs)
    for (const [key, completed] of transactions) {
      const rows = ledger.filter((row) => row.run === run && keyOf(row) === key);
      if (rows.length !== (completed ? 1 : 0))
        fail(
          "I5 ledger",
          `transaction ${key} of run ${run} ${completed ? "completed" : "failed"}, its rows are there ${rows.length} times`,
        );
    }
}

function keyOf({ command, generation }: LedgerRow): string {
  return generation === 0 ? `${command}` : `${command}:${generation}`;
}

/** A whole history, and each part of it that ended before a resume; not those that were copied. */
function prefixes(events: readonly EventRow[], copied: number): EventRow[][] {
  const cuts = events.flatMap(({ type }, index) => (type === "Resumed" && index >= copied ? [index] : []));
  return [...cuts, events.length].map((length) => events.slice(0, length));
}

function checkRow({ row, events, attempts, messages }: LoadedRun, oracle: Oracle, fail: Fail): void {
  const where = `run ${row.run} (${row.workflowId}, ${row.status})`;
  const shadow = oracle.runs.get(row.run);
  const same =
    shadow !== undefined &&
    shadow.events.length === events.length &&
    shadow.events.every((event, index) => sameEvent(event, events[index]!));
  if (!same)
    fail(
      "I1 durable",
      `${where}: the history is not what was committed (${events.length} events, committed ${shadow?.events.length})`,
    );
  const terminal = TERMINAL_OF[row.status];
  if (terminal === undefined) {
    fail("rest", `${where} did not end`);
    return;
  }
  const last = events.at(-1)!;
  if (last.type !== terminal) fail("I5 terminal", `${where}: the last event is ${last.type}`);
  if (row.owner !== null) fail("I2 owner", `${where} is closed but owned by ${row.owner}`);
  if (row.closedAt !== last.at) fail("I5 terminal", `${where}: closed at ${row.closedAt}, last event at ${last.at}`);
  if (row.length !== events.length) fail("I2 density", `${where}: length ${row.length}, history ${events.length}`);
  // What came when the run could no longer be kept from ending is there for a resume.
  if (messages.length > 0 && row.status === "continued_as_new")
    fail("I4 lost", `${where}: messages ${messages.map(({ number }) => number).join(", ")} stayed in the inbox`);
  if (attempts.length > 0)
    fail("attempt rows", `${where}: rows of commands ${attempts.map(({ command }) => command).join(", ")} were left`);
}

function sameEvent(a: EventRow, b: EventRow): boolean {
  return a.type === b.type && a.at === b.at && a.data === b.data;
}

function checkAcknowledged(client: RunClient, loaded: readonly LoadedRun[], fail: Fail): void {
  const { script, started, acknowledged, sent } = client;
  const runs = loaded.filter(({ row }) => row.workflowId === script.id);
  for (const number of started) {
    const run = runs.find(({ row }) => row.run === number);
    if (run === undefined) fail("I1 start", `${script.id}: run ${number} was acknowledged and does not exist`);
    else if (run.row.chain === run.row.run) checkStart(client, run, fail);
  }
  const signals = signalsIn(runs);
  for (const sender of sent.keys()) {
    const received = signals.filter((signal) => signal.sender === sender).map(({ n }) => n);
    const told = acknowledged.filter((signal) => signal.sender === sender).map(({ n }) => n);
    const missing = told.filter((n) => !received.includes(n));
    if (missing.length > 0)
      fail(
        "I4 lost",
        `${script.id}: signals ${missing.join(", ")} of ${sender} were acknowledged and are in no history`,
      );
    if (new Set(received).size < received.length)
      fail("I4 once", `${script.id}: signals of ${sender} are there more than once: ${received.join(", ")}`);
    for (const name of new Set(signals.map((signal) => signal.name))) {
      const own = signals.filter((signal) => signal.sender === sender && signal.name === name).map(({ n }) => n);
      if (own.some((n, index) => index > 0 && n < own[index - 1]!))
        fail("I4 order", `${script.id}: signals ${name} of ${sender} arrived as ${own.join(", ")}`);
    }
  }
}

interface Signal {
  readonly name: string;
  readonly sender: string;
  readonly n: number;
}

/** What was received under one workflow id. A signal that went on with a run is in more than one history. */
function signalsIn(runs: readonly LoadedRun[]): Signal[] {
  const signals = new Map<string, Signal>();
  for (const { row, events } of runs.toSorted((a, b) => a.row.run - b.row.run))
    for (const { type, data } of events) {
      const { m, n: name, p } = JSON.parse(data) as EventKeys;
      const key = `${row.chain}/${m}`;
      if (type === "SignalReceived" && !signals.has(key)) signals.set(key, { ...(p as Signal), name: name! });
    }
  return [...signals.values()];
}

function checkStart({ script }: RunClient, { row, events }: LoadedRun, fail: Fail): void {
  const first = JSON.parse(events[0]!.data) as EventKeys;
  const input = JSON.stringify(first.p);
  if (row.workflow !== script.workflow || input !== JSON.stringify(JSON.parse(encodePayload(script.input)))) {
    fail("I1 start", `${script.id}: run ${row.run} is not what was asked for`);
  }
}

/** I3, I6: fresh code and the history agree on every command and on the end. */
function checkReplay({ row, history, machine, early, unacceptable }: Replayed, fail: Fail): void {
  const where = `run ${row.run} (${row.workflowId}) of ${history.length} events`;
  if (machine.blockage !== undefined) {
    fail("I3 replay", `${where}: ${machine.blockage.message}`);
    return;
  }
  if (unacceptable.length > 0)
    fail("I3 validator", `${where}: updates ${unacceptable.join(", ")} were accepted against their validator`);
  if (early !== undefined) fail("I3 timer", `${where}: ${early}`);
  const last = history.at(-1)!;
  const { ending } = machine;
  if (last.type === "RunCompleted") {
    const recorded = encodePayload(reviveParsed((JSON.parse(last.data) as EventKeys).p));
    const computed = ending?.ok === true ? encodePayload(ending.value) : `nothing (${String(ending?.error)})`;
    if (recorded !== computed) fail("I3 replay", `${where}: result ${recorded}, replayed ${computed}`);
  } else if (last.type === "RunFailed" || last.type === "RunCancelled") {
    if (ending?.ok !== false)
      fail("I3 replay", `${where}: ended with ${last.type}, replayed ${JSON.stringify(ending)}`);
    const { e } = JSON.parse(last.data) as { e?: { message: string } };
    const message = ending?.ok === false ? (ending.error as Error | undefined)?.message : undefined;
    if (e !== undefined && e.message !== message)
      fail("I3 replay", `${where}: failed with ${e.message}, replayed ${message}`);
  }
}

/** What an open run that stands still is waiting for; undefined when that is only signals that nobody sent. */
export function stuckOn({ machine, history, answered }: Replayed): string | undefined {
  if (machine.blockage !== undefined) return `its history cannot be replayed: ${machine.blockage.message}`;
  if (machine.ending !== undefined) return "its code has returned";
  if (machine.open.size === 0) return "nothing is pending";
  for (const { id, kind, name, spec } of machine.open.values()) {
    if (kind !== "wait" || !("due" in spec) || spec.due !== undefined)
      return `${kind} ${name} (command ${id}) is pending`;
    const received = history.filter(
      ({ type, data }) => type === "SignalReceived" && (JSON.parse(data) as EventKeys).n === name,
    );
    if (received.length > (answered.get(name) ?? 0))
      return `wait ${name} (command ${id}) is pending although a signal was kept for it`;
  }
  return undefined;
}

/** A message that lies in the inbox of a run at rest, although the run would take it. */
export function leftWithoutNeed(
  { machine: { messages } }: Replayed,
  inbox: readonly MessageRow[],
  ahead: number,
): string | undefined {
  const left = inbox.find(
    ({ kind, name }) => kind !== "signal" || messages.receives(name) || 2 * messages.keptOf(name) <= ahead,
  );
  return left === undefined ? undefined : `${left.kind} ${left.name} (message ${left.number}) was not taken`;
}
