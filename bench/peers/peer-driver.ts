/** A driver as a process of its own, and the lines of JSON between. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { folderOf, newerNode, type Peer } from "./catalogue.ts";
import type { Load, Loaded, Opening, Request } from "./serve.ts";

const PATIENCE_MS = 90_000;
const CLOSING_MS = 10_000;
/** Between being asked to end and being made to. */
const GRACE_MS = 5000;

interface Answer {
  readonly opened?: Opened;
  readonly measured?: Loaded;
  readonly failed?: string;
}

/** What a system says of itself. */
export interface Opened {
  readonly version: string;
  readonly settings: string;
}

export class PeerDriver implements AsyncDisposable {
  readonly #process: ChildProcess;
  readonly #answers: AsyncIterator<string>;

  /** Without a peer: the engine itself. */
  constructor(peer: Peer | undefined) {
    const [node, script] =
      peer === undefined
        ? [process.execPath, fileURLToPath(new URL("./perdure-process.js", import.meta.url))]
        : [peer.newerNode ? newerNode() : process.execPath, `${folderOf(peer.folder)}driver.mjs`];
    this.#process = spawn(node, ["--disable-warning=ExperimentalWarning", script], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, NODE_ENV: "production" },
    });
    this.#answers = createInterface({ input: this.#process.stdout! })[Symbol.asyncIterator]();
  }

  async open(opening: Opening): Promise<Opened> {
    return (await this.#ask({ open: opening })).opened!;
  }

  async measure(load: Load): Promise<Loaded> {
    return (await this.#ask({ measure: load })).measured!;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#process.exitCode !== null || this.#process.signalCode !== null) return;
    const gone = once(this.#process, "exit");
    const tooLong = this.#endAfter(CLOSING_MS);
    this.#process.stdin!.end(`${JSON.stringify({ close: true })}\n`);
    await gone;
    tooLong();
  }

  async #ask(request: Request): Promise<Answer> {
    this.#process.stdin!.write(`${JSON.stringify(request)}\n`);
    const tooLong = this.#endAfter(PATIENCE_MS);
    const { value } = await this.#answers.next();
    tooLong();
    const answer = JSON.parse((value as string | undefined) ?? '{"failed": "the driver ended"}') as Answer;
    if (answer.failed !== undefined) throw new Error(answer.failed);
    return answer;
  }

  /** Ends the process after some time, unless what is returned is called before. */
  #endAfter(ms: number): () => void {
    const ask = setTimeout(() => this.#process.kill("SIGTERM"), ms);
    const force = setTimeout(() => this.#process.kill("SIGKILL"), ms + GRACE_MS);
    return () => {
      clearTimeout(ask);
      clearTimeout(force);
    };
  }
}
