/** Where agents and activities come from beside the flow itself. Later ones win: files beside it, configuration, `--agents`. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { queueOf } from "../engine/pauses.ts";
import { AgentSet } from "../flow/agents/agent-set.ts";
import { loadAgentFile } from "../flow/agents/file.ts";
import type { FlowDefinition } from "../flow/model.ts";
import { formatProblem, hasErrors, placed } from "../flow/problem.ts";
import type { KnownNames } from "../flow/validation.ts";
import type { AnyActivity } from "../workflow/activity.ts";
import type { Project } from "./project.ts";
import { usageError } from "./usage-error.ts";

/** Activities by the name an engine knows them by; agents are called `agent:NAME`. */
export type Activities = Readonly<Record<string, AnyActivity>>;

/** What was loaded, and from which files. */
export interface LoadedActivities {
  readonly activities: Activities;
  readonly files: readonly string[];
}

const AGENT = "agent:";
const USUAL_FILES = ["yaml", "yml", "json", "ts", "mts", "js", "mjs"].map((extension) => `agents.${extension}`);

/** Where the names that a flow calls are known beside a set of activities. */
interface Elsewhere {
  readonly definition: FlowDefinition | undefined;
  /** Queues whose activities run here; those of others are other engines'. */
  readonly serves: readonly string[] | undefined;
}

/** The names in a set of activities, as flows are checked against them. */
export function knownNames(
  activities: Activities,
  elsewhere?: Elsewhere,
): Required<Pick<KnownNames, "activities" | "agents">> {
  const names = Object.keys(activities);
  const others = elsewhere === undefined ? [] : calledElsewhere(elsewhere);
  return {
    activities: [...names.filter((name) => !name.startsWith(AGENT)), ...others],
    agents: names.filter((name) => name.startsWith(AGENT)).map((name) => name.slice(AGENT.length)),
  };
}

function calledElsewhere({ definition, serves }: Elsewhere): string[] {
  if (serves === undefined) return [];
  const called = definition?.steps.flatMap((step) => (step.kind === "task" ? [step.activity] : [])) ?? [];
  return called.filter((name) => !serves.includes(queueOf(name)));
}

/** Agents and activities of files, in order. */
export async function loadAgentFiles(files: readonly string[]): Promise<Activities> {
  const loaded = await Promise.all(files.map(loadAgentFile));
  return Object.assign({}, ...loaded.map(({ activities }) => activities)) as Activities;
}

/** Agents and activities of the configuration. */
export async function configuredActivities({ config, configFile, root }: Project): Promise<LoadedActivities> {
  const { agents, activities } = config;
  if (typeof agents === "string" || isList(agents)) {
    const files = (typeof agents === "string" ? [agents] : agents).map((file) => resolve(root, file));
    return { activities: { ...(await loadAgentFiles(files)), ...inCode({ activities }, root, configFile) }, files };
  }
  return { activities: inCode({ agents, activities }, root, configFile), files: [] };
}

function isList(value: unknown): value is readonly string[] {
  return Array.isArray(value);
}

function inCode(
  groups: Readonly<Record<"agents" | "activities", unknown> | { activities: unknown }>,
  folder: string,
  file: string | undefined,
): Activities {
  const set = new AgentSet();
  for (const [group, values] of Object.entries(groups) as ["agents" | "activities", unknown][]) {
    if (values === undefined) continue;
    if (typeof values !== "object" || values === null) throw usageError(`${file}: ${group} must be a record or a list`);
    for (const [key, value] of Object.entries(values)) {
      const name = Array.isArray(values)
        ? String((value as AnyActivity).activityName ?? (value as { name?: string }).name ?? "")
        : key;
      set.addValue(group, name, value, folder);
    }
  }
  const problems = placed(set.findings, file === undefined ? {} : { file });
  if (hasErrors(problems)) throw usageError(problems.map(formatProblem).join("\n"));
  return set.activities;
}

/** What a flow can call, given the files named on the command line. */
export async function activitiesFor(
  project: Project,
  flow: { readonly definition: FlowDefinition | undefined; readonly file: string | undefined },
  agentFiles: readonly string[],
): Promise<LoadedActivities> {
  const { definition, file } = flow;
  const folder = file === undefined ? project.root : dirname(resolve(file));
  const configured = await configuredActivities(project);
  const given = await loadAgentFiles(agentFiles);
  const activities = { ...configured.activities, ...given };
  const files = [...configured.files, ...agentFiles.map((path) => resolve(path))];
  if (definition === undefined || !lacksNames(definition, activities) || agentFiles.length > 0)
    return { activities, files };
  const usual = [...new Set([folder, project.root, dirname(folder)])]
    .flatMap((at) => USUAL_FILES.map((name) => join(at, name)))
    .find((path) => existsSync(path));
  if (usual === undefined) return { activities, files };
  return { activities: { ...(await loadAgentFiles([usual])), ...activities }, files: [...files, usual] };
}

/** Whether a flow names agents or activities that are not there. */
function lacksNames(definition: FlowDefinition, activities: Activities): boolean {
  return definition.steps.some(
    (step) =>
      (step.kind === "agent" && !(AGENT + step.agent in activities) && !(step.agent in (definition.agents ?? {}))) ||
      (step.kind === "task" && !(step.activity in activities)),
  );
}
