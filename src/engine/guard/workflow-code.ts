/**
 * Tells workflow code from everything else (rule 10): it runs inside a turn and in its run's asynchronous context. Activities,
 * inline step bodies and the host application lack one of the two, so they see the real thing, also while a turn is open.
 */
import { inWorkflowTurn } from "../../workflow/turn.ts";
import { currentPlace, runOutside } from "../run-scope.ts";
import { callSite } from "./call-site.ts";
import type { GuardedCode } from "./guard.ts";
import { type Instead, useMessage } from "./message.ts";

/** The workflow code that executes; undefined outside of any and where the guard is off. The flag is cheap, so it goes first. */
export function guardedCode(): GuardedCode | undefined {
  return inWorkflowTurn() ? currentPlace()?.guarded : undefined;
}

/**
 * Workflow code uses something that does not replay. Returns when it is to have the real thing: after a warning, or because it is
 * machinery that asks.
 *
 * @param caller the running function that stands for what is used; the stack is read below it.
 */
export function refuse(code: GuardedCode, what: string, instead: Instead, caller: CallableFunction): void {
  // Outside, because formatting a stack and logging run code of the host.
  const error = runOutside(() => {
    const site = callSite(caller);
    if (site.machinery) return undefined;
    return code.guard.judge({ what, place: site.place, message: useMessage(what, site, instead) }, code.facts);
  });
  if (error === undefined) return;
  Error.captureStackTrace(error, caller);
  throw error;
}
