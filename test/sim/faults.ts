/** What goes wrong, how often and how badly: decided once per seed, then drawn per call from streams of their own. */
import type { DatabaseKind } from "./database.ts";
import type { Rng } from "./prng.ts";

/** Everything an engine or a client asks of the store. */
export const OPERATIONS = [
  "register",
  "renew",
  "lastBatch",
  "release",
  "sweep",
  "commit",
  "claim",
  "nextWake",
  "load",
  "owned",
  "inbox",
  "send",
  "amend",
  "find",
  "history",
  "lastEvent",
  "claimTasks",
  "settleTasks",
  "ask",
  "begin",
  "query",
  "settle",
  "end",
  "waiting",
  "decide",
  "fate",
  "purge",
] as const;

export type Operation = (typeof OPERATIONS)[number];

/** Purposes for which an engine has connections of their own. */
export type Channel = "lane" | "heartbeat" | "pool";

export function channelOf(operation: Operation): Channel {
  return operation === "commit" ? "lane" : operation === "renew" ? "heartbeat" : "pool";
}

/**
 * Kinds of faults; each can be switched off alone when a failing seed is made smaller. Those of the second line happen to PostgreSQL
 * only: the database restarts, an engine is cut off from it, or only its signs of life or its commits are, a commit arrives after
 * its fate was asked for, claims pass over rows that somebody has locked.
 */
export const FAULTS = [
  ...(["error", "lost", "slow", "crash", "freeze", "close", "hint", "jump", "skew", "latency"] as const),
  ...(["restart", "partition", "heartbeat", "lane", "late", "skip"] as const),
  // No faults, but parts of the fleet: engines that run activities for others; users who ask for something in their transactions;
  // engines that delete old runs. And how likely an archive fails.
  "tasks",
  "admissions",
  "retention",
  "archive",
] as const;

export type Fault = (typeof FAULTS)[number];

const OF_POSTGRES: ReadonlySet<Fault> = new Set<Fault>(["restart", "partition", "heartbeat", "lane", "late", "skip"]);

/** Something that happens at a time, whatever anybody does then. */
export interface TimedFault {
  readonly at: number;
  readonly slot: number;
  readonly kind: Fault;
  readonly ms: number;
  /** A connection that is cut is refused; otherwise it falls silent. */
  readonly refused: boolean;
}

/** What becomes of one call. */
export interface Fate {
  readonly kind: "answer" | "error" | "lost" | "crash-before" | "crash-after" | "freeze-before" | "freeze-after";
  /** From the call to its effect on the store, and from there to the answer. */
  readonly requestMs: number;
  readonly replyMs: number;
  readonly freezeMs: number;
}

/** What becomes of something that an archive is asked for. */
export interface DiskFate {
  readonly kind: "done" | "error" | "lost";
  readonly ms: number;
  /** The process dies right after. */
  readonly dies: boolean;
  /** How much of a write is done when it is not done whole. */
  readonly part: number;
}

type Rates = Readonly<Record<"error" | "lost" | "slow" | "crash" | "freeze", number>>;

const LATENCIES = [0, 0, 2, 5, 5, 20, 80];
const LONGEST_SLOW_MS = 15_000;
/** Lost leases after which nothing that endangers a lease is done any more, so that not every run ends in a crash loop. */
const MAX_LEASES_LOST = [2, 4, 4, 12];

export class FaultPlan {
  readonly #fates: Rng;
  readonly #hints: Rng;
  readonly #network: Rng;
  readonly #rates = new Map<Operation, Rates>();
  readonly #disks: Rng;
  readonly #diskTroubles: number;
  readonly #off: ReadonlySet<Fault>;
  readonly #latencyMs: number;
  readonly #hintLoss: number;
  readonly #hintDelayMs: number;
  /** Times at which something happens to an engine, whatever it does then. */
  readonly timed: readonly TimedFault[];
  /** How likely a claim passes over rows. */
  readonly #skipping: number;
  readonly #maxLeasesLost: number;
  /** How likely a process dies at each pause of an activity. */
  readonly #deadly: number;
  /** No faults any more. */
  calm = false;
  leasesLost = 0;

