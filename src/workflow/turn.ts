/**
 * Whether workflow code is being run right now. The engine opens a turn around each event it applies; activities never
 * run inside one, so that a plain flag tells the two apart.
 */
let open = false;

/** Marks the beginning or the end of a turn. Only the engine calls this. */
export function setWorkflowTurn(value: boolean): void {
  open = value;
}

/** True while workflow code runs. */
export function inWorkflowTurn(): boolean {
  return open;
}
