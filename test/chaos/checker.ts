/**
 * The independent checker: says of a store whose engines have left, and of the logs beside it, everything that must not be. It knows
 * the tables, the keys of the events' JSON and the load, and uses nothing of the engine.
 */
import { checkEffects } from "./check-effects.ts";
import { checkHistories } from "./check-histories.ts";
import { checkKin } from "./check-kin.ts";
import { checkLedger } from "./check-ledger.ts";
import { checkMessages } from "./check-messages.ts";
import { checkScenarios } from "./check-scenarios.ts";
import type { Snapshot } from "./snapshot.ts";
import { Findings, type Violation } from "./violation.ts";

export function check(snapshot: Snapshot): Violation[] {
  const found = new Findings();
  for (const look of [checkHistories, checkMessages, checkEffects, checkKin, checkLedger, checkScenarios])
    look(snapshot, found);
  return found.all;
}
