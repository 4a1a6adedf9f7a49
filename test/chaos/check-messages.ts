/** No lost message (I4): what was acknowledged, and what the database took, is in a history once and in order, or was refused. */
import { groupBy, type SeenEvent, type SeenMessage, type SeenRun, type Snapshot } from "./snapshot.ts";
import type { Findings } from "./violation.ts";

const RECEIVED: ReadonlySet<string> = new Set(["SignalReceived", "UpdateAccepted", "CancelRequested"]);

export function checkMessages(snapshot: Snapshot, found: Findings): void {
  for (const run of snapshot.runs) checkOrder(run, found);
  checkTaken(snapshot, found);
  checkAcknowledged(snapshot, found);
}

/** The messages in a history, each once, in the order of their numbers. */
function checkOrder({ workflowId, events, inbox }: SeenRun, found: Findings): void {
  let before: SeenEvent | undefined;
  for (const event of events) {
    if (!RECEIVED.has(event.type)) continue;
    const number = event.data.m!;
    if (before !== undefined && number <= before.data.m!)
      found.add("I4", workflowId, `message ${number} came after message ${before.data.m}`, [before, event]);
    if (number > inbox) found.add("I4", workflowId, `message ${number} is more than the inbox ever had`, [event]);
    before = event;
  }
}

/** Every row that was ever in an inbox became what it had to. */
function checkTaken({ seenMessages, byRun, answers }: Snapshot, found: Findings): void {
  const rejected = new Set(
    answers.filter(({ status }) => status === "rejected").map(({ chain, number }) => `${chain}/${number}`),
  );
  const rows = groupBy(seenMessages, ({ run, number }) => `${byRun.get(run)?.chain}/${number}`);
  for (const [place, all] of rows) {
    const message = all.at(-1)!;
    const run = byRun.get(message.run);
    if (run === undefined) {
      found.add("I4", undefined, "a message was taken by a run that is not there", [message]);
      continue;
    }
    const kinds = new Set(all.map(({ kind }) => kind));
    if (kinds.size > 1) found.add("I4", run.workflowId, "two messages have one number", all);
    if (!became(message, run, rejected.has(place)))
      found.add("I4", run.workflowId, `${message.kind} ${message.number} was taken and is in no history`, [message]);
  }
}

function became({ kind, number }: SeenMessage, { events }: SeenRun, rejected: boolean): boolean {
  const received = events.some((event) => RECEIVED.has(event.type) && event.data.m === number);
  if (kind === "signal") return received;
  if (kind === "update") return received || rejected;
  // A run that was being cancelled, or had ended, need not be told again.
  if (kind === "cancel") return received || events.some(({ type }) => type === "CancelRequested") || ends(events);
  if (kind === "terminate") return ends(events);
  return true;
}

function ends(events: readonly SeenEvent[]): boolean {
  return events.some(({ type }) => type.startsWith("Run") && type !== "RunStarted");
}

/** What a client was told that was sent is there, with what it sent. */
function checkAcknowledged({ clients, runs, keys }: Snapshot, found: Findings): void {
  const chains = groupBy(runs, ({ workflowId }) => workflowId);
  const numbers = new Map(keys.map(({ run, key, number }) => [`${run}/${key}`, number]));
  for (const line of clients) {
    const signal = line.op.startsWith("signal:");
    if (!("ok" in line) || !(signal || line.op.startsWith("update:"))) continue;
    const chain = chains.get(line.scenario) ?? [];
    const key = signal ? line.key : `update:${line.key}`;
    const number = numbers.get(`${chain[0]?.chain}/${key}`);
    if (number === undefined) {
      found.add("I4", line.scenario, `${line.op} was acknowledged and nothing is known of it`, [line]);
      continue;
    }
    const events = chain
      .flatMap((run) => run.events)
      .filter(({ type, data }) => RECEIVED.has(type) && data.m === number);
    const payload = signal ? `${line.scenario}:${line.key}` : line.key;
    if (events.length === 0)
      found.add("I4", line.scenario, `${line.op} was acknowledged as message ${number}, which is in no history`, [
        line,
      ]);
    else if (events.some(({ data }) => data.p !== payload))
      found.add("I4", line.scenario, `message ${number} is not what was sent with ${line.op}`, [line, ...events]);
  }
}
