/**
 * The way between processes and their database. A call happens at one instant; what its caller learns of it, and when, is another
 * matter: requests and answers are late or lost, connections are cut for one process or one of its purposes, and the database
 * restarts under everybody.
 *
 * After the time a driver allows for it a call counts as failed, although it may happen yet.
 */
import { PerdureError } from "../../src/core/errors.ts";
import type { Channel, Fate, FaultPlan, Operation } from "./faults.ts";
import type { Host, World } from "./world.ts";

/** The process that calls. */
export interface Caller extends Host {
  /** The machine it runs on: its place in the fleet. */
  readonly slot: number;
  crash(): void;
  freeze(ms: number): void;
}

/** A call as its caller means it. */
export interface CallOf<T> {
  readonly operation: Operation;
  readonly channel: Channel;
  /** For the trace. */
  readonly about: string;
  readonly fate: Fate;
  /** The earliest time at which it happens. */
  readonly notBefore?: number;
  /** After this its caller takes it for lost. */
  readonly timeoutMs: number;
  run(): Promise<T>;
  /** What the trace says of the answer. */
  told?(value: T): string;
}

interface Cut {
  readonly untilMs: number;
  /** Connections are refused; otherwise nothing is heard any more. */
  readonly refused: boolean;
}

/** A call on its way. */
interface Flight {
  readonly caller: Caller;
  /** The database goes down under it. */
  down(): void;
}

export class Network {
  readonly #world: World;
  readonly #faults: FaultPlan;
  readonly #cuts = new Map<string, Cut>();
  readonly #flights = new Set<Flight>();
  #downUntil = 0;
  /** Called when the database has gone down: what lived in its memory is gone. */
  onRestart: () => void = () => {};
  /** Called when those who listen hear again after they did not. */
  readonly #reconnected = new Set<{ readonly caller: Caller; readonly hear: () => void }>();

  constructor(world: World, faults: FaultPlan) {
    this.#world = world;
    this.#faults = faults;
  }

  get isDown(): boolean {
    return this.#world.now < this.#downUntil;
  }

  /** Whether a process cannot reach the database now. */
  isCutOff({ slot }: Caller, channel: Channel = "pool"): boolean {
    return this.isDown || this.#cut(slot, channel) !== undefined;
  }

  #cut(slot: number, channel: Channel): Cut | undefined {
    for (const name of [`${slot}/all`, `${slot}/${channel}`]) {
      const cut = this.#cuts.get(name);
      if (cut !== undefined && cut.untilMs > this.#world.now) return cut;
    }
    return undefined;
  }

  /** Cuts a machine off, or one purpose of its connections. */
  cut(slot: number, channel: Channel | "all", ms: number, refused: boolean): void {
    this.#world.trace(`NETWORK of slot ${slot} (${channel}) is ${refused ? "cut" : "silent"} for ${ms}`);
    this.#cuts.set(`${slot}/${channel}`, { untilMs: this.#world.now + ms, refused });
    this.#hearAgain(ms, (caller) => caller.slot === slot);
  }

  /** The database restarts: every connection is lost, what is under way happens now or never, and for a while nobody is let in. */
  restart(ms: number): void {
    this.#world.trace(`DATABASE goes down for ${ms}`);
    this.#downUntil = this.#world.now + ms;
    for (const flight of [...this.#flights]) flight.down();
    this.onRestart();
    this.#hearAgain(ms, () => true);
  }

  /** Rule 26: whoever listens again is told to look, as hints were lost meanwhile. */
  #hearAgain(ms: number, whose: (caller: Caller) => boolean): void {
    this.#world.after(ms + 50, undefined, () => {
      for (const { caller, hear } of this.#reconnected)
        if (whose(caller) && caller.alive && !this.isCutOff(caller)) this.#world.after(0, caller, hear);
    });
  }

  /** Tells when the connection is back after it was lost. */
  onReconnect(caller: Caller, hear: () => void): () => void {
    const entry = { caller, hear };
    this.#reconnected.add(entry);
    return () => void this.#reconnected.delete(entry);
  }

  /** No faults any more. */
  heal(): void {
    this.#cuts.clear();
    this.#downUntil = 0;
  }

  /** Sends one call. Undefined answers never come to a process that is gone. */
  send<T>(caller: Caller, call: CallOf<T>): Promise<T> {
    if (!caller.alive) return new Promise(() => {});
    const { fate, operation, about } = call;
    this.#world.trace(`${caller.name} ${operation} ${about}${fate.kind === "answer" ? "" : ` [${fate.kind}]`}`);
    if (fate.kind === "crash-before") {
      caller.crash();
      return new Promise(() => {});
    }
    if (fate.kind === "freeze-before") caller.freeze(fate.freezeMs);
    return new Promise<T>((resolve, reject) => new Travel(this.#parts(caller), call, { resolve, reject }).begin());
  }

  #parts(caller: Caller): TravelParts {
    return {
      world: this.#world,
      caller,
      flights: this.#flights,
      isDown: () => this.isDown,
      cut: (channel) => this.#cut(caller.slot, channel),
      happensAtCrash: () => this.#faults.happensAtCrash(),
    };
  }
}

interface TravelParts {
  readonly world: World;
  readonly caller: Caller;
  readonly flights: Set<Flight>;
  isDown(): boolean;
  cut(channel: Channel): Cut | undefined;
  happensAtCrash(): boolean;
}

interface Settle<T> {
  resolve(value: T): void;
  reject(error: unknown): void;
}

/** One call from its caller to the database and back. */
class Travel<T> implements Flight {
  readonly #parts: TravelParts;
  readonly #call: CallOf<T>;
  readonly #settle: Settle<T>;
  #happened = false;
  #lost = false;
  #told = false;

