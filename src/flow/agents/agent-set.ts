/** Agents and activities gathered under the names that an engine knows them by. */
import type { Duration } from "../../core/duration.ts";
import { schemasOf } from "../../core/schema.ts";
import {
  type ActivityOptions,
  type AnyActivity,
  activity,
  activityParts,
  isActivity,
} from "../../workflow/activity.ts";
import type { Finding, Path } from "../problem.ts";
import { agentActivity } from "../program.ts";
import { commandAgent } from "./command.ts";
import { checkDescriptions, commandConfig } from "./command-config.ts";

/** Collects definitions; what cannot be used becomes a finding. */
export class AgentSet {
  readonly activities: Record<string, AnyActivity> = {};
  readonly findings: Finding[] = [];
  readonly #sources: Map<string, unknown> = new Map();

  /** Adds descriptions in the words of files: `{agents, activities}`. */
  addDescriptions(value: unknown, folder: string): void {
    const findings = checkDescriptions(value, "file");
    this.findings.push(...findings);
    if (findings.length > 0) return;
    const { agents, activities } = value as Record<string, Record<string, unknown> | undefined>;
    for (const [name, description] of Object.entries(agents ?? {})) {
      this.#guarded(["agents", name], () =>
        commandAgent(agentActivity(name), commandConfig(description, "file", folder)),
      );
    }
    for (const [name, description] of Object.entries(activities ?? {})) {
      this.#guarded(["activities", name], () => commandAgent(name, commandConfig(description, "file", folder)));
    }
  }

  /** Adds one definition made in code: a function, an {@link activity}, or `{command: […]}`. */
  addValue(
    group: "agents" | "activities",
    name: string,
    value: unknown,
    folder: string,
    path: Path = [group, name],
  ): void {
    const full = group === "agents" ? agentActivity(name) : name;
    if (name === "") {
      const message = "this entry has no name; write activity(name, fn), or a record of names to functions";
      this.findings.push({ code: "empty_name", path, message });
    } else if (isActivity(value)) this.#guarded(path, () => renamed(value, full), value);
    else if (typeof value === "function") this.#guarded(path, () => activity(full, value as () => unknown), value);
    else if (typeof value === "object" && value !== null && !Array.isArray(value)) {
      const findings = checkDescriptions({ [group]: { [name]: value } }, "code");
      this.findings.push(...findings.map((finding) => ({ ...finding, path: [...path, ...finding.path.slice(2)] })));
      if (findings.length === 0) {
        this.#guarded(path, () => commandAgent(full, commandConfig(value, "code", folder)), value);
      }
    } else {
      const message = `${name} must be a function (input, ctx) => output, an activity, or { command: ["program", "argument"] }`;
      this.findings.push({ code: "wrong_type", path, message });
    }
  }

  #guarded(path: Path, make: () => AnyActivity, source: unknown = make): void {
    try {
      const made = make();
      const { activityName } = made;
      if (this.#sources.has(activityName) && this.#sources.get(activityName) !== source) {
        this.findings.push({ code: "duplicate_id", path, message: `${activityName} is defined twice` });
      }
      this.#sources.set(activityName, source);
      this.activities[activityName] = made;
    } catch (error) {
      this.findings.push({ code: "bad_value", path, message: (error as Error).message });
    }
  }
}

/** The same activity under another name. */
function renamed(of: AnyActivity, name: string): AnyActivity {
  if (of.activityName === name) return of;
  const { config, run } = activityParts(of);
  const { initialMs: initial, maxMs: max, ...policy } = config.retry;
  const span = (ms: number): Duration | undefined => (Number.isFinite(ms) ? ms : undefined);
  const total = span(config.totalTimeoutMs);
  const heartbeat = span(config.heartbeatTimeoutMs);
  const options = {
    retry: { ...policy, initial, max },
    timeout: config.timeoutMs,
    ...(total !== undefined && { totalTimeout: total }),
    ...(heartbeat !== undefined && { heartbeatTimeout: heartbeat }),
    errors: config.errors,
    journal: config.journalStart ? "start" : "outcome",
    concurrency: config.concurrency,
    ...schemasOf(`activity ${name}`, config),
  } as ActivityOptions;
  return activity(name, options, run);
}
