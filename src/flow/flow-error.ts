/** How a flow fails. */

/** A step of a flow failed, and with it the run. The `cause` is the step's own error. */
export class FlowStepError extends Error {
  override readonly name: string = "FlowStepError";
  readonly code: string = "FLOW_STEP_FAILED";
  readonly flow: string;
  /** Id of the step. */
  readonly flowStep: string;

  constructor(flow: string, step: string, cause: unknown) {
    super(`flow ${flow}: step ${step} failed${attemptsOf(cause)}: ${messageOf(cause)}`, { cause });
    this.flow = flow;
    this.flowStep = step;
  }
}

/** A signal did not come in time, and the step has no `on_timeout`. */
export class SignalTimeoutError extends Error {
  override readonly name: string = "SignalTimeoutError";
  readonly code: string = "SIGNAL_TIMED_OUT";
}

function attemptsOf(error: unknown): string {
  const attempts = (error as { attempts?: unknown } | null)?.attempts;
  if (typeof attempts !== "number") return "";
  return attempts === 1 ? " after 1 attempt" : ` after ${attempts} attempts`;
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
