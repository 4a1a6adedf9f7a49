/** What a test environment is made with. */
import type { OpenOptions } from "../client/open-options.ts";
import { checkKind, checkOptions, checkWord, optionNames } from "../core/options.ts";
import type { ActivitySet } from "../engine/registry.ts";
import { type AnyActivity, activity } from "../workflow/activity.ts";
import type { AnyWorkflow } from "../workflow/workflow.ts";
import type { MockFunction } from "./attempts.ts";

/** Options of `open` that mean something in a test. */
type EngineOptions = Pick<
  OpenOptions,
  "workflows" | "routes" | "activities" | "deps" | "codec" | "observers" | "logger" | "guard" | "warmRuns" | "queues"
>;

/** Options of {@link createTestEnv}: some of those of `open`, and those of the test kit. */
export interface TestEnvOptions extends EngineOptions, TestKitOptions {}

/** Options that only tests have. */
export interface TestKitOptions {
  /** Flows; the same as in `workflows`. */
  readonly flows?: readonly AnyWorkflow[];
  /** Agents of flows, by name; the same as in `activities`. */
  readonly agents?: Readonly<Record<string, MockFunction>>;
  /** Activities that only exist as mocks, by name: for flows whose real ones are elsewhere. */
  readonly mocks?: Readonly<Record<string, MockFunction>>;
  /** What activities without a mock do: `run` (default), or `fail` the step, saying so. */
  readonly unmocked?: "run" | "fail";
  /** When time begins. Default 2026-01-01T00:00:00Z. */
  readonly now?: number | Date;
  /** Whether time jumps to the next timer while somebody waits and nothing runs. Default true. */
  readonly skipTime?: boolean;
  /** Whether `close` replays every run that has ended and compares. Default true. */
  readonly replay?: boolean;
  /** Whether `close` fails when runs are still open. Default `allow`. */
  readonly unfinished?: "allow" | "fail";
  /** Real milliseconds to wait for the test when nothing runs and no timer is set, before whoever waits is told so. Default 1000. */
  readonly patience?: number;
}

const OPTIONS: ReadonlySet<string> = optionNames<TestEnvOptions>({
  workflows: true,
  routes: true,
  activities: true,
  deps: true,
  codec: true,
  observers: true,
  logger: true,
  guard: true,
  warmRuns: true,
  queues: true,
  flows: true,
  agents: true,
  mocks: true,
  unmocked: true,
  now: true,
  skipTime: true,
  replay: true,
  unfinished: true,
  patience: true,
});

/** @throws PerdureError `INVALID_ARGUMENT` */
export function checkTestEnv(options: TestEnvOptions): void {
  checkOptions(options, OPTIONS, "createTestEnv()");
  checkWord(options.unmocked, ["run", "fail"], "unmocked");
  checkWord(options.unfinished, ["allow", "fail"], "unfinished");
  checkKind(options.skipTime, "boolean", "skipTime");
  checkKind(options.replay, "boolean", "replay");
}

/** By which engines look again just in case: never, here every change is told. */
const JUST_IN_CASE = "36500d";

/** The options of `open` that an environment's engines have. */
export function engineOptions(options: TestEnvOptions): OpenOptions {
  const { workflows = [], flows = [], agents = {}, mocks = {}, activities = {} } = options;
  const { routes, deps, codec, observers, guard, warmRuns, queues } = options;
  return {
    workflows: [...workflows, ...flows.filter((flow) => !workflows.includes(flow))],
    activities: together(activities, { ...mocks, ...agents }),
    leaseTtl: JUST_IN_CASE,
    poll: JUST_IN_CASE,
    ...(routes !== undefined && { routes }),
    ...(deps !== undefined && { deps }),
    ...(codec !== undefined && { codec }),
    ...(observers !== undefined && { observers }),
    ...(guard !== undefined && { guard }),
    ...(warmRuns !== undefined && { warmRuns }),
    ...(queues !== undefined && { queues }),
  };
}

/** Activities, and more functions by name where there is none of that name. */
function together(activities: ActivitySet, more: Readonly<Record<string, MockFunction>>): ActivitySet {
  if (!Array.isArray(activities)) return { ...more, ...(activities as Readonly<Record<string, MockFunction>>) };
  const given = activities as readonly AnyActivity[];
  const known = new Set(given.map(({ activityName }) => activityName));
  const rest = Object.entries(more).filter(([name]) => !known.has(name));
  return [...given, ...rest.map(([name, fn]) => activity(name, fn))];
}