  constructor(parts: TravelParts, call: CallOf<T>, settle: Settle<T>) {
    this.#parts = parts;
    this.#call = call;
    this.#settle = settle;
  }

  get caller(): Caller {
    return this.#parts.caller;
  }

  begin(): void {
    const { world, flights } = this.#parts;
    const { fate, notBefore = 0, timeoutMs } = this.#call;
    if (fate.kind === "error" || this.#parts.isDown()) {
      this.#fail("got no answer", Math.max(fate.replyMs, fate.kind === "error" ? 0 : 1));
      return;
    }
    flights.add(this);
    const requestMs = Math.max(fate.requestMs, notBefore - world.now);
    if (requestMs + fate.replyMs >= timeoutMs || this.#parts.cut(this.#call.channel) !== undefined)
      world.after(timeoutMs, this.caller, () => this.#fail("took too long", 0));
    if (requestMs === 0) this.#arrive();
    else world.after(requestMs, undefined, () => this.#arrive());
    if (fate.kind === "lost") this.#fail("got no answer", Math.max(1, fate.replyMs));
  }

  /** At the database, unless the way is cut: then it waits for the way, if its caller waits so long. */
  #arrive(): void {
    const { world } = this.#parts;
    if (this.#lost || this.#happened) return;
    const cut = this.#parts.cut(this.#call.channel);
    if (cut === undefined) {
      this.#happen();
      return;
    }
    if (cut.refused) this.#lose("was cut off");
    else world.after(cut.untilMs - world.now, undefined, () => this.#arrive());
  }

  #happen(): void {
    const { world } = this.#parts;
    const { fate, operation, told } = this.#call;
    const id = `${this.caller.name} ${operation}`;
    this.#happened = true;
    if (this.#told) this.#parts.flights.delete(this);
    this.#call.run().then(
      (value) => {
        world.trace(`${id} happened ${told?.(value) ?? ""}`);
        this.#reply(() => this.#settle.resolve(value));
      },
      (error: unknown) => {
        world.trace(`${id} refused: ${String(error)}`);
        this.#reply(() => this.#settle.reject(error));
      },
    );
    if (fate.kind === "crash-after") this.caller.crash();
    if (fate.kind === "freeze-after") this.caller.freeze(fate.freezeMs);
  }

  #reply(settle: () => void): void {
    const { world } = this.#parts;
    const { replyMs, kind } = this.#call.fate;
    if (kind === "lost" || this.#lost) return;
    if (replyMs === 0 && this.caller.alive && !this.caller.frozen) this.#deliver(settle);
    else world.after(replyMs, this.caller, () => this.#deliver(settle));
  }

  #deliver(settle: () => void): void {
    const { world } = this.#parts;
    if (this.#lost || this.#told) return;
    const cut = this.#parts.cut(this.#call.channel);
    if (cut === undefined) {
      this.#end();
      settle();
    } else if (cut.refused) this.#fail("was cut off", 0);
    else {
      world.after(cut.untilMs - world.now, this.caller, () => this.#deliver(settle));
      world.after(this.#call.timeoutMs, this.caller, () => this.#fail("took too long", 0));
    }
  }

  down(): void {
    if (!this.#happened && this.#parts.happensAtCrash()) this.#happen();
    this.#lose("was cut off by a restart");
  }

  /** It will not happen any more if it has not, and nothing is heard of it. */
  #lose(why: string): void {
    this.#lost = true;
    this.#parts.flights.delete(this);
    this.#fail(why, 1);
  }

  #fail(why: string, ms: number): void {
    if (this.#told) return;
    const { world } = this.#parts;
    const tell = (): void => {
      if (this.#told) return;
      this.#end();
      world.trace(`${this.caller.name} ${this.#call.operation} ${why}`);
      this.#settle.reject(new PerdureError("UNAVAILABLE", `simulated: ${this.#call.operation} ${why}`));
    };
    if (ms === 0 && this.caller.alive && !this.caller.frozen) tell();
    else world.after(ms, this.caller, tell);
  }

  #end(): void {
    this.#told = true;
    // A call whose caller gave it up may happen yet, and the database may go down before that.
    if (this.#happened) this.#parts.flights.delete(this);
  }
}
