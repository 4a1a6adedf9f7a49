/**
 * Whether code agrees with its history (rule 2): outcomes name the commands they settle, positions say how many commands had been issued.
 * What differs is told in the words of both. Owner: the machine.
 */
import type { Ending } from "./ending.ts";
import type { Check, CommandIdentity, EventData } from "./events.ts";
import { failureText, toFailure } from "./failure.ts";
import { before, changedInput, clipped, commandCount, type Difference, describe, said, WAITS } from "./mismatch.ts";
import { Trace } from "./trace.ts";

/** The code, as far as it has come. */
export interface CodePosition {
  /** Commands issued, and the digest of them all. */
  readonly commands: number;
  readonly rolling: string;
  readonly ending: Ending | undefined;
  openCommand(command: number): CommandIdentity | undefined;
  /** Whether a scope gave the command up. */
  isAbandoned(command: number): boolean;
  disagree(difference: Difference): void;
}

/** Something that was in flight, as people know it. */
export interface InFlight {
  readonly command: number;
  readonly kind: string;
  readonly name: string;
}

export class Agreement {
  readonly #code: CodePosition;
  #trace: Trace | undefined;

  constructor(code: CodePosition) {
    this.#code = code;
  }

  /** Remembers what the code asks for and where, for differences to these rows. Undefined: no longer. */
  trace(rows: readonly { readonly data: string }[] | undefined): void {
    this.#trace = rows === undefined ? undefined : new Trace(rows);
  }

  /** The code asked for something. */
  issued(command: CommandIdentity): void {
    this.#trace?.issued(command);
  }

  /** Whether an event may be applied now. */
  admits(type: string, data: EventData): boolean {
    if (!this.#claims(type, data)) return false;
    const { x } = data;
    if (x === undefined || (x[0] === this.#code.commands && x[1] === this.#code.rolling)) return true;
    return this.stands(x, `before ${before(type, data)}`);
  }

  /** Whether the command an outcome names is the one the code asked for. */
  #claims(type: string, { c, k = "activity", n: name = "", l: label, i }: EventData): boolean {
    const code = this.#code;
    if (c === undefined || code.isAbandoned(c)) return true;
    const { commands } = code;
    if (code.ending !== undefined && c <= commands) return true;
    const open = code.openCommand(c);
    if (open !== undefined && open.kind === k && open.name === name && open.inputDigest === i) return true;
    const history = `${said(type, { kind: k, name, label })} (command ${c})`;
    const sameName = open?.kind === k && open.name === name;
    if (open !== undefined)
      this.differs(c, { history, code: `asked for ${sameName ? changedInput(k) : describe(open)}` });
    else this.differs(c, { history, code: c > commands ? this.#shortOf() : "has settled that command already" });
    return false;
  }

  /** What code did that asked for less than the history knows. */
  #shortOf(): string {
    const { commands, ending } = this.#code;
    const last = this.#trace?.named(commands);
    const asked = commands === 0 ? "asked for nothing" : `asked for ${commandCount(commands)} only`;
    const thrown = ending?.ok === false ? ` with ${clipped(failureText(toFailure(ending.error)))}` : "";
    return `${asked}${ending === undefined ? "" : ` and ended${thrown}`}${last === undefined ? "" : `, the last one ${last}`}`;
  }

  /** Whether the code has issued what it had issued at some moment. `when` is said to people. */
  stands([commands, rolling]: Check, when: string): boolean {
    const code = this.#code;
    if (commands === code.commands && rolling === code.rolling) return true;
    const parting = this.#trace?.parting(commands);
    if (parting !== undefined) code.disagree(parting);
    else this.#differsIn(commands, code.commands, `the code had asked for ${commandCount(commands)} ${when}`);
    return false;
  }

  #differsIn(commands: number, issued: number, history: string): void {
    const trace = this.#trace;
    if (issued > commands) {
      const extra = trace?.named(commands + 1);
      const code = extra === undefined ? `asked for ${issued}` : `asked for ${extra} as well`;
      this.differs(commands + 1, { history, code });
    } else if (issued < commands) {
      this.differs(issued, { history, code: this.#shortOf() });
    } else {
      const last = trace?.named(commands) ?? "another";
      this.differs(commands, {
        history,
        code: `asked for as many, but not with the same inputs: the last one is ${last}`,
      });
    }
  }

  /** Checks a row of a command that was in flight when the run was last advanced. */
  inFlight({ command, kind, name }: InFlight): void {
    const code = this.#code;
    const open = code.openCommand(command);
    if (open !== undefined && open.kind === kind && (open.label ?? open.name) === name) return;
    if (code.isAbandoned(command)) return;
    // The row of a wait goes with the transition after the event that settled it: it may outlive the wait.
    if (open === undefined && WAITS.has(kind) && command <= code.commands) return;
    const asked = open === undefined ? this.#trace?.named(command) : describe(open);
    this.differs(command, {
      history: `${describe({ kind, name })} (command ${command}) was in flight when the run was last advanced`,
      code: asked === undefined ? `did not ask for it: it ${this.#shortOf()}` : `asked for ${asked}`,
    });
  }

  /** Tells a difference, at the line that asked for a command. */
  differs(command: number, difference: Omit<Difference, "at">): void {
    this.#code.disagree({ ...difference, at: this.#trace?.place(command) });
  }
}
