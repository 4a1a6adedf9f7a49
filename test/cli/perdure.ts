/** Runs the built command as a real process, in a folder of its own. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll } from "vitest";

const BIN = fileURLToPath(new URL("../../bin/perdure.js", import.meta.url));
const BUILT = fileURLToPath(new URL("../../dist/cli/main.js", import.meta.url));
const PATIENCE_MS = 20_000;

const folders: string[] = [];

/** A folder with files in it; removed when the test file is done. */
export function folderWith(files: Readonly<Record<string, string>>): string {
  const folder = mkdtempSync(join(tmpdir(), "perdure-cli-"));
  folders.push(folder);
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, name)), { recursive: true });
    writeFileSync(join(folder, name), text);
  }
  return folder;
}

afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** How a command ended. */
export interface Ended {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A command that runs. */
export class Running {
  readonly process: ChildProcess;
  readonly ended: Promise<Ended>;
  stdout = "";
  stderr = "";
  readonly #watchers = new Set<() => void>();

  constructor(cwd: string, args: readonly string[], env: Readonly<Record<string, string>> = {}) {
    if (!existsSync(BUILT)) throw new Error("these tests run the built command: npm run build");
    const inherited = Object.fromEntries(
      Object.entries(process.env).filter(([name]) => !/^(PERDURE_|FORCE_COLOR$|VITEST)/.test(name)),
    );
    this.process = spawn(process.execPath, [BIN, ...args], { cwd, env: { ...inherited, ...env } });
    this.process.stdin?.end();
    for (const name of ["stdout", "stderr"] as const) {
      this.process[name]?.setEncoding("utf8").on("data", (text: string) => {
        this[name] += text;
        for (const watcher of this.#watchers) watcher();
      });
    }
    this.ended = once(this.process, "close").then(([code]) => ({
      code: code as number | null,
      stdout: this.stdout,
      stderr: this.stderr,
    }));
  }

  /** Resolves when standard output matches. */
  printed(pattern: RegExp): Promise<void> {
    return new Promise((resolve, reject) => {
      const look = (): void => {
        if (!pattern.test(this.stdout)) return;
        this.#watchers.delete(look);
        clearTimeout(timer);
        resolve();
      };
      const fail = (why: string): void =>
        reject(new Error(`${why} before ${pattern}:\n${this.stdout}\n${this.stderr}`));
      const timer = setTimeout(() => fail("patience ended"), PATIENCE_MS);
      this.#watchers.add(look);
      void this.ended.then(() => {
        clearTimeout(timer);
        fail("the command ended");
      });
      look();
    });
  }

  kill(signal: NodeJS.Signals): void {
    this.process.kill(signal);
  }
}

/** Runs a command to its end. */
export function perdure(cwd: string, ...args: string[]): Promise<Ended> {
  return new Running(cwd, args).ended;
}

/** The last line of standard output, parsed. */
export function lastJson<T = Record<string, unknown>>({ stdout, stderr }: Ended): T {
  const line = stdout.trimEnd().split("\n").at(-1) ?? "";
  try {
    return JSON.parse(line) as T;
  } catch {
    throw new Error(`the last line is no JSON: ${JSON.stringify(line)}\n${stderr}`);
  }
}

/** Lines of a file; none if it is not there. */
export function linesOf(folder: string, name: string): string[] {
  const file = join(folder, name);
  return existsSync(file) ? readFileSync(file, "utf8").trimEnd().split("\n") : [];
}
