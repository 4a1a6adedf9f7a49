/** The configuration file of a project: `perdure.config.ts`. */
import type { QueueOptions } from "../client/queue-options.ts";
import type { ActivitySet } from "../engine/registry.ts";
import type { CommandConfig } from "../flow/agents/command.ts";
import type { Flow } from "../flow/flow.ts";
import type { ActivityContext, AnyActivity } from "../workflow/activity.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";

/** An agent in a configuration: a function, an activity, or a program. */
// biome-ignore lint/suspicious/noExplicitAny: any handler is welcome here
export type AgentSource = AnyActivity | CommandConfig | ((input: any, ctx: ActivityContext) => unknown);

/** What the command line uses when its arguments do not say otherwise. */
export interface PerdureConfig {
  /** `sqlite:PATH` or `postgres://…`; a relative path begins at the configuration's folder. Default `sqlite:.perdure/store.db` there. */
  readonly store?: string;
  /** Workflows that `perdure run NAME` knows. */
  readonly workflows?: readonly AnyWorkflow[];
  /** Flows: files, folders of files, or flows written in TypeScript. */
  readonly flows?: readonly (string | Flow)[];
  /** Agents: files, or a record of functions, activities and programs. */
  readonly agents?: string | readonly string[] | Readonly<Record<string, AgentSource>>;
  /** Activities called by name. */
  readonly activities?: ActivitySet;
  /** Limits of queues, as `open` takes them: they count in each process that runs something. */
  readonly queues?: Readonly<Record<string, QueueOptions>>;
  /** Queues whose activities run in these processes, as `open` takes them. Those of others are left to engines that serve them. */
  readonly serves?: readonly string[];
}

/**
 * Types a configuration; returns it as it is.
 *
 * @example
 * // perdure.config.ts
 * export default defineConfig({ store: "sqlite:data/runs.db", flows: ["flows"], agents: "agents.yaml" });
 */
export function defineConfig(config: PerdureConfig): PerdureConfig {
  return config;
}
