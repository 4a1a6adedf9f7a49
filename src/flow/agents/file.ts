/** Agents and activities from files: YAML, JSON, TypeScript, JavaScript; and those described inside a flow. */
import { readFile } from "node:fs/promises";
import { dirname, extname, resolve } from "node:path";
import { PerdureError } from "../../core/errors.ts";
import type { AnyActivity } from "../../workflow/activity.ts";
import { readText } from "../flow-text.ts";
import type { FlowDefinition } from "../model.ts";
import { formatProblem, hasErrors, type Locate, placed } from "../problem.ts";
import { AgentSet } from "./agent-set.ts";
import { loadModule } from "./module.ts";
import { addExports } from "./module-exports.ts";

/** What a file defines. */
export interface AgentFile {
  /** By the name an engine knows them: agents as `agent:NAME`, activities under their own name. */
  readonly activities: Readonly<Record<string, AnyActivity>>;
}

const CODE: ReadonlySet<string> = new Set([".ts", ".mts", ".cts", ".js", ".mjs", ".cjs"]);
const DATA: ReadonlySet<string> = new Set([".yaml", ".yml", ".json"]);

/**
 * Loads agents and activities.
 *
 * YAML and JSON files hold `agents:` and `activities:`, mappings of names to `{command: [program, …]}`. TypeScript and
 * JavaScript files are loaded without a build step; they export `agents` and `activities` (by name or inside the default
 * export), records of functions, activities or commands, or activities themselves. Programs run in the file's folder.
 *
 * @throws PerdureError `INVALID_ARGUMENT` with all mistakes, each with its place; `details.problems` lists them.
 *
 * @example
 * const { activities } = await loadAgentFile("agents.yaml");
 */
export async function loadAgentFile(file: string): Promise<AgentFile> {
  const extension = extname(file).toLowerCase();
  const folder = dirname(resolve(file));
  const set = new AgentSet();
  if (CODE.has(extension)) {
    addExports(set, await loadModule(file), folder);
    return finished(set, file);
  }
  if (!DATA.has(extension)) {
    const known = [...DATA, ...CODE].join(", ");
    throw new PerdureError("INVALID_ARGUMENT", `${file}: agents are read from ${known} files`, { details: { file } });
  }
  const text = readText(await readAgentText(file));
  set.findings.push(...text.findings);
  if (text.value !== undefined) set.addDescriptions(text.value, folder);
  return finished(set, file, text.locate);
}

/**
 * The agents a flow describes itself, as activities `agent:NAME`.
 *
 * @param baseDir folder of the flow's file; programs run there.
 * @throws PerdureError `INVALID_ARGUMENT` with all mistakes.
 */
export function agentsOf(agents: FlowDefinition["agents"], baseDir: string): Readonly<Record<string, AnyActivity>> {
  const set = new AgentSet();
  if (agents !== undefined) set.addDescriptions({ agents }, resolve(baseDir));
  return finished(set).activities;
}

/** Agents and activities that code hands over, such as those of a project's configuration. */
export interface AgentDefinitions {
  /** By name: functions `(input, ctx) => output`, activities or commands; or a list of activities. */
  readonly agents?: unknown;
  readonly activities?: unknown;
}

/**
 * Agents and activities of a value made in code, in the shapes a TypeScript file may export.
 *
 * @param origin the folder programs run in, and the file that errors name.
 * @throws PerdureError `INVALID_ARGUMENT` with all mistakes.
 */
export function agentsFrom(definitions: AgentDefinitions, origin: { folder: string; file?: string }): AgentFile {
  const { agents, activities } = definitions;
  const set = new AgentSet();
  if (agents !== undefined || activities !== undefined) addExports(set, { agents, activities }, resolve(origin.folder));
  return finished(set, origin.file);
}

async function readAgentText(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why = code === "ENOENT" ? "does not exist" : `cannot be read: ${message}`;
    throw new PerdureError("INVALID_ARGUMENT", `${file} ${why}`, { cause, details: { file } });
  }
}

function finished(set: AgentSet, file?: string, locate?: Locate): AgentFile {
  const options = { ...(file !== undefined && { file }), ...(locate !== undefined && { locate }) };
  const problems = placed(set.findings, options);
  if (!hasErrors(problems)) return { activities: set.activities };
  const message = problems.map(formatProblem).join("\n");
  throw new PerdureError("INVALID_ARGUMENT", message, { details: { problems } });
}
