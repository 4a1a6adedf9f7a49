/**
 * Where the engines of a simulation archive to: a function that keeps what it is given, or folders on disks. A disk stands in for
 * `node:fs` below one path while its world runs: writes are under way for a while, torn by the death of their process or a full disk, and
 * safe only once they were synchronised; a file's name only once its folder was.
 */
import { default as fs } from "node:fs";
import { default as files } from "node:fs/promises";
import { syncBuiltinESMExports } from "node:module";
import { dirname } from "node:path";
import type { Archive } from "../../src/engine/collector.ts";
import type { EventRow } from "../../src/store/store.ts";
import type { DiskFate, FaultPlan } from "./faults.ts";
import type { Caller } from "./network.ts";
import type { World } from "./world.ts";

export type ArchiveKind = "none" | "function" | "folder";

/** A run as it was found in an archive. */
export interface KeptRun {
  readonly runId: string;
  readonly workflowId: string;
  readonly status: string;
  readonly closedAt: number;
  readonly events: readonly (Omit<EventRow, "data"> & { readonly data: unknown })[];
}

interface File {
  text: string;
  /** So much of it survives a power cut. */
  safe: number;
  named: boolean;
}

/** As file systems with a journal do: a new file's name is on the disk with the first of its data that is. Otherwise only with its folder. */
const NAMES_WITH_DATA = true;
const ROOT = "/simulated-archive";

export class ArchivePlace {
  readonly kind: ArchiveKind;
  readonly #world: World;
  readonly #faults: FaultPlan;
  readonly #given: { readonly slot: number; readonly line: string }[] = [];
  readonly #files = new Map<string, File>();
  readonly #folders = new Set<string>();
  readonly #isShared: boolean;
  /** Those that have a folder, by name: each has a path of its own, of which the disk knows whose it is. */
  readonly #users = new Map<string, Caller>();
  /** What was found in a text, as far as it was read. */
  readonly #read = new Map<string, { size: number; readonly runs: Map<string, KeptRun[]> }>();
  /** Lines whose end is missing. */
  torn = 0;

  constructor(world: World, faults: FaultPlan, kind: ArchiveKind, isShared: boolean) {
    this.#world = world;
    this.#faults = faults;
    this.kind = kind;
    this.#isShared = isShared;
  }

  /** What an engine on a machine is given. */
  of(process: Caller): Archive | undefined {
    if (this.kind === "none") return undefined;
    if (this.kind === "function") return (_run, line) => this.#give(process, line);
    this.#users.set(process.name, process);
    this.#folders.add(this.#diskOf(process.slot));
    return `${ROOT}/${process.name}/archive`;
  }

