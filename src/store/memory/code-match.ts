import type { CodeKey, RunRow } from "../store.ts";

/** A test of whether an engine with this code can go on with a run. */
export function codeMatch(code: readonly CodeKey[]): (row: RunRow) => boolean {
  const any = new Set(code.filter(({ version }) => version === undefined).map(({ workflow }) => workflow));
  const exact = new Set(code.filter(({ version }) => version !== undefined).map(nameOf));
  return (row) => any.has(row.workflow) || exact.has(nameOf(row));
}

function nameOf({ workflow, version }: CodeKey): string {
  return JSON.stringify([workflow, version]);
}
