/**
 * What must hold of starts and signals that users asked for inside their transactions (rule 15): they happen once when those have committed,
 * never when they were rolled back, and what is asked for under one workflow id happens in the order it was asked for.
 */
import type { AskedSignal, AskedStart, Refused } from "../../src/engine/admitter.ts";
import type { LoadedRun } from "../../src/store/store.ts";
import type { AdmissionTable, Asked } from "./admission-table.ts";
import type { AskedPayload, AskingClient } from "./asking-client.ts";
import type { Graveyard } from "./graveyard.ts";
import type { Oracle } from "./oracle.ts";
import type { EventKeys, Fail } from "./shadow.ts";

interface Parts {
  readonly table: AdmissionTable;
  readonly users: readonly AskingClient[];
  /** Of all runs there ever were. */
  readonly loaded: readonly LoadedRun[];
  readonly oracle: Oracle;
  readonly graveyard: Graveyard;
  readonly fail: Fail;
}

const nameOf = ({ asker, n }: AskedPayload): string => `${asker}#${n}`;

/** Where something that was asked for is in histories. */
interface Place {
  readonly run: number;
  readonly chain: number;
  readonly seq: number;
}

export function checkAdmissions(parts: Parts): void {
  const { table, users, loaded, oracle, fail } = parts;
  const begun = new Map<string, Place[]>();
  const received = new Map<string, Place[]>();
  for (const { row, events } of loaded) index(row, events, begun, received);
  for (const asked of table.all) {
    const where = `${asked.request.kind} ${asked.number} of ${asked.request.workflowId} (${asked.transaction.xid})`;
    const tell = (check: string, message: string): void => fail(check, `${where} ${message}`);
    if (isMeant(asked) && asked.outcome === undefined) tell("I4 admission", "was committed and never decided");
    else if (asked.request.kind === "start") checkStart(asked, begun, oracle, tell);
    else checkSignal(asked, received, parts, tell);
  }
  checkOrder(table, received, fail);
  for (const { told, script } of users)
    for (const { number, fate } of told)
      checkTold(table.all[number - 1]!, fate, (check, message) => fail(check, `${script.name} ${message}`));
}

function index(
  { run, chain }: LoadedRun["row"],
  events: LoadedRun["events"],
  begun: Map<string, Place[]>,
  received: Map<string, Place[]>,
): void {
  events.forEach(({ type, data }, seq) => {
    if (type !== "RunStarted" && type !== "SignalReceived") return;
    const { p } = JSON.parse(data) as EventKeys;
    const payload = (p ?? {}) as Partial<AskedPayload> & { readonly mark?: AskedPayload };
    const mark =
      type === "RunStarted" ? payload.mark : payload.asker === undefined ? undefined : (payload as AskedPayload);
    if (mark === undefined) return;
    const places = type === "RunStarted" ? begun : received;
    places.set(nameOf(mark), [...(places.get(nameOf(mark)) ?? []), { run, chain, seq }]);
  });
}

/** Whether what was asked for is to happen: its transaction has committed, with this part of it. */
function isMeant({ transaction, undone }: Asked): boolean {
  return transaction.state === "committed" && !undone;
}

function markOf({ request: { kind, body } }: Asked): AskedPayload {
  if (kind === "signal") return JSON.parse((JSON.parse(body) as AskedSignal).data) as AskedPayload;
  return (JSON.parse((JSON.parse(body) as AskedStart).input) as { mark: AskedPayload }).mark;
}

function checkStart(asked: Asked, begun: ReadonlyMap<string, readonly Place[]>, oracle: Oracle, fail: Fail): void {
  const runs = begun.get(nameOf(markOf(asked))) ?? [];
  const started = `started runs ${runs.map(({ run }) => run).join(", ")}`;
  if (!isMeant(asked)) {
    if (runs.length > 0) fail("I4 rolled back", `${started}, and never was`);
    return;
  }
  const { outcome } = asked;
  const { reuse, conflict, workflow, delayMs } = JSON.parse(asked.request.body) as AskedStart;
  if (outcome === undefined || outcome === "delivered") {
    fail("I4 admission", `came to ${outcome}`);
    return;
  }
  if ("refused" in outcome) {
    const { code } = JSON.parse(outcome.refused) as Refused;
    if (runs.length > 0) fail("I4 admission", `was refused and ${started}`);
    const taken = [...oracle.runs.values()].some(({ workflowId }) => workflowId === asked.request.workflowId);
    const mayBe = code === "ALREADY_EXISTS" ? reuse !== "allow" || conflict === "fail" : code === "CONFLICT";
    if (!taken || !mayBe) fail("I4 admission", `was refused: ${code} (reuse ${reuse}, conflict ${conflict})`);
    return;
  }
  if (runs.length > 1) fail("I4 once", `${started}`);
  const shadow = oracle.runs.get(outcome.run);
  const isOwn = runs.length === 1 && runs[0]!.run === outcome.run;
  const attached = runs.length === 0 && conflict === "attach" && shadow?.workflowId === asked.request.workflowId;
  const { n } = JSON.parse(shadow?.events[0]?.data ?? "{}") as EventKeys;
  const dueAt = asked.request.askedAt + delayMs;
  if (isOwn && shadow!.events[0]!.at < dueAt) fail("I4 admission", `began before ${dueAt}, for when it was asked`);
  if (!isOwn && !(attached && n === workflow)) fail("I4 admission", `came to run ${outcome.run}, and ${started}`);
}

