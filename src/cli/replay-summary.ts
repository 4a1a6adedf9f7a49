/** What `perdure replay` says: each disagreement as it is found, and the sums. */
import type { ReplayReport } from "../client/replays.ts";
import type { Blockage } from "../core/ending.ts";
import { codeName } from "./code-at-hand.ts";
import type { Invocation } from "./command.ts";
import { shellWord } from "./progress/run-display.ts";
import { plainLine } from "./text/cell-width.ts";

/** Places printed for people; the rest is counted. */
const SHOWN = 20;
const PROGRESS_EVERY = 200;

export class ReplaySummary {
  readonly #invocation: Invocation;
  readonly #found: object[] = [];
  readonly #missing = new Map<string, number>();
  /** Blocked runs whose history agrees with this code. */
  readonly #freed: string[] = [];
  /** Runs that disagree in the same way at the same place. */
  readonly #places = new Map<string, { readonly workflow: string; readonly at: string; runs: number }>();
  #same = 0;
  different = 0;
  /** Why code of the project could not be used. */
  readonly problems: string[] = [];

  constructor(invocation: Invocation) {
    this.#invocation = invocation;
  }

  add(report: ReplayReport): void {
    const { json } = this.#invocation;
    if (report.result === "no_code") {
      const name = codeName(report);
      this.#missing.set(name, (this.#missing.get(name) ?? 0) + 1);
    } else if (report.result === "same") {
      this.#same++;
      if (report.status === "blocked" && this.#freed.length < SHOWN) this.#freed.push(report.workflowId);
    } else {
      this.different++;
      if (json) this.#found.push(record(report));
      else this.#tell(report, report.blockage!);
    }
    if ((this.#same + this.different) % PROGRESS_EVERY === 0) this.#progress();
  }

  /** Prints the first run of a place; the others are counted. */
  #tell(report: ReplayReport, blockage: Blockage): void {
    const { at = "the same place", code = blockage.reason } = blockage.difference ?? {};
    const key = `${codeName(report)}\n${at}\n${code.replaceAll(/\d+/g, "")}`;
    const place = this.#places.get(key);
    if (place !== undefined) {
      place.runs++;
      return;
    }
    this.#places.set(key, { workflow: codeName(report), at, runs: 1 });
    if (this.#places.size <= SHOWN) this.#print(report, blockage);
  }

  #progress(): void {
    const { terminal, json } = this.#invocation;
    if (!json && terminal.live)
      terminal.write(`\r${this.#same + this.different} replayed, ${this.different} disagree\r`);
  }

  #print(report: ReplayReport, { reason, message, difference }: Blockage): void {
    const { terminal } = this.#invocation;
    const { red, bold, dim } = terminal.styles;
    const { workflowId, runId, status, length } = report;
    terminal.line(
      `${red("✖")} ${bold(codeName(report))} ${workflowId} ${dim(`${runId} (${status}, ${length} events)`)}`,
    );
    const rows: [string, string | undefined][] =
      difference === undefined
        ? [[reason, message]]
        : [
            ["history", `says ${difference.history}`],
            ["code", difference.code],
            ["at", difference.at],
            ["why", difference.advice],
          ];
    for (const [name, text] of rows)
      if (text !== undefined) terminal.line(`    ${dim(name.padEnd(8))} ${plainLine(text)}`);
  }

  /** Prints the sums. */
  finish(): void {
    const { terminal, json } = this.#invocation;
    const replayed = this.#same + this.different;
    const missing = [...this.#missing].map(([code, runs]) => ({ code, runs }));
    if (json) {
      const { problems } = this;
      const sums = { replayed, same: this.#same, different: this.#found, missing, unblocked: this.#freed, problems };
      terminal.line(JSON.stringify(sums));
      return;
    }
    const { green, red, yellow, dim } = terminal.styles;
    for (const { workflow, at, runs } of [...this.#places.values()].slice(0, SHOWN))
      if (runs > 1) terminal.line(dim(`… ${runs - 1} more runs of ${workflow} disagree at ${at}; --json lists all`));
    if (this.#places.size > SHOWN) terminal.line(dim(`… ${this.#places.size - SHOWN} more places; --json lists all`));
    const verdict = this.different === 0 ? green("✔") : red("✖");
    const sum = this.different === 0 ? "the code agrees with all of them" : `${this.different} disagree with the code`;
    terminal.line(
      replayed === 0 ? `${dim("·")} no runs to replay` : `${verdict} ${counted(replayed)} replayed: ${sum}`,
    );
    for (const { code, runs } of missing)
      terminal.line(
        `${yellow("!")} ${counted(runs)} ${runs === 1 ? "waits" : "wait"} for ${code}, whose code is not here`,
      );
    for (const id of this.#freed)
      terminal.line(dim(`${id} is blocked and agrees with this code: perdure runs resume ${shellWord(id)}`));
    for (const problem of this.problems) terminal.error(`${yellow("!")} ${problem}`);
  }
}

function record({ result: _, blockage, ...report }: ReplayReport): object {
  const { reason, message, difference } = blockage!;
  return { ...report, reason, message, ...difference };
}

function counted(runs: number): string {
  return `${runs} ${runs === 1 ? "run" : "runs"}`;
}
