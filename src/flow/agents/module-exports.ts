/** What a TypeScript or JavaScript file of agents exports, in any of the shapes people write. */
import { isActivity } from "../../workflow/activity.ts";
import type { Path } from "../problem.ts";
import type { AgentSet } from "./agent-set.ts";

type Exports = Readonly<Record<string, unknown>>;

/**
 * Adds everything a module exports:
 * - `agents` and `activities`, as exports or inside the default export: records of name to definition, or lists of activities;
 * - any export that is an activity, under its own name;
 * - any other default record or list: each entry is both an agent and an activity, since nothing says which is meant.
 */
export function addExports(set: AgentSet, exports: Exports, folder: string): void {
  const found = set.findings.length;
  let groups = addGroups(set, exports, folder, []);
  for (const [name, value] of Object.entries(exports)) {
    if (name === "default" || !isActivity(value)) continue;
    set.addValue("activities", value.activityName, value, folder, [name]);
    groups++;
  }
  const main = exports.default;
  if (isActivity(main)) {
    set.addValue("activities", main.activityName, main, folder, ["default"]);
    groups++;
  } else if (isRecord(main) || Array.isArray(main)) {
    const inside = isRecord(main) ? addGroups(set, main, folder, ["default"]) : 0;
    groups += inside;
    if (inside === 0) groups += addBoth(set, main, folder);
  }
  if (groups === 0 && set.findings.length === found) {
    const message = "the file exports no agents and no activities";
    const hint = "write: export const agents = { name: async (input, ctx) => output }";
    set.findings.push({ code: "missing_key", path: [], message, hint });
  }
}

/** Adds `agents` and `activities` of a record. Returns how many of the two it has. */
function addGroups(set: AgentSet, record: Exports, folder: string, path: Path): number {
  let groups = 0;
  for (const group of ["agents", "activities"] as const) {
    const value = record[group];
    if (value === undefined || typeof value === "function") continue;
    groups++;
    const at = [...path, group];
    if (isRecord(value) || Array.isArray(value)) {
      for (const [name, item, place] of entries(value)) set.addValue(group, name, item, folder, [...at, place]);
    } else {
      const message = `${group} must be a record of names to functions, activities or { command: [...] }, or a list of activities`;
      set.findings.push({ code: "wrong_type", path: at, message });
    }
  }
  return groups;
}

function addBoth(set: AgentSet, value: Exports | readonly unknown[], folder: string): number {
  const all = entries(value);
  for (const [name, item, place] of all) {
    const own = isActivity(item) ? item.activityName : name;
    set.addValue("agents", name, item, folder, ["default", place]);
    set.addValue("activities", own, item, folder, ["default", place]);
  }
  return all.length;
}

/** Name, definition and place of each; those of a list have the name of their activity or function. */
function entries(value: Exports | readonly unknown[]): [name: string, item: unknown, place: string | number][] {
  if (!Array.isArray(value)) return Object.entries(value).map(([name, item]) => [name, item, name]);
  return value.map((item: unknown, i) => [isActivity(item) ? item.activityName : functionName(item), item, i]);
}

function functionName(value: unknown): string {
  return typeof value === "function" ? value.name : "";
}

function isRecord(value: unknown): value is Exports {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