/** The run a signal is for. */
function addressee({ request: { body, after } }: Asked, table: AdmissionTable): number | undefined {
  const { run } = JSON.parse(body) as AskedSignal;
  if (run !== undefined) return run;
  const outcome = table.all[after!.number - 1]?.outcome;
  return typeof outcome === "object" && "run" in outcome ? outcome.run : undefined;
}

function checkSignal(
  asked: Asked,
  received: ReadonlyMap<string, readonly Place[]>,
  { table, loaded, oracle, graveyard }: Parts,
  fail: Fail,
): void {
  // What goes on with a run is in more than one history of its chain.
  const places = received.get(nameOf(markOf(asked))) ?? [];
  const chains = new Set(places.map(({ chain }) => chain));
  if (!isMeant(asked)) {
    if (places.length > 0) fail("I4 rolled back", `arrived in run ${places[0]!.run}, and never was`);
    return;
  }
  const run = addressee(asked, table);
  const { outcome } = asked;
  if (outcome === "delivered") {
    const chain = loaded.find(({ row }) => row.run === run)?.row.chain;
    if (places.length === 0) fail("I4 lost", `was delivered to run ${run} and is in no history`);
    else if (chains.size > 1 || new Set(places.map((place) => place.run)).size < places.length)
      fail("I4 once", `is in the histories of runs ${places.map((place) => place.run).join(", ")}`);
    else if (!chains.has(chain!)) fail("I4 admission", `was for run ${run} and is in run ${places[0]!.run}`);
    return;
  }
  if (places.length > 0) fail("I4 admission", `was refused and arrived in run ${places[0]!.run}`);
  const { code } = JSON.parse((outcome as { refused: string }).refused) as Refused;
  const ended = run !== undefined && (oracle.runs.get(run)?.endedAt ?? Number.NEGATIVE_INFINITY) >= 0;
  const isRotten = asked.request.body.includes("rotten");
  const right =
    code === "RUN_CLOSED" ? ended : code === "INTERNAL" ? isRotten : run === undefined || graveyard.runs.has(run);
  if (!right) fail("I4 admission", `to run ${run} was refused: ${code}`);
}

/** Whoever asked first comes first, of signals of one name: of one transaction, and of two of which the second began when the first had committed. */
function checkOrder(table: AdmissionTable, received: ReadonlyMap<string, readonly Place[]>, fail: Fail): void {
  const last = new Map<string, { readonly seq: number; readonly asked: Asked }[]>();
  for (const asked of table.all) {
    if (asked.request.kind !== "signal" || asked.outcome !== "delivered") continue;
    for (const { run, seq } of received.get(nameOf(markOf(asked))) ?? []) {
      const key = `${run} ${(JSON.parse(asked.request.body) as AskedSignal).name}`;
      const earlier = last.get(key) ?? [];
      for (const one of earlier)
        if (one.seq > seq && (one.asked.transaction === asked.transaction || one.asked.seenAt < asked.insertedAt))
          fail("I4 order", `run ${run} received signal ${asked.number} before ${one.asked.number}`);
      last.set(key, [...earlier, { seq, asked }]);
    }
  }
}

function checkTold(asked: Asked, fate: number | string, fail: Fail): void {
  const { outcome } = asked;
  if (fate === "NOT_FOUND") {
    if (isMeant(asked) && !asked.forgotten) fail("I4 told", `was told that start ${asked.number} never was`);
  } else if (typeof fate === "number") {
    if (typeof outcome !== "object" || !("run" in outcome) || outcome.run !== fate)
      fail("I4 told", `was told that start ${asked.number} is run ${fate}, and it is ${JSON.stringify(outcome)}`);
  } else if (typeof outcome !== "object" || !("refused" in outcome))
    fail("I4 told", `was told that start ${asked.number} is refused (${fate})`);
}
