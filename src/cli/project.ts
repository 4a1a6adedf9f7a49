/** The project a command is called in: its folder, its configuration, its store. */
import { existsSync } from "node:fs";
import { dirname, isAbsolute, join, relative, resolve } from "node:path";
import { PerdureError } from "../core/errors.ts";
import { closest } from "../core/suggestion.ts";
import { sqlitePath } from "../store/address.ts";
import type { Invocation } from "./command.ts";
import type { PerdureConfig } from "./config.ts";

const CONFIG_FILES = ["ts", "mts", "js", "mjs"].map((extension) => `perdure.config.${extension}`);
const DEFAULT_STORE = "sqlite:.perdure/store.db";

/** What is known before anything runs. */
export interface Project {
  readonly cwd: string;
  /** Folder of the configuration, else the current one. */
  readonly root: string;
  readonly configFile: string | undefined;
  readonly config: PerdureConfig;
  /** Queues whose activities run in this process; undefined: all. */
  readonly serves: readonly string[] | undefined;
  /** Address of the store. */
  readonly store: string;
  /** Who said so, for people. */
  readonly storeFrom: string;
}

/** Finds and loads the project. @throws PerdureError `INVALID_ARGUMENT` for a configuration that cannot be used. */
export async function loadProject({ args, cwd }: Invocation): Promise<Project> {
  const configFile = findUpward(cwd, CONFIG_FILES);
  const config = configFile === undefined ? {} : await readConfig(configFile);
  const root = configFile === undefined ? cwd : dirname(configFile);
  const serves =
    args
      .text("serves")
      ?.split(",")
      .filter((queue) => queue !== "") ?? config.serves;
  return { cwd, root, configFile, config, serves, ...storeOf(args.text("store"), config, root, configFile) };
}

function storeOf(
  flag: string | undefined,
  config: PerdureConfig,
  root: string,
  configFile: string | undefined,
): { store: string; storeFrom: string } {
  if (flag !== undefined) return { store: flag, storeFrom: "--store" };
  const variable = process.env.PERDURE_STORE;
  if (variable !== undefined && variable !== "") return { store: variable, storeFrom: "PERDURE_STORE" };
  if (config.store !== undefined && configFile !== undefined)
    return { store: rooted(config.store, root), storeFrom: configFile };
  return { store: rooted(DEFAULT_STORE, root), storeFrom: "default" };
}

/** A store address whose relative path begins at `root`, as short as it can be written from here. */
function rooted(store: string, root: string): string {
  const path = storePath(store);
  if (path === undefined || isAbsolute(path)) return store;
  const full = resolve(root, path);
  const short = relative(process.cwd(), full);
  return `sqlite:${short.startsWith("..") ? full : short}`;
}

/** The file of a SQLite store, or undefined for other stores. */
function storePath(store: string): string | undefined {
  const path = sqlitePath(store);
  return path === ":memory:" ? undefined : path;
}

/** The nearest file of one of these names in a folder or one above it. */
export function findUpward(folder: string, names: readonly string[]): string | undefined {
  for (let at = resolve(folder); ; at = dirname(at)) {
    for (const name of names) {
      const file = join(at, name);
      if (existsSync(file)) return file;
    }
    if (dirname(at) === at) return undefined;
  }
}

const CONFIG_KEYS = ["store", "workflows", "flows", "agents", "activities", "queues", "serves"];

async function readConfig(file: string): Promise<PerdureConfig> {
  const { loadModule } = await import("../flow/agents/module.ts");
  const { default: config } = await loadModule(file);
  if (typeof config !== "object" || config === null)
    throw configError(file, "has no default export", "write: export default defineConfig({ … })");
  for (const key of Object.keys(config)) {
    if (CONFIG_KEYS.includes(key)) continue;
    const near = closest(key, CONFIG_KEYS);
    throw configError(
      file,
      `has an unknown key ${JSON.stringify(key)}`,
      near === undefined ? `it may have ${CONFIG_KEYS.join(", ")}` : `did you mean ${near}?`,
    );
  }
  return config as PerdureConfig;
}

function configError(file: string, what: string, hint: string): PerdureError {
  return new PerdureError("INVALID_ARGUMENT", `${file} ${what}`, { details: { file, hint } });
}
