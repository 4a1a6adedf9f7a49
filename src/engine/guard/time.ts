/**
 * Time in workflow code is the run's: `Date`, `performance.now()` and `performance.timeOrigin` answer with the time of the last
 * thing that happened to the run. The clock of nanoseconds is refused.
 */
import { functionPatch, refusing } from "./guarded-function.ts";
import { INSTEAD } from "./message.ts";
import { holderOf, type Patch } from "./patch.ts";
import { twoFacedProperty } from "./two-faced-property.ts";
import { guardedCode } from "./workflow-code.ts";

const PlainDate = Date;

/** The `Date` workflow code sees. It makes ordinary dates; only "now" is the run's. Kept and used elsewhere it is everybody's. */
function RunDate(...given: unknown[]): unknown {
  const code = guardedCode();
  const base = code === undefined ? Date : PlainDate;
  if (new.target === undefined) return code === undefined ? base() : new base(code.machine.now).toString();
  const args = given.length === 0 && code !== undefined ? [code.machine.now] : given;
  return Reflect.construct(base, args, new.target === RunDate ? base : new.target);
}

Object.defineProperties(RunDate, {
  ...Object.getOwnPropertyDescriptors(PlainDate),
  now: {
    value: function now(): number {
      return guardedCode()?.machine.now ?? Date.now();
    },
    writable: true,
    enumerable: false,
    configurable: true,
  },
});

export function timePatches(): Patch[] {
  const patches = [
    twoFacedProperty(globalThis, "Date", () => RunDate),
    functionPatch(process, "hrtime", () => refusing("process.hrtime", INSTEAD.clock)),
  ];
  const now = holderOf(performance, "now");
  const origin = holderOf(performance, "timeOrigin");
  if (now !== undefined) patches.push(functionPatch(now, "now", () => (code) => code.machine.now));
  // The two are added to get the time of day.
  if (origin !== undefined) patches.push(twoFacedProperty(origin, "timeOrigin", () => 0));
  return patches;
}
