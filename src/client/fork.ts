/**
 * Forks: new runs that begin with the history of another one, up to some point (rules 29 to 31, 37). What is copied is never checked
 * against the code again: the new run has ids of its own, and may have another input. So it is checked once, here. What the original
 * drew at random before that point the new run draws too (rule 8): steps that are kept were given it.
 */
import type { Point } from "../core/cut.ts";
import { PerdureError } from "../core/errors.ts";
import { eventData, newEvent, parseEvent } from "../core/events.ts";
import { formatRunId } from "../core/ids.ts";
import { checkedId } from "../core/names.ts";
import { checkKind, checkOptions, checkWord, optionNames } from "../core/options.ts";
import type { PayloadCodec } from "../core/payload.ts";
import { drawnAt, FORKED, planReplay, type ReplayPlan, type ReplayRow, versionNotes } from "../core/resume.ts";
import type { Standing } from "../engine/rewind.ts";
import { ASK_FOR_SECRETS, encodeWithoutSecrets } from "../engine/secrets.ts";
import { givenBack } from "../engine/valid-message.ts";
import type { EventRow, FirstMessage, LoadedRun, NewRun, RunRow, Store } from "../store/store.ts";
import { historyOf } from "./history-of.ts";
import { type CutPoint, checkPoint, findPoint, type Rewinding } from "./rewind-point.ts";

/** Options of `handle.fork`. */
export interface ForkOptions {
  /**
   * The step to begin with: its name or label (the last of several), the number of its command, or `{ event: n }`. Everything that
   * happened before its outcome is kept, the rest is done anew.
   */
  readonly from: Point;
  /** Another input than the original's. What is kept stays as it was. */
  readonly input?: unknown;
  /** Workflow id of the new run. Default `<id>~fork-1`, `~fork-2`, … */
  readonly id?: string;
  /** Children that had ended before the point and are to run again, by label, name or number of the command. Default: their outcome is kept. */
  readonly children?: Readonly<Record<string, "rerun">>;
  /** Whether the new run gets the signals and updates that the original received after the point. Default no. */
  readonly messages?: boolean;
  /** Needed anew when the original has some. */
  readonly secrets?: Readonly<Record<string, string>>;
}

const FORK: ReadonlySet<string> = optionNames<ForkOptions>({
  from: true,
  input: true,
  id: true,
  children: true,
  messages: true,
  secrets: true,
});

/** What forking needs. */
export interface ForkHost {
  readonly store: Store;
  readonly codec: PayloadCodec | undefined;
  now(): number;
  readonly rewinding?: Rewinding | undefined;
}

/** The new run. */
export interface Forked {
  readonly workflowId: string;
  readonly run: number;
}

/** Forks a run. @throws PerdureError, see `handle.fork`. */
export async function forkRun(host: ForkHost, row: RunRow, options: ForkOptions): Promise<Forked> {
  checkOptions(options, FORK, "fork()");
  for (const [child, choice] of Object.entries(options.children ?? {}))
    checkWord(choice ?? null, ["rerun"], `children: ${child}`);
  checkKind(options.messages, "boolean", "messages");
  checkPoint(options.from, "from");
  const { rewinding, store } = host;
  if (rewinding === undefined) throw noEngine();
  const history = await historyOf(store, row.run);
  const [loaded] = await store.load([row.run], 0);
  if (loaded === undefined || history.length === 0)
    throw new PerdureError("NOT_FOUND", `${row.workflowId} does not exist (any more)`);
  const secrets = secretsFor(loaded, options);
  const asked = "input" in options ? { ...options, input: await rewinding.input(row, options.input) } : options;
  const cut = await findPoint(row, history, options.from, rewinding);
  const source: Source = { host, row, history, cut, rewinding };
  const begun = await beginning(source, options);
  const first = firstEvent(source, asked, secrets);
  const start = (workflowId: string): NewRun => ({
    workflowId,
    workflow: row.workflow,
    version: row.version,
    createdAt: host.now(),
    owned: false,
    wakeAt: host.now(),
    first: first(workflowId),
    rest: begun,
    meta: JSON.stringify({ ...parsed(row.meta), forkedFrom: origin(source) }),
    request: null,
    secrets: Object.keys(secrets).length === 0 ? null : rewinding.seal(JSON.stringify(secrets)),
    supersedes: null,
    tags: JSON.stringify({ ...parsed(row.tags), forkedFrom: formatRunId(store.id, row.run) }),
    ...(options.messages === true && { messages: messagesAfter(source, loaded) }),
  });
  return create(rewinding, row.workflowId, options.id, start);
}

