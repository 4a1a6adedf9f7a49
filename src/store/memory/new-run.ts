/** Run rows as they are when they come into being. */
import type { MessageRow, NewRun } from "../store.ts";
import type { MemoryRun } from "./tables.ts";

/** A run as it was asked for, without its messages. */
export function newRun(run: number, start: NewRun, engine: number): MemoryRun {
  return {
    row: {
      run,
      workflowId: start.workflowId,
      workflow: start.workflow,
      version: start.version,
      status: start.owned ? "running" : "pending",
      owner: start.owned ? engine : null,
      wakeAt: start.owned ? null : start.wakeAt,
      inbox: 0,
      createdAt: start.createdAt,
      closedAt: null,
      crashes: 0,
      detail: null,
      meta: start.meta,
      length: 0,
      superseded: false,
      request: start.request,
      chain: run,
      parent: start.parent === undefined ? null : { ...start.parent },
      tags: start.tags ?? null,
      progress: null,
    },
    events: [start.first, ...(start.rest ?? [])],
    attempts: new Map(),
    messages: new Map(),
    secrets: start.secrets,
  };
}

/** The run that continues `old`. */
export function successorOf(
  { row: old, messages: waiting }: MemoryRun,
  run: number,
  start: NewRun,
  messages: readonly MessageRow[],
): MemoryRun {
  const fresh = newRun(run, { ...start, owned: false }, 0);
  const { workflowId, chain, parent, tags, progress, inbox } = old;
  Object.assign(fresh.row, { workflowId, chain, parent, tags, progress, inbox });
  const moved = [...waiting.values()].filter(({ kind }) => kind !== "outcome" && kind !== "retry");
  waiting.clear();
  for (const message of [...moved, ...messages]) fresh.messages.set(message.number, { ...message, run });
  return fresh;
}
