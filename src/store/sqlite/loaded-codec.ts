/** Reads what a load request answers; see `Claims.load` for its form. */

import {
  ATTEMPT_WIDTH,
  CHILD_WIDTH,
  EVENT_WIDTH,
  type Flat,
  MESSAGE_WIDTH,
  OUTCOME_WIDTH,
  RUN_WIDTH,
  readAttempt,
  readChild,
  readEvent,
  readMessage,
  readOutcome,
  readRun,
} from "../rows.ts";
import type { LoadedRun } from "../store.ts";

/** The runs of an answer, in the order in which they were asked for. */
export function decodeLoaded(flat: Flat, order: readonly number[]): LoadedRun[] {
  const found = new Map<number, LoadedRun>();
  let at = 0;
  const group = <Row>(width: number, read: (flat: Flat, at: number) => Row): Row[] => {
    const rows: Row[] = [];
    const end = at + 1 + (flat[at] as number) * width;
    for (at++; at < end; at += width) rows.push(read(flat, at));
    return rows;
  };
  while (at < flat.length) {
    const row = readRun(flat, at);
    const secrets = flat[at + RUN_WIDTH] as string | null;
    at += RUN_WIDTH + 1;
    const events = group(EVENT_WIDTH, readEvent);
    const attempts = group(ATTEMPT_WIDTH, readAttempt);
    const messages = group(MESSAGE_WIDTH, readMessage);
    const children = group(CHILD_WIDTH, readChild);
    const unanswered = group(1, (numbers, place) => numbers[place] as number);
    const outcomes = group(OUTCOME_WIDTH, readOutcome);
    found.set(row.run, { row, events, attempts, messages, secrets, children, unanswered, outcomes });
  }
  return order.flatMap((run) => found.get(run) ?? []);
}
