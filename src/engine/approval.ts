/** A decision that a run waits for: an update that takes what one of the approvers says, once and only while it is awaited. */
import { PerdureError, wrongArgument } from "../core/errors.ts";
import { APPROVAL } from "../core/handlers.ts";
import { checkedName, shown } from "../core/names.ts";
import type { Decision } from "../workflow/context.ts";

/** What the one who decides sends. */
export type Said = Omit<Decision, "at">;

/** The update that decides an approval. */
export function approvalUpdate(name: string): string {
  return `${APPROVAL}${name}`;
}

export class Approval {
  readonly #name: string;
  /** Who may decide; undefined when anybody may. */
  readonly approvers: readonly string[] | undefined;
  decision: Decision | undefined;
  #awaited = true;

  /** @throws PerdureError `INVALID_ARGUMENT` for a name or approvers that are none. */
  constructor(name: string, approvers: readonly string[] | undefined) {
    this.#name = checkedName(name, "the name of an approval");
    if (approvers !== undefined && !Array.isArray(approvers))
      throw wrongArgument(`wf.approval ${shown(name)}`, "a list of approvers");
    this.approvers = approvers;
  }

  /** @throws PerdureError `CONFLICT` for what comes too late, or from somebody who may not decide. */
  check({ by }: Said): void {
    const { approvers, decision } = this;
    const name = this.#name;
    if (decision !== undefined) throw new PerdureError("CONFLICT", `${name} was decided by ${decision.by} already`);
    if (!this.#awaited) throw new PerdureError("CONFLICT", `nobody waits for the decision of ${name} any more`);
    if (approvers !== undefined && !approvers.includes(by))
      throw new PerdureError("CONFLICT", `${by} may not decide ${name}; that is for ${approvers.join(", ")}`);
  }

  decide({ approved, by, comment }: Said, at: number): void {
    this.decision = { approved, by, comment, at };
  }

  /** Nobody waits for the decision any more. */
  close(): void {
    this.#awaited = false;
  }
}