  constructor(
    rng: Rng,
    params: {
      readonly engines: number;
      readonly untilMs: number;
      readonly off: ReadonlySet<Fault>;
      readonly database: DatabaseKind;
    },
  ) {
    const shape = rng.stream("shape");
    this.#fates = rng.stream("fates");
    this.#hints = rng.stream("hints");
    this.#network = rng.stream("network");
    this.#off = params.database === "postgres" ? params.off : new Set([...params.off, ...OF_POSTGRES]);
    const latencyMs = shape.pick(LATENCIES);
    this.#latencyMs = this.#on("latency") ? latencyMs : 0;
    this.#hintLoss = shape.pick([0, 0, 0.3, 0.9, 1]);
    this.#hintDelayMs = shape.pick([0, 0, 100, 3000]);
    const intensity = shape.pick([0, 0.3, 1, 1, 3]);
    this.#maxLeasesLost = shape.pick(MAX_LEASES_LOST);
    this.#deadly = this.#maxLeasesLost > 4 ? 0.05 : 0.004;
    for (const operation of OPERATIONS) this.#rates.set(operation, rates(shape, intensity));
    for (const operation of TWO_PLACES)
      this.#rates.set(operation, { ...this.#rates.get(operation)!, lost: 0.06 * intensity, crash: 0.06 * intensity });
    this.#disks = rng.stream("disks");
    this.#diskTroubles = intensity * this.#disks.pick([0.02, 0.1, 0.3]);
    const timed = timedFaults(rng.stream("timed"), params, intensity);
    const network = networkFaults(rng.stream("network faults"), params, intensity);
    this.timed = [...timed, ...network].filter(({ kind }) => this.#on(kind));
    this.#skipping = rng.stream("skip").pick([0, 0.1, 0.3]);
  }

  #on(fault: Fault): boolean {
    return !this.#off.has(fault);
  }

  /** Whether effects may kill their process by themselves, calm or not. */
  get poison(): boolean {
    return this.#on("crash");
  }

