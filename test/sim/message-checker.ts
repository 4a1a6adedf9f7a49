/** What must hold of updates, of messages that runs send each other, of runs that go on as new, and of children. */
import type { Ending } from "../../src/core/ending.ts";
import { encodePayload } from "../../src/core/payload.ts";
import type { AnswerRow, EventRow, LoadedRun, RunRow } from "../../src/store/store.ts";
import { SCHEDULE_WORKFLOW } from "../../src/workflow/schedule.ts";
import type { ScheduleInput } from "../../src/workflow/schedule-state.ts";
import type { RunClient } from "./client.ts";
import type { Replayed } from "./replay.ts";
import type { EventKeys, Fail } from "./shadow.ts";
import { TALLY, type TallyState } from "./tally.ts";

interface Parts {
  answer(run: number, number: number): Promise<AnswerRow | undefined>;
  readonly loaded: readonly LoadedRun[];
  readonly clients: readonly RunClient[];
  /** Of every whole history. */
  readonly replays: readonly Replayed<RunRow>[];
  readonly fail: Fail;
}

export async function checkMessages(parts: Parts): Promise<void> {
  const { answer, loaded, clients, replays, fail } = parts;
  for (const client of clients) {
    checkTold(client, fail);
    if (client.script.workflow === TALLY.name) checkTally(client, loaded, fail);
    if (client.script.workflow === SCHEDULE_WORKFLOW) checkTicks(client, loaded, fail);
  }
  for (const replayed of replays) {
    await checkUpdates(answer, replayed, fail);
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

/** What an entity that came to its end was told is in its state once, and nothing that it refused. */
function checkTally({ script, told }: RunClient, loaded: readonly LoadedRun[], fail: Fail): void {
  const all = loaded.filter(({ row }) => row.workflowId === script.id);
  // A second life begins with nothing.
  if (new Set(all.map(({ row }) => row.chain)).size > 1) return;
  const last = all.find(({ row }) => row.status !== "continued_as_new");
  if (last?.row.status !== "completed") return;
  const { seen } = keysOf(last.events.at(-1)!).p as TallyState;
  for (const { asker, asks, at } of script.askers)
    for (const index of asks === "add" ? at.keys() : []) {
      const answer = told.find(({ id }) => id === `${asker}#${index}`)?.answer;
      const times = seen.filter((one) => one === `${asker} ${index + 1}`).length;
      const wanted = answer === undefined ? [0, 1] : [answer.startsWith("failed") ? 0 : 1];
      if (!wanted.includes(times))
        fail("I4 entity", `${script.id}: ${asker}#${index} was answered ${answer} and is there ${times} times`);
    }
}

/** Each tick of a schedule starts one run; with nothing to skip it for, none is left out. */
function checkTicks({ script }: RunClient, loaded: readonly LoadedRun[], fail: Fail): void {
  const { name, spec } = script.input as ScheduleInput;
  const ticks = new Map<number, Set<number>>();
  for (const { row } of loaded) {
    const tick = row.workflowId.startsWith(`${name}@`) ? Date.parse(row.workflowId.slice(name.length + 1)) : Number.NaN;
    if (!Number.isNaN(tick)) ticks.set(tick, (ticks.get(tick) ?? new Set()).add(row.chain));
  }
  for (const [tick, chains] of ticks)
    if (chains.size > 1) fail("tick once", `${script.id}: tick ${tick} has runs ${[...chains].join(", ")}`);
  const [first = 0, ...rest] = [...ticks.keys()].sort((a, b) => a - b);
  const paused = script.askers.some(({ asks }) => asks === "pause");
  if (spec.overlap !== "allow-all" || paused) return;
  rest.forEach((tick, index) => {
    const expected = first + (index + 1) * spec.everyMs!;
    if (tick !== expected) fail("tick missed", `${script.id}: tick ${expected} has no run`);
  });
}

/** Each update that was accepted is answered with what its handler came to, or with the end of its run. */
async function checkUpdates(
  find: Parts["answer"],
  { row, history, endings, machine }: Replayed<RunRow>,
  fail: Fail,
): Promise<void> {
  const where = `run ${row.run} (${row.workflowId})`;
  const moved = new Set(machine.messages.keptUpdates.map(({ message }) => message));
  const resumed = history.findLastIndex(({ type }) => type === "Resumed");
  for (const [index, event] of history.entries()) {
    if (event.type !== "UpdateAccepted") continue;
    const number = keysOf(event).m!;
    // A fork has the updates of its original under numbers of their own.
    if (number <= 0) continue;
    if (row.status === "continued_as_new" && moved.has(number)) continue;
    const answer = await find(row.run, number);
    const wrong = answer === undefined ? "it has no answer" : wrongAnswer(answer, endings.get(number), index < resumed);
    if (wrong !== undefined) fail("I4 answer", `${where}: update ${number} was accepted, and ${wrong}`);
  }
}

/** @param changed a resume has set things aside that the handler may have come to its end by. */
function wrongAnswer({ status, data }: AnswerRow, ending: Ending | undefined, changed: boolean): string | undefined {
  if (status === "accepted") return "it was never answered";
  if (changed) return undefined;
  if (status === "rejected" && data.includes('"RUN_CLOSED"')) return undefined;
  if (ending === undefined) return `it was answered (${data}), although its handler never ended`;
  if (ending.ok !== (status === "completed")) return `its answer is ${status}: ${data}`;
  if (ending.ok && encodePayload(ending.value) !== data)
    return `it was answered ${data}, its handler returned ${encodePayload(ending.value)}`;
  return undefined;
}

/** What nobody had taken goes on: it is in the history of a later run, too. */
function checkContinued({ row, machine }: Replayed<RunRow>, loaded: readonly LoadedRun[], fail: Fail): void {
  const where = `run ${row.run} (${row.workflowId})`;
  const later = loaded.filter((one) => one.row.chain === row.chain && one.row.run > row.run);
  if (later.length === 0) fail("I4 continued", `${where} continued as new, and there is no such run`);
  const received = later.flatMap(({ events }) => events.filter(({ type }) => type === "SignalReceived"));
  const numbers = new Set(received.map((event) => keysOf(event).m));
  const lost = machine.messages.kept.map(({ message }) => message).filter((number) => !numbers.has(number));
  if (lost.length > 0) fail("I4 continued", `${where}: signals ${lost.join(", ")} are in no later run`);
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
    // Schedules tell others to stop.
    if (events.some(({ type }) => type === "Resumed") || row.workflow === SCHEDULE_WORKFLOW) continue;
    const told = events.filter(({ type, data }) => type === "StepCompleted" && data.includes('"k":"message"')).length;
    const own = [...arrived].filter(([key]) => Number.parseInt(key.slice(key.indexOf("-") + 1), 36) === row.run);
    if (own.length < told) fail("I4 lost", `run ${row.run} told others ${told} times, and ${own.length} arrived`);
    for (const [key, places] of own)
      if (places.size > 1) fail("I4 once", `what run ${row.run} told (${key}) arrived ${places.size} times`);
  }
}

/** The outcome of a child reaches its parent, unless that does not wait for it any more. */
function checkOutcomes(loaded: readonly LoadedRun[], fail: Fail): void {
  for (const { row, events } of loaded) {
    const { parent } = row;
    const of = parent === null ? undefined : loaded.find((one) => one.row.run === parent.run);
    if (parent === null || of === undefined || row.status === "continued_as_new") continue;
    const settled = of.events.some((event) => event.type !== "ChildStarted" && keysOf(event).c === parent.command);
    if (outlived(row, events, of.row))
      fail("I9 close policy", `run ${row.run} was to end with its parent ${parent.run} and did not`);
    if (!settled && of.row.closedAt === null)
      fail("I4 outcome", `run ${row.run} has ended, and its parent ${parent.run} does not know it`);
  }
}

/** A message is there long before that. */
const LONG_MS = 120_000;

/** Whether a child went on long after its parent without having been told to stop. */
function outlived(row: RunRow, events: readonly EventRow[], of: RunRow): boolean {
  if (of.closedAt === null || of.status === "continued_as_new" || row.parent?.onClose === "abandon") return false;
  const told = events.some(({ type }) => type === "CancelRequested" || type === "RunTerminated");
  return !told && events.at(-1)!.at > of.closedAt + LONG_MS;
}
