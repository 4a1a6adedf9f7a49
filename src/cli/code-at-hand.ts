/** The code that a command has for runs of a store: files named, the project's workflows and flows, and the files runs came from. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { FoundCode } from "../client/replays.ts";
import { Registry } from "../engine/registry.ts";
import { isFlow } from "../flow/flow.ts";
import type { RunRow, Store } from "../store/store.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import { type Activities, activitiesFor, configuredActivities } from "./activity-sources.ts";
import { isFlowFile, namedFlows } from "./flow-files.ts";
import { loadWorkflows } from "./module-workflows.ts";
import type { Project } from "./project.ts";
import { loadRunnable, originOf } from "./runnable.ts";
import { usageError } from "./usage-error.ts";

/** What {@link CodeAtHand.find} goes by. */
type Wanted = Pick<RunRow, "workflow" | "version" | "meta">;

export class CodeAtHand {
  readonly #project: Project;
  readonly #registries: Registry[] = [];
  /** Registries of files that runs came from; undefined where a file cannot be used. */
  readonly #origins = new Map<string, Promise<Registry | undefined>>();
  /** Whether runs may bring the code they were started from. */
  readonly #origin: boolean;
  /** Why files of the project cannot be used. */
  readonly problems: string[] = [];

  private constructor(project: Project, origin: boolean) {
    this.#project = project;
    this.#origin = origin;
  }

  /** Loads files, or without any what the project has. @throws PerdureError `INVALID_ARGUMENT` for a file that cannot be used. */
  static async load(project: Project, files: readonly string[], agents: readonly string[] = []): Promise<CodeAtHand> {
    const code = new CodeAtHand(project, files.length === 0);
    const modules = files.filter((file) => !isFlowFile(file));
    const flows = files.filter(isFlowFile);
    for (const file of files) if (!existsSync(file)) throw usageError(`there is no file ${file}`);
    if (files.length === 0) await code.#addProject(agents);
    if (modules.length > 0) await code.#addModules(modules, agents);
    for (const file of flows) code.#registries.push(await flowRegistry(project, file, agents));
    return code;
  }

  /** `name@version` of everything that is here. */
  get names(): readonly string[] {
    return this.#registries.flatMap(({ code }) => code.map(codeName));
  }

  async #addProject(agents: readonly string[]): Promise<void> {
    const named = await namedFlows(this.#project);
    const workflows = new Set(named.flatMap((one) => ("workflow" in one ? [one.workflow] : [])));
    const { activities } = await configuredActivities(this.#project);
    if (workflows.size > 0) this.#registries.push(registryOf([...workflows], activities));
    for (const one of named) if ("file" in one) await this.#addFlow(one.file, agents);
  }

  async #addFlow(file: string, agents: readonly string[]): Promise<void> {
    try {
      this.#registries.push(await flowRegistry(this.#project, file, agents));
    } catch (error) {
      this.problems.push((error as Error).message);
    }
  }

  async #addModules(files: readonly string[], agents: readonly string[]): Promise<void> {
    const loaded = await Promise.all(files.map(loadWorkflows));
    const workflows = new Set(loaded.flatMap((module) => [...module.workflows]));
    if (workflows.size === 0)
      throw usageError(`${files.join(", ")}: no workflow is exported`, "write: export const hello = workflow(…)");
    const from = { definition: undefined, file: files[0] };
    const { activities } = await activitiesFor(this.#project, from, agents);
    const exported = Object.assign({}, ...loaded.map((module) => module.activities)) as Activities;
    this.#registries.push(registryOf([...workflows], { ...activities, ...exported }));
  }

  /** The code of a run, if it is here. */
  async find(run: Wanted, store: Pick<Store, "definition">): Promise<FoundCode | undefined> {
    const { file } = this.#origin ? originOf(run.meta) : {};
    for (const registry of this.#registries) {
      const definition = await registry.pinned(run.workflow, run.version, store);
      if (definition !== undefined) return { definition, registry };
    }
    const registry = file === undefined ? undefined : await this.#fromOrigin(resolve(file), run);
    const definition = await registry?.pinned(run.workflow, run.version, store);
    return registry === undefined || definition === undefined ? undefined : { definition, registry };
  }

  #fromOrigin(file: string, { meta }: Wanted): Promise<Registry | undefined> {
    const known = this.#origins.get(file);
    if (known !== undefined) return known;
    const agents = (originOf(meta).agents ?? []).filter((path) => existsSync(path));
    const loaded = existsSync(file)
      ? originRegistry(this.#project, file, agents).catch((error: unknown) => {
          this.problems.push((error as Error).message);
          return undefined;
        })
      : Promise.resolve(undefined);
    this.#origins.set(file, loaded);
    return loaded;
  }
}

/** `order@2`, or `order` when it has no version. */
export function codeName({ workflow, version }: { workflow: string; version?: string | null | undefined }): string {
  return version === null || version === undefined ? workflow : `${workflow}@${version}`;
}

async function originRegistry(project: Project, file: string, agents: readonly string[]): Promise<Registry> {
  if (isFlowFile(file)) return flowRegistry(project, file, agents);
  const { workflows, activities } = await loadWorkflows(file);
  const loaded = await activitiesFor(project, { definition: undefined, file }, agents);
  return registryOf(workflows, { ...loaded.activities, ...activities });
}

async function flowRegistry(project: Project, file: string, agents: readonly string[]): Promise<Registry> {
  const { workflow, activities } = await loadRunnable(project, { target: file, workflow: undefined, agents });
  return registryOf([workflow], activities);
}

/** A registry of workflows, with the activities their flows refer to. */
function registryOf(workflows: readonly AnyWorkflow[], activities: Activities): Registry {
  const referenced = workflows.filter(isFlow).flatMap((flow) => flow.activities);
  const own = Object.fromEntries(referenced.map((one) => [one.activityName, one]));
  return new Registry(workflows, { ...own, ...activities });
}
