/**
 * Watches what really happens, at the instant it happens: commits that reached the store, effects that started, calls that were
 * acknowledged. It keeps its own shadow of every history and shares no logic with the engine. Each check has the name that a
 * violation carries; numbers are the invariants of the design.
 */
import type { Batch, BatchResult, EventRow, Lease, Store, Transition } from "../../src/store/store.ts";
import type { StoreUser } from "./fault-store.ts";
import type { World } from "./world.ts";

const TERMINAL: ReadonlySet<string> = new Set([
  "RunCompleted",
  "RunFailed",
  "RunCancelled",
  "RunTerminated",
  "RunTimedOut",
]);

/** The few keys of an event's data that the checks need. */
export interface EventKeys {
  readonly c?: number;
  readonly m?: number;
  readonly n?: string;
  readonly s?: readonly number[];
  readonly f?: number;
  readonly p?: unknown;
}

/** What the oracle knows of one run. */
export interface ShadowRun {
  readonly run: number;
  readonly workflowId: string;
  readonly events: EventRow[];
  /** Commands with an outcome that counts, by command: the event's number. */
  readonly outcomes: Map<number, number>;
  readonly outcomeKeys: Set<string>;
  readonly cuts: { readonly commands: number }[];
  readonly bumped: Map<number, number>;
  readonly messages: Set<number>;
  readonly consumed: Set<number>;
  /** When it last ended or was blocked: what was in flight then may begin again after a resume. */
  endedAt: number;
}

/** One attempt of an effect that began. */
export interface EffectStart {
  readonly key: string;
  readonly run: number;
  readonly attempt: number;
  readonly at: number;
  readonly process: StoreUser;
  readonly lease: number | undefined;
}

export class Oracle {
  readonly #world: World;
  readonly #base: Store;
  readonly runs: Map<number, ShadowRun> = new Map();
  readonly #begun = new Map<string, number>();
  readonly #attempts = new Map<string, EffectStart>();
  #engines: ReadonlySet<number> = new Set();
  readonly #gone = new Set<number>();
  readonly #batches = new Map<number, number>();
  effects = 0;
  commits = 0;
  /** When a commit or an effect was last seen. */
  lastActivity = 0;

  constructor(world: World, base: Store) {
    this.#world = world;
    this.#base = base;
  }

  /** Some lease may have ended. Returns how many have. */
  async enginesChanged(): Promise<number> {
    const now = new Set((await this.#base.engines()).map(({ engine }) => engine));
    let ended = 0;
    for (const engine of this.#engines) {
      if (now.has(engine)) continue;
      this.#gone.add(engine);
      ended++;
    }
    this.#engines = now;
    return ended;
  }

  /** A commit reached the store. */
  committed(lease: Lease, batch: Batch, result: BatchResult): void {
    this.commits++;
    this.lastActivity = this.#world.now;
    const last = this.#batches.get(lease.engine) ?? 0;
    if (batch.number !== last + 1)
      this.#fail("I2 fence", `engine ${lease.engine} committed batch ${batch.number} after ${last}`);
    if (this.#gone.has(lease.engine))
      this.#fail("I2 fence", `engine ${lease.engine} committed after its lease had ended`);
    this.#batches.set(lease.engine, batch.number);
    batch.starts.forEach((start, index) => {
      const started = result.starts[index];
      if (started !== undefined && "run" in started) this.#created(started.run, start.workflowId, start.first);
    });
    batch.transitions.forEach((transition, index) => {
      if (!result.refused.has(index)) this.#advanced(transition);
    });
  }

  #advanced({ run, base, events, consumed, image }: Transition): void {
    const shadow = this.runs.get(run);
    if (shadow === undefined) {
      this.#fail("I2 density", `run ${run} advanced but was never created`);
      return;
    }
    const { length } = shadow.events;
    if (base !== length) {
      this.#fail("I2 density", `run ${run}: a transition built on ${base} events was accepted at ${length}`);
    }
    for (const event of events) this.#append(shadow, event);
    this.#consume(shadow, consumed);
    if (image?.status === "blocked") shadow.endedAt = this.#world.now;
  }

  #created(run: number, workflowId: string, first: EventRow): void {
    this.runs.set(run, {
      run,
      workflowId,
      events: [first],
      outcomes: new Map(),
      outcomeKeys: new Set(),
      cuts: [],
      bumped: new Map(),
      messages: new Set(),
      consumed: new Set(),
      endedAt: Number.NEGATIVE_INFINITY,
    });
    if (first.type !== "RunStarted") this.#fail("I2 density", `run ${run} begins with ${first.type}`);
  }

  #append(shadow: ShadowRun, event: EventRow): void {
    const last = shadow.events.at(-1)!;
    const seq = shadow.events.length + 1;
    const where = `run ${shadow.run} (${shadow.workflowId}) event ${seq} ${event.type}`;
    if (event.at < last.at) this.#fail("I3 time", `${where}: at ${event.at} is before ${last.at} of ${last.type}`);
    if (TERMINAL.has(last.type) && event.type !== "Resumed") this.#fail("I5 terminal", `${where} follows ${last.type}`);
    if (event.type === "Resumed" && !TERMINAL.has(last.type))
      this.#fail("I5 terminal", `${where} follows ${last.type}`);
    if (event.type === "RunStarted") this.#fail("I5 terminal", `${where}: started twice`);
    shadow.events.push(event);
    if (TERMINAL.has(event.type)) shadow.endedAt = this.#world.now;
    const data = JSON.parse(event.data) as EventKeys;
    if (data.m !== undefined) this.#message(shadow, data.m, where);
    if (event.type === "Resumed") this.#cut(shadow, data);
    else if (data.c !== undefined) this.#outcome(shadow, data.c, seq, where);
  }