/** A run that is being forked, and where. */
interface Source {
  readonly host: ForkHost;
  readonly row: RunRow;
  readonly history: readonly EventRow[];
  readonly cut: CutPoint;
  readonly rewinding: Rewinding;
}

async function create(
  rewinding: Rewinding,
  original: string,
  id: string | undefined,
  start: (workflowId: string) => NewRun,
): Promise<Forked> {
  for (let number = 1; ; number++) {
    const workflowId = checkedId(id ?? `${original}~fork-${number}`, "a workflow id");
    const result = await rewinding.create(start(workflowId));
    if ("run" in result) return { workflowId, run: result.run };
    if (id !== undefined && "conflict" in result)
      throw new PerdureError(
        "ALREADY_EXISTS",
        `a run with the id ${id} exists (${result.conflict.status}); give the fork another id`,
        { details: { workflowId: id } },
      );
  }
}

/** Rule 37: secrets are given anew. */
function secretsFor({ row, secrets: kept }: LoadedRun, { secrets }: ForkOptions): Readonly<Record<string, string>> {
  if (kept !== null && secrets === undefined)
    throw new PerdureError(
      "INVALID_ARGUMENT",
      `${row.workflowId} was started with secrets, which a fork does not take over: give them anew, fork({ from, secrets })`,
    );
  return secrets ?? {};
}

function firstEvent(
  { host, row, history }: Source,
  options: ForkOptions,
  secrets: Readonly<Record<string, string>>,
): (workflowId: string) => EventRow {
  const { at, data } = parseEvent(history[0]!);
  const input =
    "input" in options
      ? encodeWithoutSecrets(secrets, options.input, host.codec, "the input", ASK_FOR_SECRETS)
      : JSON.stringify(data.p);
  return (workflowId) => {
    const { type, body } = newEvent.runStarted(at, {
      workflow: row.workflow,
      version: row.version ?? undefined,
      workflowId,
      input,
      deadline: data.t,
    });
    return { type, at, data: `{${body}}` };
  };
}

/** The events after the first: those of the original up to the cut, and one that says what of them does not count. */
async function beginning(source: Source, { children = {} }: ForkOptions): Promise<EventRow[]> {
  const { host, row, history, cut } = source;
  const { seq, plan } = cut;
  const prefix = history.slice(0, seq - 1);
  const kept = plan.rows.filter((one) => one.seq < seq);
  const rerun = Object.keys(children).map((name) => childIn(kept, name, row.workflowId));
  const pivot = rerun.length === 0 ? seq : Math.min(...rerun);
  const { commands } = await standingBefore(source, pivot);
  const alive = new Set(kept.map((one) => one.seq));
  const dead = planReplay(prefix).rows.filter((one) => !alive.has(one.seq));
  const undone = kept.filter((one) => rerun.includes(one.seq) || (one.seq > pivot && follows(one, commands)));
  const aside = [...dead, ...undone].map((one) => one.seq).sort((a, b) => a - b);
  const at = Math.max(host.now(), history.at(-1)!.at);
  const original = formatRunId(host.store.id, row.run);
  const drawnAs = drawnAt(history, seq - 1) ?? original;
  const cutEvent = newEvent.resumed(at, aside, commands, { reason: `${FORKED} of ${original}`, drawnAs });
  const shift = row.inbox + 1;
  // The answers beside the first event that is cut off were given before it.
  const answers = versionNotes(history[seq - 1]).map(({ k, ...data }) => ({ kind: k, data }));
  const last = { type: cutEvent.type, at, data: eventData(cutEvent.body, undefined, answers) };
  return [...prefix.slice(1), last].map((event) => renumbered(event, shift));
}

