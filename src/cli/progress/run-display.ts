/** Shows a run while it goes on: redrawn in place, as lines, or not at all. */
import type { FlowDefinition } from "../../flow/model.ts";
import type { Terminal } from "../terminal.ts";
import { plainLine, plainText } from "../text/cell-width.ts";
import { type Part, renderLine, type StyledLine } from "../text/styled-line.ts";
import { spanText } from "../text/time-text.ts";
import { LiveScreen } from "./live-screen.ts";
import { activityOf, awaitedSignals, statusPart, stepDetails, stepLines } from "./progress-lines.ts";
import { type Change, RunProgress } from "./run-progress.ts";
import { toldLine } from "./told-progress.ts";

/** The run that is shown. */
export interface ShownRun {
  readonly workflow: string;
  readonly workflowId: string;
  readonly runId: string;
}

/** How a run is shown. */
export interface RunDisplay {
  readonly progress: RunProgress;
  /** Begins, once the run and what happened to it before are known. */
  open(run: ShownRun): void;
  /** Says something beside the steps. */
  say(text: string): void;
  /** Ends; what is shown stays. */
  close(): void;
}

/** The display that fits: for programs none, on a terminal a picture, elsewhere lines. */
export function runDisplay(terminal: Terminal, json: boolean, definition: FlowDefinition | undefined): RunDisplay {
  if (json) return new NoDisplay(terminal, definition);
  return terminal.live ? new LiveDisplay(terminal, definition) : new LineDisplay(terminal, definition);
}

class NoDisplay implements RunDisplay {
  readonly progress: RunProgress;
  readonly #terminal: Terminal;

  constructor(terminal: Terminal, definition: FlowDefinition | undefined) {
    this.#terminal = terminal;
    this.progress = new RunProgress(definition);
  }

  open(): void {}

  say(text: string): void {
    this.#terminal.error(text);
  }

  close(): void {}
}

/** Lines kept free for the header, the hints and the prompt. */
const OTHER_LINES = 9;
const HINT_AFTER_MS = 3000;

class LiveDisplay implements RunDisplay {
  readonly progress: RunProgress;
  readonly #terminal: Terminal;
  #screen: LiveScreen | undefined;
  #run: ShownRun | undefined;
  #closing = false;
  readonly #openedAt = Date.now();

  constructor(terminal: Terminal, definition: FlowDefinition | undefined) {
    this.#terminal = terminal;
    this.progress = new RunProgress(definition);
  }

  open(run: ShownRun): void {
    this.#run = run;
    this.#screen = new LiveScreen(this.#terminal, () => this.#picture());
  }

  say(text: string): void {
    if (this.#screen === undefined) this.#terminal.line(text);
    else this.#screen.print(text);
  }

  close(): void {
    this.#closing = true;
    this.#screen?.close();
  }

  #picture(): StyledLine[] {
    const now = Date.now();
    const { progress } = this;
    const maxLines = Math.max(3, this.#terminal.rows - OTHER_LINES);
    const moment = { now, animated: !this.#closing, maxLines };
    const notes = progress.notes.map((note): StyledLine => ["  ", ["dim", `note ${plainLine(note)}`]]);
    const told = progress.told === undefined ? [] : [toldLine(progress.told)];
    return [this.#header(now), ...told, [], ...stepLines(progress, moment), ...notes, ...this.#hints(now)];
  }

  #header(now: number): StyledLine {
    const { progress } = this;
    const { workflow, workflowId, runId } = this.#run!;
    const span = (progress.closedAt ?? now) - (progress.startedAt ?? now);
    const identity: Part[] = [["bold", workflow], "  ", workflowId, ["dim", `  ${runId}`]];
    return [...identity, "  ", statusPart(activityOf(progress)), ["dim", ` ${spanText(span)}`]];
  }

  #hints(now: number): StyledLine[] {
    if (this.#closing || now - this.#openedAt < HINT_AFTER_MS) return [];
    const { workflowId } = this.#run!;
    const answers = awaitedSignals(this.progress).map(
      (signal): StyledLine => [
        ["dim", "answer it with  "],
        `perdure runs signal ${shellWord(workflowId)} ${shellWord(signal)}`,
      ],
    );
    return [[], ...answers, [["dim", "ctrl-C cancels the run, ctrl-\\ leaves it to be gone on with later"]]];
  }
}

class LineDisplay implements RunDisplay {
  readonly progress: RunProgress;
  readonly #terminal: Terminal;
  #opened = false;

  constructor(terminal: Terminal, definition: FlowDefinition | undefined) {
    this.#terminal = terminal;
    this.progress = new RunProgress(definition, (change) => this.#changed(change));
  }

  open({ workflow, workflowId, runId }: ShownRun): void {
    this.#terminal.line(
      renderLine([["bold", workflow], `  ${workflowId}`, ["dim", `  ${runId}`]], this.#terminal.styles),
    );
    const before = this.progress.steps.filter(({ state }) => state === "completed").length;
    if (before > 0) this.say(`${before} ${before === 1 ? "step has" : "steps have"} finished before`);
    this.#opened = true;
    // What began before the header was printed.
    for (const step of this.progress.steps)
      if (step.state === "waiting" || step.state === "running") this.#print({ kind: "step", step });
  }

  #changed(change: Change): void {
    if (this.#opened) this.#print(change);
  }

  #print(change: Change): void {
    if (change.kind === "progress") this.#terminal.line(renderLine(toldLine(change.value), this.#terminal.styles));
    else if (change.kind === "note") this.say(`note ${plainLine(change.text)}`);
    else if (change.kind === "log") {
      if (change.message.trim() !== "") this.say(`${change.step} | ${plainText(change.message).trimEnd()}`);
    } else {
      const { step } = change;
      const started = step.state === "running";
      if (started && step.attempts > 1) this.say(`${step.name}: attempt ${step.attempts} started`);
      else if (started) this.say(`${step.name}: started`);
      else
        this.#terminal.line(
          renderLine(
            [`${step.name}: `, ...completedWord(step.state), ...stepDetails(step, Date.now())],
            this.#terminal.styles,
          ),
        );
    }
  }

  say(text: string): void {
    this.#terminal.line(text);
  }

  close(): void {}
}

function completedWord(state: string): Part[] {
  return state === "completed" ? [["green", "completed "]] : [];
}

/** A word as a shell reads it. */
export function shellWord(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
