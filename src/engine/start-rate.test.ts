import fc from "fast-check";
import { expect, test } from "vitest";
import { StartRate } from "./start-rate.ts";

test("no span of the given length sees more starts than the rate, and none waits longer than it has to", () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5 }), fc.array(fc.nat(400), { maxLength: 60 }), (rate, gaps) => {
      const per = 1000;
      const limit = new StartRate(rate, per);
      const starts: number[] = [];
      let now = 0;
      for (const gap of gaps) {
        now += gap;
        const wait = limit.wait(now);
        const recent = starts.filter((at) => at > now - per);
        expect(wait > 0).toBe(recent.length >= rate);
        if (wait > 0) now += wait;
        expect(limit.wait(now)).toBe(0);
        limit.started(now);
        starts.push(now);
      }
    }),
  );
});
