/** What the load was to come to: results known beforehand, against what clients were told and what the tables say. */
import { type ClientLine, groupBy, type SeenEvent, type SeenRun, type Snapshot } from "./snapshot.ts";
import type { Findings } from "./violation.ts";

/** Refusals that are right, by what was asked for. */
const RIGHT: Readonly<Record<string, readonly string[]>> = {
  // Somebody else of the crowd was first, or an answer had been lost.
  start: ["ALREADY_EXISTS"],
  schedule: ["ALREADY_EXISTS"],
  cancel: ["RUN_CLOSED"],
  terminate: ["RUN_CLOSED"],
  pause: ["RUN_CLOSED"],
  resume: ["CONFLICT"],
};
/** Statuses a kind may end with; `completed` where nothing else is said. */
const ENDS: Readonly<Record<string, readonly string[]>> = {
  cancelled: ["completed", "cancelled"],
  cancelledFamily: ["completed", "cancelled"],
  cancelledSaga: ["completed", "cancelled"],
  cancelledTransfers: ["completed", "cancelled"],
  terminated: ["completed", "terminated"],
  terminatedFamily: ["completed", "terminated"],
};
const RESULT_CODES: Readonly<Record<string, string>> = {
  RUN_CANCELLED: "cancelled",
  RUN_TERMINATED: "terminated",
  RUN_FAILED: "failed",
};

/** A scenario, and the runs of its id. */
interface Scene {
  readonly id: string;
  readonly kind: string;
  readonly lines: readonly ClientLine[];
  readonly chain: readonly SeenRun[];
  /** What the last of them returned; undefined when it did not complete. */
  readonly result: unknown;
  wrong(what: string, ...evidence: unknown[]): void;
}

export function checkScenarios({ clients, runs }: Snapshot, found: Findings): void {
  const chains = groupBy(runs, ({ workflowId }) => workflowId);
  const scenes = groupBy(clients, ({ scenario }) => scenario);
  for (const [id, lines] of scenes) {
    const { kind } = lines[0]!;
    const wrong = (what: string, ...evidence: unknown[]): void => found.add("I5", id, `${kind}: ${what}`, evidence);
    for (const line of lines) checkRefusal(line, wrong);
    if (kind === "schedules" || kind === "cart") continue;
    if (!lines.some(({ op }) => op === "end")) {
      found.add("I10", id, `${kind}: its client never got to the end`, lines.slice(-3));
      continue;
    }
    const chain = chains.get(id) ?? [];
    const last = chain.at(-1)?.events.at(-1);
    checkRun({ id, kind, lines, chain, result: last?.type === "RunCompleted" ? last.data.p : undefined, wrong });
  }
  checkCarts(clients, chains, found);
}

function checkRefusal(line: ClientLine, wrong: Scene["wrong"]): void {
  const { op, code, kind } = line;
  if (code === undefined) return;
  const what = kind === "schedules" ? "schedule" : op.split(":")[0]!;
  if (what === "result" || what === "before") return;
  if (what === "signal" && kind === "late" && code === "RUN_CLOSED") return;
  if (RIGHT[what]?.includes(code) !== true) wrong(`${op} was refused with ${code}`, line);
}

function checkRun(scene: Scene): void {
  const { chain, lines, kind, result, wrong } = scene;
  const [first] = chain;
  if (first === undefined) {
    wrong("there is no run", ...lines);
    return;
  }
  if (new Set(chain.map((run) => run.chain)).size > 1)
    wrong("it was started twice", ...chain.map(({ runId }) => runId));
  const starts = lines.filter(({ op }) => op === "start");
  if (kind !== "order") checkStart(first, starts, wrong);
  const { status } = chain.at(-1)!;
  if (!(ENDS[kind] ?? ["completed"]).includes(status)) wrong(`it is ${status}`, chain.at(-1)!.events.at(-1));
  for (const line of lines.filter(({ op }) => op === "result")) {
    const told = "ok" in line ? "completed" : RESULT_CODES[line.code ?? ""];
    if (told !== status || (told === "completed" && !same(line.ok ?? null, result ?? null)))
      wrong("its client was told another result", line, chain.at(-1)!.events.at(-1));
  }
  if (status === "completed") CHECKS[kind]?.(scene, starts[0]?.input as never);
}

function checkStart(run: SeenRun, starts: readonly ClientLine[], wrong: Scene["wrong"]): void {
  if (starts.filter((line) => "ok" in line).length > 1) wrong("two were told that they had started it", ...starts);
  if (!starts.some(({ input }) => same(input, run.events[0]?.data.p)))
    wrong("it began with what nobody had given", run.events[0], ...starts);
}

function same(one: unknown, other: unknown): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}

