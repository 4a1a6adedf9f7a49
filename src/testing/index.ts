/**
 * What tests need: an engine for one test with its own time, mocks and crashes; assertions on what runs did; recorded histories; a clock
 * that stands still; and the suite every store must pass.
 */
export { assertSteps, type ExpectedStep, type StepFields } from "./assert-steps.ts";
export type { Call, MockFunction } from "./attempts.ts";
export { type CrashedScenario, crashEverywhere } from "./crash-everywhere.ts";
export type { CrashPoint, PlannedCrash } from "./crash-points.ts";
export {
  type RecordedCommand,
  type RecordedHistory,
  readFixture,
  readFixtures,
  writeFixture,
} from "./history-fixture.ts";
export { type HistoryStep, stepsOf } from "./history-steps.ts";
export { fails, hangs, inTurn, returns } from "./mock-functions.ts";
export { replayHistory } from "./replay-history.ts";
export { type StoreSubject, storeConformance, type TestApi } from "./store-conformance/index.ts";
export { createTestEnv, type TestEnv } from "./test-env.ts";
export type { TestEnvOptions } from "./test-env-options.ts";
export type { TestClock } from "./test-time.ts";
export { VirtualClock } from "./virtual-clock.ts";
