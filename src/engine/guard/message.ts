/** What authors are told when their workflow code uses something that does not replay. */
import type { CallSite } from "./call-site.ts";

/** What to write instead, by kind of thing. */
export const INSTEAD = {
  timer: 'Wait with await wf.sleep("5s"); work that takes time belongs into an activity or wf.step(…)',
  limit: "Limit the time of something with wf.scope(fn, { timeout }), or of a step with its timeout",
  network: "Talk to others in an activity, or in wf.step(name, fn), whose result is recorded",
  files: "Read and write files in an activity, or in wf.step(name, fn), whose result is recorded; to log, use wf.log",
  process: "Start processes and threads in an activity, or in wf.step(name, fn), whose result is recorded",
  environment: "Pass what depends on the environment as input, or read it in an activity or wf.step(name, fn)",
  clock: "Use wf.now(), or measure in an activity",
  randomness: "Use wf.random() or wf.uuid(); make keys, tokens and passwords in an activity or wf.step(name, fn)",
  cryptography: "Use a synchronous function of node:crypto such as createHash, or an activity or wf.step(name, fn)",
} as const;

export type Instead = (typeof INSTEAD)[keyof typeof INSTEAD];

/** The whole message about one use. */
export function useMessage(what: string, { place, through }: CallSite, instead: Instead): string {
  const where = place === undefined ? "" : ` at ${place}`;
  const by = through === undefined ? "" : ` (by way of ${through})`;
  return `${what} was used in workflow code${where}${by}: when the run is replayed it would not do the same again. ${instead}.`;
}
