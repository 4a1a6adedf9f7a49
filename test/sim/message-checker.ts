/** What must hold of updates, of messages that runs send each other, of runs that go on as new, and of children. */
import { encodePayload } from "../../src/core/payload.ts";
import type { AnswerRow, EventRow, LoadedRun, RunRow, Store } from "../../src/store/store.ts";
import type { RunClient } from "./client.ts";
import type { Replayed } from "./replay.ts";
import type { EventKeys, Fail } from "./shadow.ts";

interface Parts {
  readonly base: Store;
  readonly loaded: readonly LoadedRun[];
  readonly clients: readonly RunClient[];
  /** Of every whole history. */
  readonly replays: readonly Replayed<RunRow>[];
  readonly fail: Fail;
}

export async function checkMessages(parts: Parts): Promise<void> {
  const { base, loaded, clients, replays, fail } = parts;
  for (const client of clients) checkTold(client, fail);
  for (const replayed of replays) {
    await checkUpdates(base, replayed, fail);
    if (replayed.row.status === "continued_as_new") checkContinued(replayed, loaded, fail);
  }
  checkTells(loaded, fail);
  checkOutcomes(loaded, fail);
}

const keysOf = ({ data }: EventRow): EventKeys => JSON.parse(data) as EventKeys;

/** However often an update is asked for, the answer is the same. */
function checkTold({ script, told }: RunClient, fail: Fail): void {
  const answers = new Map<string, string>();
  for (const { id, answer } of told) {
    const earlier = answers.get(id) ?? answer;
    if (earlier !== answer) fail("I4 answer", `${script.id}: update ${id} was answered ${earlier}, then ${answer}`);
    answers.set(id, answer);
  }
}

/** Each update that was accepted is answered with what its handler came to, or with the end of its run. */
async function checkUpdates(
  base: Store,
  { row, history, endings, machine }: Replayed<RunRow>,
  fail: Fail,
): Promise<void> {
  const where = `run ${row.run} (${row.workflowId})`;
  const moved = new Set(machine.messages.keptUpdates.map(({ message }) => message));
  for (const event of history) {
    if (event.type !== "UpdateAccepted") continue;
    const number = keysOf(event).m!;
    if (row.status === "continued_as_new" && moved.has(number)) continue;
    const answer = await base.answer(row.run, number);
    const wrong = answer === undefined ? "it has no answer" : wrongAnswer(answer, endings.get(number));
    if (wrong !== undefined) fail("I4 answer", `${where}: update ${number} was accepted, and ${wrong}`);
  }
}

function wrongAnswer({ status, data }: AnswerRow, ending: ReturnType<Replayed["endings"]["get"]>): string | undefined {
  if (status === "accepted") return "it was never answered";
  if (status === "rejected" && data.includes('"RUN_CLOSED"')) return undefined;
  if (ending === undefined) return `it was answered (${data}), although its handler never ended`;
  if (ending.ok !== (status === "completed")) return `its answer is ${status}: ${data}`;
  if (ending.ok && encodePayload(ending.value) !== data)
    return `it was answered ${data}, its handler returned ${encodePayload(ending.value)}`;
  return undefined;
}

/** What nobody had taken goes on: it is in the history of the run after that, too. */
function checkContinued({ row, machine }: Replayed<RunRow>, loaded: readonly LoadedRun[], fail: Fail): void {
  const where = `run ${row.run} (${row.workflowId})`;
  const next = loaded
    .filter((one) => one.row.chain === row.chain && one.row.run > row.run)
    .sort((a, b) => a.row.run - b.row.run)[0];
  if (next === undefined) {
    fail("I4 continued", `${where} continued as new, and there is no such run`);
    return;
  }
  const received = next.events.filter(({ type }) => type === "SignalReceived").map((event) => keysOf(event).m);
  const kept = machine.messages.kept.map(({ message }) => message);
  const lost = kept.filter((number) => !received.includes(number));
  if (lost.length > 0) fail("I4 continued", `${where}: signals ${lost.join(", ")} are not in run ${next.row.run}`);
}

interface Told {
  readonly from: string;
  readonly of: number;
}

/** What a run told another arrives once, and is there once the teller knows of it. */
function checkTells(loaded: readonly LoadedRun[], fail: Fail): void {
  const arrived = new Map<string, Set<string>>();
  for (const { row, events } of loaded) {
    for (const event of events) {
      const { p, m } = keysOf(event);
      const { from, of } = ((event.type === "SignalReceived" ? p : undefined) ?? {}) as Partial<Told>;
      if (from === undefined) continue;
      const key = `${from} ${of}`;
      const places = arrived.get(key) ?? new Set();
      arrived.set(key, places.add(`${row.chain}/${m}`));
    }
  }
  for (const { row, events } of loaded) {
    if (events.some(({ type }) => type === "Resumed")) continue;
    const told = events.filter(({ type, data }) => type === "StepCompleted" && data.includes('"k":"message"')).length;
    const own = [...arrived].filter(([key]) => Number.parseInt(key.slice(key.indexOf("-") + 1), 36) === row.run);
    if (own.length < told) fail("I4 lost", `run ${row.run} told others ${told} times, and ${own.length} arrived`);
    for (const [key, places] of own)
      if (places.size > 1) fail("I4 once", `what run ${row.run} told (${key}) arrived ${places.size} times`);
  }
}

/** The outcome of a child reaches its parent, unless that does not wait for it any more. */
function checkOutcomes(loaded: readonly LoadedRun[], fail: Fail): void {
  for (const { row } of loaded) {
    const { parent } = row;
    const of = parent === null ? undefined : loaded.find((one) => one.row.run === parent.run);
    if (parent === null || of === undefined || row.status === "continued_as_new") continue;
    const settled = of.events.some((event) => event.type !== "ChildStarted" && keysOf(event).c === parent.command);
    if (!settled && of.row.closedAt === null)
      fail("I4 outcome", `run ${row.run} has ended, and its parent ${parent.run} does not know it`);
  }
}