  #message(shadow: ShadowRun, number: number, where: string): void {
    if (shadow.messages.has(number)) this.#fail("I4 once", `${where}: message ${number} is in the history twice`);
    for (const earlier of shadow.messages) {
      if (earlier > number) this.#fail("I4 order", `${where}: message ${number} after ${earlier}`);
    }
    shadow.messages.add(number);
  }

  #outcome(shadow: ShadowRun, command: number, seq: number, where: string): void {
    const earlier = shadow.outcomes.get(command);
    if (earlier !== undefined)
      this.#fail("I5 one outcome", `${where}: command ${command} has an outcome already, event ${earlier}`);
    shadow.outcomes.set(command, seq);
    shadow.outcomeKeys.add(this.key(shadow, command));
  }

  #cut(shadow: ShadowRun, { s = [], f = 0 }: EventKeys): void {
    for (const [command, seq] of [...shadow.outcomes]) {
      if (!s.includes(seq)) continue;
      shadow.outcomes.delete(command);
      if (command <= f) shadow.bumped.set(command, (shadow.bumped.get(command) ?? 0) + 1);
    }
    for (const [command, seq] of shadow.outcomes) {
      if (command > f)
        this.#fail(
          "I3 resume",
          `run ${shadow.run}: outcome ${seq} of command ${command}, issued after the cut, was kept`,
        );
    }
    shadow.cuts.push({ commands: f });
  }

  /** `command` or `command:generation`, as an idempotency key ends. */
  key({ cuts, bumped }: ShadowRun, command: number): string {
    const generation = cuts.filter(({ commands }) => command > commands).length + (bumped.get(command) ?? 0);
    return generation === 0 ? `${command}` : `${command}:${generation}`;
  }

  /** A message leaves the inbox with the commit that puts it into the history, if it is a signal. */
  #consume(shadow: ShadowRun, consumed: readonly number[]): void {
    for (const number of consumed) {
      if (shadow.consumed.has(number)) this.#fail("I4 once", `run ${shadow.run}: message ${number} was consumed twice`);
      shadow.consumed.add(number);
    }
  }

  /** An attempt begins. */
  effectStarted(user: StoreUser, idempotencyKey: string, attempt: number): void {
    this.effects++;
    this.lastActivity = this.#world.now;
    const [runId, ...rest] = idempotencyKey.split(":");
    const run = Number.parseInt(runId!.slice(runId!.lastIndexOf("-") + 1), 36);
    const what = `run ${run} effect ${rest.join(":")} attempt ${attempt} on ${user.name}`;
    this.#world.trace(`effect ${what}`);
    const shadow = this.runs.get(run);
    if (shadow === undefined) {
      this.#fail("I1 cause", `${what}: its run is not in the store`);
      return;
    }
    if (shadow.outcomeKeys.has(rest.join(":")))
      this.#fail("I5 run again", `${what}: its outcome was in the history already`);
    const expected = this.key(shadow, Number(rest[0]));
    if (expected !== rest.join(":")) this.#fail("I5 generation", `${what}: the key should end in ${expected}`);
    this.#checkHeld(user, run, what);
    this.#checkAttempt(
      shadow,
      { key: idempotencyKey, run, attempt, at: this.#world.now, process: user, lease: user.lease },
      what,
    );
  }

  /** How many attempts of an effect have begun. */
  begun(idempotencyKey: string): number {
    return this.#begun.get(idempotencyKey) ?? 0;
  }

  /** I2, rule 20: whoever starts an effect owns the run at that instant. */
  #checkHeld(user: StoreUser, run: number, what: string): void {
    if (user.lease === undefined || this.#gone.has(user.lease)) {
      this.#fail("I2 effect fence", `${what}: lease ${user.lease} of ${user.name} has ended`);
    }
    const lease = user.lease;
    // The memory store answers from this very instant, whenever the promise settles.
    this.#base.find({ run }).then(
      (row) => {
        if (row?.owner !== lease)
          this.#fail(
            "I2 effect fence",
            `${what}: the run belongs to ${row?.owner ?? "nobody"}, not to engine ${lease}`,
          );
      },
      () => {},
    );
  }

  /** Rule 33: an attempt begins once, unless whoever ran it had to forget it. */
  #checkAttempt(shadow: ShadowRun, start: EffectStart, what: string): void {
    const id = `${start.key} ${start.attempt}`;
    const earlier = this.#attempts.get(id);
    if (earlier !== undefined && !this.#forgot(shadow, earlier)) {
      this.#fail(
        "I5 attempt twice",
        `${what} began before at ${earlier.at} on ${earlier.process.name}, which had no reason to forget it`,
      );
    }
    this.#attempts.set(id, start);
    this.#begun.set(start.key, this.begun(start.key) + 1);
  }

  /** Whether the run ended, or its engine died, lost its lease or was left in doubt about a commit since then. */
  #forgot({ endedAt }: ShadowRun, { process, lease, at }: EffectStart): boolean {
    return !process.alive || this.#gone.has(lease!) || Math.max(process.disturbedAt, endedAt) >= at;
  }

  #fail(check: string, message: string): void {
    this.#world.violate(check, message);
  }
}