  /** Draws the same number of times whatever is switched off. */
  fate(operation: Operation): Fate {
    const [which, how, size, requestLag, replyLag] = [0, 0, 0, 0, 0].map(() => this.#fates.next()) as [
      number,
      number,
      number,
      number,
      number,
    ];
    const requestMs = Math.floor(requestLag * (this.#latencyMs + 1));
    const replyMs = Math.floor(replyLag * (this.#latencyMs + 1));
    const usual: Fate = { kind: "answer", requestMs, replyMs, freezeMs: 0 };
    if (this.calm) return usual;
    const kind = this.#which(operation, which);
    switch (kind) {
      case "error":
        return { ...usual, kind };
      case "lost":
        return { ...usual, kind, requestMs: how < 0.3 ? Math.round(size * 3000) : requestMs };
      case "slow": {
        const slow = Math.round(size < 0.5 ? 100 * 40 ** size : LONGEST_SLOW_MS * size);
        return how < 0.5 ? { ...usual, replyMs: slow } : { ...usual, requestMs: slow };
      }
      case "crash":
        return { ...usual, kind: how < 0.5 ? "crash-before" : "crash-after" };
      case "freeze":
        return { ...usual, kind: how < 0.5 ? "freeze-before" : "freeze-after", freezeMs: Math.round(500 * 60 ** size) };
      default:
        return usual;
    }
  }

  #which(operation: Operation, draw: number): keyof Rates | undefined {
    const rates = this.#rates.get(operation)!;
    let left = draw;
    for (const kind of ["error", "lost", "slow", "crash", "freeze"] as const) {
      left -= rates[kind];
      if (left >= 0) continue;
      if (kind !== "error" && kind !== "lost" && this.leasesLost >= this.#maxLeasesLost) return undefined;
      return this.#on(kind) ? kind : undefined;
    }
    return undefined;
  }

  /** When a hint arrives, or undefined when it is lost. */
  hintDelay(): number | undefined {
    const [loss, delay] = [this.#hints.next(), this.#hints.next()];
    if (!this.#on("hint")) return 0;
    return loss < this.#hintLoss ? undefined : Math.round(delay * this.#hintDelayMs);
  }

  /** A database that crashes: whether it had done what it was just asked for. */
  happensAtCrash(): boolean {
    return this.#network.chance(0.5);
  }

  /** Whether a commit in doubt arrives even after its fate was asked for on another connection. */
  arrivesLate(): boolean {
    const draw = this.#network.next();
    return !this.calm && this.#on("late") && draw < 0.3;
  }

  /** How many rows a claim finds that nobody has locked, at most. */
  claimable(limit: number): number {
    const [passes, some] = [this.#network.next(), this.#network.next()];
    return !this.calm && this.#on("skip") && passes < this.#skipping ? Math.floor(some * 3) : limit;
  }

  /** Draws the same number of times whatever is switched off. */
  disk(): DiskFate {
    const [fails, how, ms, part] = [0, 0, 0, 0].map(() => this.#disks.next()) as [number, number, number, number];
    const usual: DiskFate = { kind: "done", ms: Math.floor(ms * 4), dies: false, part };
    if (this.calm || !this.#on("archive") || fails >= this.#diskTroubles) return usual;
    if (how < 0.3) return { ...usual, kind: "error" };
    if (how < 0.5) return { ...usual, kind: "lost" };
    if (how < 0.7) return { ...usual, ms: Math.round(100 * 150 ** ms) };
    return { ...usual, dies: this.#on("crash") && this.leasesLost < this.#maxLeasesLost };
  }

  /** Whether an engine's process dies in the middle of an effect. */
  crashInEffect(): boolean {
    const dies = this.#fates.next() < this.#deadly;
    return dies && !this.calm && this.#on("crash") && this.leasesLost < this.#maxLeasesLost;
  }
}

/** What has to happen in two places, or to be known in two: here it is most telling when it is cut off. */
const TWO_PLACES = ["waiting", "decide", "purge"] as const;

/** Most operations fail rarely; in many seeds one or two fail often. */
function rates(rng: Rng, intensity: number): Rates {
  const often = rng.chance(0.15) ? rng.pick([10, 20]) : 1;
  const [error, lost, slow] = [rng.next(), rng.next(), rng.next()];
  return {
    error: 0.02 * intensity * often * error,
    lost: 0.02 * intensity * often * lost,
    slow: 0.03 * intensity * often * slow,
    crash: 0.001 * intensity,
    freeze: 0.001 * intensity,
  };
}

/** How far the clock of a machine is set wrong or right at once. */
const MOST_JUMP_MS: Readonly<Record<DatabaseKind, number>> = { sqlite: 20_000, postgres: 600_000 };
const MOST = { crash: 2, freeze: 2, close: 1, jump: 5 } as const;

function timedFaults(
  rng: Rng,
  { engines, untilMs, database }: { engines: number; untilMs: number; database: DatabaseKind },
  intensity: number,
): TimedFault[] {
  const faults: TimedFault[] = [];
  if (intensity === 0) return faults;
  const jump = MOST_JUMP_MS[database];
  for (const kind of ["crash", "freeze", "close", "jump"] as const) {
    const count = rng.int(0, MOST[kind]);
    for (let index = 0; index < count; index++) {
      const ms = kind === "jump" ? rng.int(-jump, jump) : rng.span(300, 30_000);
      faults.push({ at: rng.int(100, untilMs), slot: rng.int(0, engines - 1), kind, ms, refused: false });
    }
  }
  return faults;
}

function networkFaults(
  rng: Rng,
  { engines, untilMs }: { engines: number; untilMs: number },
  intensity: number,
): TimedFault[] {
  const faults: TimedFault[] = [];
  if (intensity === 0) return faults;
  for (const kind of ["restart", "partition", "heartbeat", "lane"] as const) {
    const count = rng.int(0, 2);
    for (let index = 0; index < count; index++) {
      const at = rng.int(100, untilMs);
      const ms = kind === "restart" ? rng.span(100, 8000) : rng.span(300, 40_000);
      faults.push({ at, slot: rng.int(0, engines - 1), kind, ms, refused: rng.chance(0.5) });
    }
  }
  return faults;
}