  #diskOf(slot: number): string {
    return this.#isShared ? "/disk" : `/disk-${slot}`;
  }

  /** Who uses a path, and what it is on the disk. */
  #place(path: string): { readonly process: Caller; readonly at: string } {
    const [name, ...rest] = path.slice(ROOT.length + 1).split("/");
    const process = this.#users.get(name!)!;
    return { process, at: [this.#diskOf(process.slot), ...rest].join("/") };
  }

  /** All copies of a run that a reader of the machine's archive finds after a power cut, the oldest first. */
  copies(slot: number, runId: string): readonly KeptRun[] {
    if (this.kind === "function")
      return this.#readText("function", this.#given.map(({ line }) => line).join("")).get(runId) ?? [];
    const folder = `${this.#diskOf(slot)}/`;
    const found: KeptRun[] = [];
    for (const [path, { text, safe, named }] of this.#files)
      if (path.startsWith(folder) && named) found.push(...(this.#readText(path, text.slice(0, safe)).get(runId) ?? []));
    return found;
  }

  /** Texts only grow: what was read is not read again. */
  #readText(name: string, text: string): ReadonlyMap<string, KeptRun[]> {
    const known = this.#read.get(name) ?? { size: 0, runs: new Map<string, KeptRun[]>() };
    this.#read.set(name, known);
    const end = text.lastIndexOf("\n") + 1;
    for (const line of text.slice(known.size, end).split("\n")) {
      if (line.trim() === "") continue;
      try {
        const run = JSON.parse(line) as KeptRun;
        known.runs.set(run.runId, [...(known.runs.get(run.runId) ?? []), run]);
      } catch {
        this.torn++;
      }
    }
    known.size = end;
    return known.runs;
  }

  // ---- the function ----------------------------------------------------------------------------------------------------

  async #give(process: Caller, line: string): Promise<void> {
    const fate = this.#faults.disk();
    await this.#wait(process, fate.ms);
    if (fate.kind === "error") throw new Error("simulated: the archive is away");
    this.#given.push({ slot: process.slot, line });
    this.#world.trace(`${process.name} archives ${line.length} characters`);
    if (fate.kind === "lost") throw new Error("simulated: the answer of the archive was lost");
    this.#mayDie(process, fate);
  }

  // ---- the disk --------------------------------------------------------------------------------------------------------

  /** Stands in for the file system until what it answers is called. */
  mount(): () => void {
    if (this.kind !== "folder") return () => {};
    const real = { open: files.open, mkdir: files.mkdir };
    const { mkdirSync } = fs;
    const isOurs = (path: unknown): path is string => typeof path === "string" && path.startsWith(ROOT);
    Object.assign(files, {
      open: (path: string, ...rest: unknown[]) =>
        isOurs(path) ? this.#open(path, String(rest[0] ?? "r")) : Reflect.apply(real.open, files, [path, ...rest]),
      mkdir: (path: string, ...rest: unknown[]) =>
        isOurs(path) ? this.#mkdir(path) : Reflect.apply(real.mkdir, files, [path, ...rest]),
    });
    fs.mkdirSync = ((path: string, ...rest: unknown[]) =>
      isOurs(path) ? this.#mkdirSync(path) : Reflect.apply(mkdirSync, fs, [path, ...rest])) as typeof mkdirSync;
    syncBuiltinESMExports();
    return () => {
      Object.assign(files, real);
      fs.mkdirSync = mkdirSync;
      syncBuiltinESMExports();
    };
  }

  async #open(given: string, flags: string): Promise<object> {
    const { process, at: path } = this.#place(given);
    await this.#wait(process, this.#faults.disk().ms);
    if (flags === "r" || this.#folders.has(path)) {
      if (!this.#folders.has(path)) throw noEntry(path);
      return { sync: () => this.#syncFolder(process, path), close: async () => {} };
    }
    if (!this.#folders.has(dirname(path))) throw noEntry(path);
    const file = this.#files.get(path) ?? { text: "", safe: 0, named: false };
    this.#files.set(path, file);
    return {
      stat: async () => ({ size: file.text.length }),
      read: async (buffer: Buffer, offset: number, length: number, position: number) => {
        buffer.write(file.text.slice(position, position + length), offset, "latin1");
        return { buffer };
      },
      appendFile: (text: string) => this.#append(process, path, file, text),
      datasync: () => this.#sync(process, path, file),
      close: async () => {},
    };
  }

  async #mkdir(given: string): Promise<void> {
    const { process, at: path } = this.#place(given);
    await this.#wait(process, this.#faults.disk().ms);
    for (let folder = path; !this.#folders.has(folder); folder = dirname(folder)) this.#folders.add(folder);
  }

  #mkdirSync(given: string): void {
    const { at: path } = this.#place(given);
    if (this.#folders.has(path)) throw Object.assign(new Error("EEXIST: simulated"), { code: "EEXIST" });
    if (!this.#folders.has(dirname(path))) throw noEntry(path);
    this.#folders.add(path);
  }

  /** A write goes on without its process; one that dies meanwhile leaves a part. */
  #append(process: Caller, path: string, file: File, text: string): Promise<void> {
    const fate = this.#faults.disk();
    const { part } = fate;
    return new Promise((resolve, reject) => {
      this.#world.after(fate.ms, undefined, () => {
        const isCut = fate.kind === "error" || !process.alive || fate.dies;
        file.text += isCut ? text.slice(0, Math.floor(part * text.length)) : text;
        this.#world.trace(`${process.name} appends ${text.length} to ${path}${isCut ? " [torn]" : ""}`);
        this.#mayDie(process, fate);
        this.#world.after(0, process, () => {
          if (fate.kind === "error") reject(new Error("ENOSPC: simulated: no space left on device"));
          else resolve();
        });
      });
    });
  }

  async #sync(process: Caller, path: string, file: File): Promise<void> {
    const fate = this.#faults.disk();
    const size = file.text.length;
    await this.#wait(process, fate.ms);
    if (fate.kind === "error") throw new Error("EIO: simulated: the disk failed");
    file.safe = Math.max(file.safe, size);
    file.named ||= NAMES_WITH_DATA;
    this.#world.trace(`${process.name} synchronises ${path}`);
    this.#mayDie(process, fate);
  }

  async #syncFolder(process: Caller, path: string): Promise<void> {
    const fate = this.#faults.disk();
    await this.#wait(process, fate.ms);
    if (fate.kind === "error") throw new Error("EIO: simulated: the disk failed");
    for (const [name, file] of this.#files) if (dirname(name) === path) file.named = true;
    this.#mayDie(process, fate);
  }

  #wait(process: Caller, ms: number): Promise<void> {
    return new Promise((resolve) => this.#world.after(ms, process, resolve));
  }

  #mayDie(process: Caller, { dies }: DiskFate): void {
    if (dies && process.alive) process.crash();
  }
}

function noEntry(path: string): Error {
  return Object.assign(new Error(`ENOENT: simulated: no such file or directory, open '${path}'`), { code: "ENOENT" });
}
