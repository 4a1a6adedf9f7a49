/** What goes wrong, how often and how badly: decided once per seed, then drawn per call from streams of their own. */
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
] as const;

export type Operation = (typeof OPERATIONS)[number];

/** Kinds of faults; each can be switched off alone when a failing seed is made smaller. */
export const FAULTS = ["error", "lost", "slow", "crash", "freeze", "close", "hint", "jump", "skew", "latency"] as const;

export type Fault = (typeof FAULTS)[number];

/** What becomes of one call. */
export interface Fate {
  readonly kind: "answer" | "error" | "lost" | "crash-before" | "crash-after" | "freeze-before" | "freeze-after";
  /** From the call to its effect on the store, and from there to the answer. */
  readonly requestMs: number;
  readonly replyMs: number;
  readonly freezeMs: number;
}

type Rates = Readonly<Record<"error" | "lost" | "slow" | "crash" | "freeze", number>>;

const LATENCIES = [0, 0, 2, 5, 5, 20, 80];
const LONGEST_SLOW_MS = 15_000;
/** Lost leases after which nothing that endangers a lease is done any more, so that not every run ends in a crash loop. */
const MAX_LEASES_LOST = [2, 4, 4, 12];

export class FaultPlan {
  readonly #fates: Rng;
  readonly #hints: Rng;
  readonly #rates = new Map<Operation, Rates>();
  readonly #off: ReadonlySet<Fault>;
  readonly #latencyMs: number;
  readonly #hintLoss: number;
  readonly #hintDelayMs: number;
  /** Times at which something happens to an engine, whatever it does then. */
  readonly timed: readonly { readonly at: number; readonly slot: number; readonly kind: Fault; readonly ms: number }[];
  readonly #maxLeasesLost: number;
  /** How likely a process dies at each pause of an activity. */
  readonly #deadly: number;
  /** No faults any more. */
  calm = false;
  leasesLost = 0;

  constructor(
    rng: Rng,
    params: { readonly engines: number; readonly untilMs: number; readonly off: ReadonlySet<Fault> },
  ) {
    const shape = rng.stream("shape");
    this.#fates = rng.stream("fates");
    this.#hints = rng.stream("hints");
    this.#off = params.off;
    const latencyMs = shape.pick(LATENCIES);
    this.#latencyMs = this.#on("latency") ? latencyMs : 0;
    this.#hintLoss = shape.pick([0, 0, 0.3, 0.9, 1]);
    this.#hintDelayMs = shape.pick([0, 0, 100, 3000]);
    const intensity = shape.pick([0, 0.3, 1, 1, 3]);
    this.#maxLeasesLost = shape.pick(MAX_LEASES_LOST);
    this.#deadly = this.#maxLeasesLost > 4 ? 0.05 : 0.004;
    for (const operation of OPERATIONS) this.#rates.set(operation, rates(shape, intensity));
    this.timed = timedFaults(rng.stream("timed"), params, intensity).filter(({ kind }) => this.#on(kind));
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

  /** Whether an engine's process dies in the middle of an effect. */
  crashInEffect(): boolean {
    const dies = this.#fates.next() < this.#deadly;
    return dies && !this.calm && this.#on("crash") && this.leasesLost < this.#maxLeasesLost;
  }
}

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

const MOST = { crash: 2, freeze: 2, close: 1, jump: 5 } as const;

function timedFaults(
  rng: Rng,
  { engines, untilMs }: { engines: number; untilMs: number },
  intensity: number,
): FaultPlan["timed"] {
  const faults: { at: number; slot: number; kind: Fault; ms: number }[] = [];
  if (intensity === 0) return faults;
  for (const kind of ["crash", "freeze", "close", "jump"] as const) {
    const count = rng.int(0, MOST[kind]);
    for (let index = 0; index < count; index++) {
      const ms = kind === "jump" ? rng.int(-20_000, 20_000) : rng.span(300, 30_000);
      faults.push({ at: rng.int(100, untilMs), slot: rng.int(0, engines - 1), kind, ms });
    }
  }
  return faults;
}
