/** What goes wrong, drawn by the seed: which fault, where, for how long and when the next one comes. */
import { setTimeout as pass } from "node:timers/promises";
import type { Draw } from "../crash/seeded-random.ts";
import type { PostgresServer } from "../postgres/server.ts";
import type { Place } from "./fleet.ts";
import type { Way } from "./proxy.ts";

/** One fault as it is written down. */
export interface FaultLine {
  /** Epoch milliseconds when it began. */
  readonly at: number;
  readonly fault: FaultKind;
  /** Incarnation of the process, `database`, or a way. */
  readonly target: string;
  /** When it was over. */
  readonly until: number;
  /** Runs that the process had when it was killed or frozen. */
  readonly owned?: readonly number[];
  readonly note?: string;
}

export type FaultKind =
  | "kill"
  | "freeze"
  | "short freeze"
  | "leave"
  | "kill client"
  | "terminate one backend"
  | "terminate backends"
  | "database crash"
  | "database restart"
  | "slow"
  | "silent"
  | "answers lost"
  | "cut";

/** Everything that can go wrong. */
export interface World {
  readonly engines: readonly Place[];
  readonly clients: readonly Place[];
  /** Ways to the database, by the name of the place they start from. */
  readonly ways: ReadonlyMap<string, Way>;
  readonly server: PostgresServer;
  readonly ttlMs: number;
  ask(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  /** The schema of the store. */
  readonly schema: string;
  record(line: FaultLine): void;
}

type Happening = (world: World, draw: Draw) => Promise<FaultLine | undefined>;

/** How likely each is. */
const FAULTS: readonly (readonly [weight: number, kind: FaultKind, happens: Happening])[] = [
  [6, "kill", kill],
  [5, "freeze", freeze],
  [3, "short freeze", shortFreeze],
  [3, "leave", leave],
  [2, "kill client", killClient],
  [3, "terminate one backend", (world, draw) => terminate(world, draw, true)],
  [3, "terminate backends", (world, draw) => terminate(world, draw, false)],
  [3, "database crash", (world, draw) => restart(world, draw, "immediate")],
  [2, "database restart", (world, draw) => restart(world, draw, "fast")],
  [3, "slow", slow],
  [3, "silent", silent],
  [4, "answers lost", answersLost],
  [3, "cut", cut],
];

/** How long an engine may take to leave before it is killed. */
const LEAVE_MS = 15_000;
/** Time between the beginnings of two faults. */
const GAP_MS = [300, 2600] as const;
/** So many faults are between two that come alone. */
const ALONE_ONE_IN = 16;
/** As many at a time. */
const AT_ONCE = 3;

/** Lets things go wrong until `until`; resolves when the last fault is over. */
export async function makeTrouble(world: World, draw: Draw, until: number): Promise<void> {
  const kinds = FAULTS.flatMap(([weight, kind, happens]) => Array.from({ length: weight }, () => ({ kind, happens })));
  const current = new Set<Promise<void>>();
  while (Date.now() < until) {
    if (draw(1, ALONE_ONE_IN) === 1) {
      await Promise.all(current);
      await alone(world, draw);
      continue;
    }
    const { happens } = kinds[draw(0, kinds.length - 1)]!;
    const gap = draw(...GAP_MS);
    if (current.size < AT_ONCE) {
      const fault = happens(world, draw).then((line) => {
        if (line !== undefined) world.record(line);
        current.delete(fault);
      });
      current.add(fault);
    }
    await pass(Math.min(gap, Math.max(0, until - Date.now())));
  }
  await Promise.all(current);
}

/** Kills or freezes an engine while nothing else goes wrong before it or until others have gone on: that is how takeovers are measured. */
async function alone(world: World, draw: Draw): Promise<void> {
  await pass(world.ttlMs);
  const line = await (draw(0, 1) === 0 ? kill : freeze)(world, draw);
  if (line !== undefined) world.record(line);
  await pass(world.ttlMs * 2);
}

/** A place at which nothing is going wrong, taken until the fault is over. Undefined when there is none. */
async function at(
  places: readonly Place[],
  draw: Draw,
  happens: (place: Place, begun: (owned?: readonly number[]) => void) => Promise<string | undefined>,
  fault: FaultKind,
): Promise<FaultLine | undefined> {
  const place = places[draw(0, places.length - 1)]!;
  if (place.busy || !place.up) return undefined;
  place.busy = true;
  const target = place.incarnation;
  const began = Date.now();
  let runs: readonly number[] | undefined;
  try {
    const note = await happens(place, (owned) => {
      runs = owned;
    });
    const line = { at: began, fault, target, until: Date.now() };
    return { ...line, ...(runs !== undefined && { owned: runs }), ...(note !== undefined && { note }) };
  } finally {
    place.busy = false;
  }
}

/** Runs an engine has that does nothing more. */
async function ownedBy({ ask, schema }: World, incarnation: string): Promise<readonly number[] | undefined> {
  const sql = `select run from ${schema}.workflow_runs where closed_at is null
    and owner in (select engine from seen.leases where by = $1 and ended is null)`;
  return ask(sql, [incarnation]).then(
    (rows) => rows.map(({ run }) => Number(run)),
    () => undefined,
  );
}

function kill(world: World, draw: Draw): Promise<FaultLine | undefined> {
  const absent = draw(0, 1) === 0 ? draw(50, 500) : draw(500, Math.ceil(world.ttlMs * 1.5));
  const happens = async (place: Place, begun: (owned?: readonly number[]) => void): Promise<undefined> => {
    const { incarnation } = place;
    await place.kill();
    begun(await ownedBy(world, incarnation));
    await pass(absent);
    place.start();
  };
  return at(world.engines, draw, happens, "kill");
}

function freeze(world: World, draw: Draw): Promise<FaultLine | undefined> {
  const ms = draw(Math.ceil(world.ttlMs * 1.2), Math.ceil(world.ttlMs * 2.2));
  const happens = async (place: Place, begun: (owned?: readonly number[]) => void): Promise<undefined> => {
    place.freeze();
    begun(await ownedBy(world, place.incarnation));
    await pass(ms);
    place.thaw();
  };
  return at(world.engines, draw, happens, "freeze");
}

function shortFreeze({ engines, ttlMs }: World, draw: Draw): Promise<FaultLine | undefined> {
  const ms = draw(20, Math.ceil(ttlMs * 0.6));
  const happens = async (place: Place): Promise<undefined> => {
    place.freeze();
    await pass(ms);
    place.thaw();
  };
  return at(engines, draw, happens, "short freeze");
}

function leave({ engines }: World, draw: Draw): Promise<FaultLine | undefined> {
  const absent = draw(50, 1000);
  const happens = async (place: Place): Promise<string | undefined> => {
    const left = await place.leave(LEAVE_MS);
    await pass(absent);
    place.start();
    return left ? undefined : `it had not left after ${LEAVE_MS} ms and was killed`;
  };
  return at(engines, draw, happens, "leave");
}

function killClient({ clients }: World, draw: Draw): Promise<FaultLine | undefined> {
  const absent = draw(10, 500);
  const happens = async (place: Place): Promise<undefined> => {
    await place.kill();
    await pass(absent);
    place.start();
  };
  const place = clients[draw(0, clients.length - 1)]!;
  return place.pid === undefined ? Promise.resolve(undefined) : at([place], () => 0, happens, "kill client");
}

async function terminate(world: World, draw: Draw, one: boolean): Promise<FaultLine | undefined> {
  const { incarnation } = world.engines[draw(0, world.engines.length - 1)]!;
  const began = Date.now();
  const sql = `select count(pg_terminate_backend(pid)) as ended from
    (select pid from pg_stat_activity where application_name = $1 order by random() limit $2) s`;
  const rows = await world.ask(sql, [incarnation, one ? 1 : 100]).catch(() => undefined);
  const ended = Number(rows?.[0]?.ended ?? 0);
  if (ended === 0) return undefined;
  const fault = one ? "terminate one backend" : "terminate backends";
  return { at: began, fault, target: incarnation, until: Date.now(), note: `${ended} ended` };
}

let restarting = false;

async function restart({ server }: World, draw: Draw, mode: "immediate" | "fast"): Promise<FaultLine | undefined> {
  const absent = draw(0, 1) === 0 ? 0 : draw(100, 2500);
  if (restarting) return undefined;
  restarting = true;
  const began = Date.now();
  try {
    await server.stop(mode);
    await pass(absent);
    await server.resume();
  } finally {
    restarting = false;
  }
  const fault = mode === "immediate" ? "database crash" : "database restart";
  return { at: began, fault, target: "database", until: Date.now() };
}

/** A way that is good now, made bad for some time. */
async function bad(
  { ways }: World,
  draw: Draw,
  fault: FaultKind,
  happens: (way: Way) => Promise<void>,
): Promise<FaultLine | undefined> {
  const names = [...ways.keys()];
  const target = names[draw(0, names.length - 1)]!;
  const way = ways.get(target)!;
  if (way.mode !== "open") return undefined;
  const began = Date.now();
  await happens(way);
  way.heal();
  return { at: began, fault, target: `way of ${target}`, until: Date.now() };
}

function slow(world: World, draw: Draw): Promise<FaultLine | undefined> {
  const [delayMs, ms] = [draw(20, 400), draw(500, 4000)];
  return bad(world, draw, "slow", async (way) => {
    way.delayMs = delayMs;
    way.mode = "slow";
    await pass(ms);
  });
}

/** Connections stay, and nothing goes through. */
function silent(world: World, draw: Draw): Promise<FaultLine | undefined> {
  const ms = draw(200, Math.ceil(world.ttlMs * 2));
  return bad(world, draw, "silent", async (way) => {
    way.mode = "silent";
    await pass(ms);
  });
}

/** What is asked for happens, and nobody is told. */
function answersLost(world: World, draw: Draw): Promise<FaultLine | undefined> {
  const ms = draw(20, 600);
  return bad(world, draw, "answers lost", async (way) => {
    way.mode = "answerless";
    await pass(ms);
  });
}

function cut(world: World, draw: Draw): Promise<FaultLine | undefined> {
  return bad(world, draw, "cut", async (way) => way.cut());
}