/** Results by kind. */
const CHECKS: Readonly<Record<string, (scene: Scene, input: never) => void>> = {
  steps: checkTokens,
  paused: checkTokens,
  fan: checkTokens,
  far: checkTokens,
  order: ({ id, result, wrong }) => {
    if (!same(result, [`${id}:a`, `${id}:b`])) wrong("it took something else than was sent in its transaction", result);
  },
  naps: ({ result, wrong }, { naps }: { naps: number[] }) => {
    const slept = result as number[];
    if (naps.length !== slept.length || naps.some((ms, at) => slept[at]! < ms))
      wrong("it slept too little", naps, slept);
  },
  inbox: checkInbox,
  late: checkInbox,
  crowd: checkInbox,
  tally: checkTally,
  family: ({ result, wrong }, { children }: { children: number }) => {
    const expected = [...Array.from({ length: children + 1 }, (_, n) => n * 2), 200, 202];
    if (!same(result, expected)) wrong("its children returned something else", result);
  },
  undoing: ({ result, wrong }, { steps }: { steps: number }) => {
    const expected = Array.from({ length: steps }, (_, n) => steps - 1 - n);
    if (!same(result, expected)) wrong("it was undone in another order", result);
  },
  transfers: ({ result, wrong }, { moves }: { moves: unknown[] }) => {
    if (result !== moves.length) wrong("it made another number of moves", result);
  },
  slow: ({ result, wrong }, { ticks }: { ticks: number }) => {
    if (result !== ticks) wrong("it ticked otherwise", result);
  },
  flaw: ({ lines, result, wrong }) => {
    const before = lines.find(({ op }) => op === "before");
    if (before?.code !== "RUN_FAILED" || result !== "mended") wrong("it was not mended", before, result);
  },
};

/** The result names the attempt behind each step, in the order of the steps. */
function checkTokens({ chain, result, wrong }: Scene): void {
  const at = ({ data }: SeenEvent): number => Number((data.l ?? "").slice(1));
  const done = chain
    .at(-1)!
    .events.filter(({ type, data }) => type === "StepCompleted" && data.k === "activity")
    .sort((a, b) => at(a) - at(b));
  if (
    !same(
      done.map(({ data }) => data.p),
      result,
    )
  )
    wrong("its result is not that of its steps", result, ...done);
}

/** What was taken is what came, in its order; of each sender in the order it was sent. */
function checkInbox({ chain, lines, result, wrong }: Scene): void {
  const taken = result as string[];
  const received = chain.flatMap(({ events }) => events).filter(({ type }) => type === "SignalReceived");
  const came = received.map(({ data }) => data.p);
  if (!same(came.slice(0, taken.length), taken)) wrong("it took something else than came", taken, came);
  for (const [client, sent] of groupBy(
    lines.filter(({ op }) => op.startsWith("signal:")),
    (line) => line.client,
  )) {
    const acknowledged = sent.filter((line) => "ok" in line).map(({ scenario, key }) => `${scenario}:${key}`);
    const places = acknowledged.map((one) => came.indexOf(one));
    if (places.some((place, at) => place < 0 || place < (places[at - 1] ?? -1)))
      wrong(`what client ${client} sent came in another order or not at all`, acknowledged, came);
  }
}

/** Each update has one place in the result, which is what it was answered, however often it was sent. */
function checkTally({ lines, result, wrong }: Scene, { count }: { count: number }): void {
  const ids = result as string[];
  if (ids.length !== count || new Set(ids).size !== count) wrong("updates are missing or there twice", ids);
  for (const line of lines) {
    if (line.op.startsWith("update:") && line.ok !== ids.indexOf(line.key!) + 1)
      wrong("an update was answered otherwise", line, ids);
    if (line.op.startsWith("query:") && !same(line.ok, ids.slice(0, (line.ok as string[])?.length ?? -1)))
      wrong("a query was answered otherwise", line, ids);
  }
}

/** Entities have the operations of many clients, each once. */
function checkCarts(
  clients: readonly ClientLine[],
  chains: ReadonlyMap<string, readonly SeenRun[]>,
  found: Findings,
): void {
  const adds = clients.filter((line) => line.kind === "cart" && line.op.startsWith("add:") && "ok" in line);
  for (const [key, lines] of groupBy(adds, (line) => line.key!)) {
    const id = `cart/${key}`;
    const last = chains.get(id)?.at(-1)?.events.at(-1);
    const ids = last?.type === "RunCompleted" ? (last.data.p as { ids: string[] }).ids : [];
    if (new Set(ids).size !== ids.length) found.add("I5", id, "an operation was done twice", [ids]);
    for (const line of lines)
      if (ids.indexOf(line.id!) + 1 !== line.ok)
        found.add("I4", id, "an operation was answered and is not so", [line, ids]);
  }
}
