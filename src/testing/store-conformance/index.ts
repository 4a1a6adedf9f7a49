/**
 * The suite every store passes, ours and those of others. It is split by topic; each test opens a store of its own.
 */
import { answers } from "./answers.ts";
import { children } from "./children.ts";
import { claims } from "./claims.ts";
import { continuation } from "./continuing.ts";
import { definitions } from "./definitions.ts";
import { fencing } from "./fencing.ts";
import { leases } from "./leases.ts";
import { listing } from "./listing.ts";
import { messages } from "./messages.ts";
import { pauses } from "./pauses.ts";
import { purging } from "./purging.ts";
import { sending } from "./sending.ts";
import { sharing } from "./sharing.ts";
import { starts } from "./starts.ts";
import type { StoreSubject, TestApi, Topic } from "./subject.ts";
import { tags } from "./tags.ts";
import { tasks } from "./tasks.ts";
import { transactions } from "./transactions.ts";
import { transitions } from "./transitions.ts";

export type { StoreSubject, TestApi } from "./subject.ts";

const TOPICS: readonly Topic[] = [
  starts,
  transitions,
  fencing,
  leases,
  claims,
  messages,
  sending,
  children,
  continuation,
  answers,
  tags,
  listing,
  purging,
  pauses,
  tasks,
  transactions,
  definitions,
];

/**
 * Declares the tests of a store with the given test runner.
 *
 * @example
 * import { describe, it } from "vitest";
 * storeConformance("my store", { open: () => openMyStore() }, { describe, it });
 */
export function storeConformance(name: string, subject: StoreSubject, api: TestApi): void {
  const { reopen } = subject;
  api.describe(name, () => {
    for (const topic of TOPICS) topic(subject, api);
    if (reopen !== undefined) sharing({ ...subject, reopen }, api);
  });
}
