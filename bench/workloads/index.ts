/** Every workload, in the order of the tables. */
import { children } from "./children.ts";
import { entities } from "./entities.ts";
import { finishedRuns } from "./finished-runs.ts";
import { longRuns } from "./long-run.ts";
import { manyAtATime, oneStepRuns } from "./many-at-a-time.ts";
import { oneAtATime } from "./one-at-a-time.ts";
import { parallelSteps } from "./parallel-steps.ts";
import { parkedRuns } from "./parked-runs.ts";
import { takeover } from "./takeover.ts";
import type { Workload } from "./workload.ts";

export const WORKLOADS: readonly Workload[] = [
  oneAtATime,
  manyAtATime,
  parallelSteps,
  oneStepRuns,
  parkedRuns,
  takeover,
  longRuns,
  finishedRuns,
  children,
  entities,
];