/** The code must agree with what is copied. */
async function standingBefore({ row, rewinding, cut }: Source, seq: number): Promise<Standing> {
  const { plan } = cut;
  const standing = await rewinding.standing(row, plan, before(plan, cut.seq));
  if (standing.blockage !== undefined)
    throw new PerdureError(
      "RUN_BLOCKED",
      `${row.workflowId} cannot be forked there: ${standing.blockage.message}. Fork it from a step before that`,
      { details: { workflowId: row.workflowId, reason: standing.blockage.reason } },
    );
  return seq === cut.seq ? standing : rewinding.standing(row, plan, before(plan, seq));
}

function before({ rows }: ReplayPlan, seq: number): ReplayRow[] {
  return rows.filter((row) => row.seq < seq);
}

/** Whether an event is about a command that was issued after so many others. */
function follows(row: EventRow, commands: number): boolean {
  const { c } = parseEvent(row).data;
  return c !== undefined && c > commands;
}

/** Number of the outcome of a child. */
function childIn(rows: readonly ReplayRow[], name: string, workflowId: string): number {
  const ended: { seq: number; names: (string | undefined)[] }[] = [];
  for (const row of rows) {
    const { type, data } = parseEvent(row);
    if (data.k === "child" && type !== "ChildStarted")
      ended.push({ seq: row.seq, names: [data.l, data.n, String(data.c)] });
  }
  const found = ended.findLast(({ names }) => names.includes(name));
  if (found !== undefined) return found.seq;
  const has = ended.map(({ names }) => names[0] ?? names[1]).join(", ") || "none";
  throw new PerdureError(
    "NOT_FOUND",
    `children: no child ${JSON.stringify(name)} of ${workflowId} has ended before that point; those that have: ${has}`,
  );
}

/** Messages of the copied part get numbers before those of the new run's own inbox; answers of `version` go by these numbers. */
function renumbered(event: EventRow, shift: number): EventRow {
  const received = event.type === "SignalReceived" || event.type === "UpdateAccepted";
  if (!received && versionNotes(event).length === 0) return event;
  const { data } = parseEvent(event);
  const number = received && { m: (data.m ?? 0) - shift };
  const notes = data.o !== undefined && { o: data.o.map((note) => renumberedNote(note, shift)) };
  return { ...event, data: JSON.stringify({ ...data, ...number, ...notes }) };
}

function renumberedNote<N extends { readonly k: string; readonly message?: unknown }>(note: N, shift: number): N {
  return note.k === "version" && typeof note.message === "number" ? { ...note, message: note.message - shift } : note;
}

/** What the original received after the cut, in order. */
function messagesAfter({ cut }: Source, { messages }: LoadedRun): FirstMessage[] {
  const received = cut.plan.rows.flatMap((row): FirstMessage[] => {
    const { type, data, at } = parseEvent(row);
    if (row.seq < cut.seq || (type !== "SignalReceived" && type !== "UpdateAccepted")) return [];
    const kind = type === "SignalReceived" ? "signal" : "update";
    return [{ kind, name: data.n ?? "", data: givenBack(data.p, data.u === 1), at, key: null }];
  });
  const waiting = messages
    .filter(({ kind }) => kind === "signal" || kind === "update")
    .map(({ kind, name, data, at }) => ({ kind, name, data, at, key: null }));
  return [...received, ...waiting];
}

function origin({ host, row, cut }: Source): object {
  return { workflowId: row.workflowId, runId: formatRunId(host.store.id, row.run), event: cut.seq };
}

function parsed(json: string | null): object {
  return json === null ? {} : (JSON.parse(json) as object);
}

function noEngine(): PerdureError {
  const message =
    "a fork is found by replaying the code of the run, which a connection does not have; use open({ workflows })";
  return new PerdureError("VERSION_UNAVAILABLE", message);
}
