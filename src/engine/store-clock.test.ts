import fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Clock } from "./clock.ts";
import { calibrate, clockFor, refreshed, StoreClock } from "./store-clock.ts";

/** A machine and a database, each with clocks of its own; asking takes a way there and one back. */
class World {
  /** True time since the beginning, and the machine's monotonic clock. */
  at = 5000;
  wallAhead = 420_000;
  storeAhead = 1_700_000_000_000;
  there = 1;
  back = 1;
  asked = 0;
  readonly machine: Clock = {
    now: () => this.storeAhead + this.at + this.wallAhead,
    monotonic: () => this.at,
    after: () => () => {},
  };
  readonly clock = new StoreClock(this.machine, async () => {
    this.asked++;
    this.at += this.there;
    const time = this.time;
    this.at += this.back;
    return time;
  });

  get time(): number {
    return this.storeAhead + this.at;
  }

  get error(): number {
    return this.clock.now() - this.time;
  }
}

describe("a clock that follows the store's", () => {
  it("is the machine's until the store was asked, and the store's from then on", async () => {
    const world = new World();
    expect(world.error).toBe(420_000);
    await world.clock.calibrate();
    expect(Math.abs(world.error)).toBeLessThanOrEqual(1);
    expect(world.clock.doubt).toBeCloseTo(1, 1);
  });

  it("does not care when the machine's clock is set", async () => {
    const world = new World();
    await world.clock.calibrate();
    for (const ahead of [-3_600_000, 0, 90_000_000]) {
      world.wallAhead = ahead;
      world.at += 100;
      expect(Math.abs(world.error)).toBeLessThanOrEqual(1);
    }
  });

  it("goes by the sample with the shortest way, until that is long ago", async () => {
    const world = new World();
    await world.clock.calibrate();
    const good = world.error;
    world.there = 400;
    world.back = 2;
    await world.clock.calibrate();
    expect(world.error).toBe(good);
    world.at += 900_000;
    await world.clock.calibrate();
    expect(world.error).toBe(199);
  });

  it("stands still when it was a little fast, and goes back when it was far off", async () => {
    const world = new World();
    await world.clock.calibrate();
    const before = world.clock.now();
    world.storeAhead -= 300;
    await world.clock.calibrate();
    expect(world.clock.now() - before).toBeLessThanOrEqual(2);
    expect(world.clock.now()).toBeGreaterThanOrEqual(before);
    world.at += 300;
    expect(Math.abs(world.error)).toBeLessThanOrEqual(2);
    world.storeAhead -= 60_000;
    await world.clock.calibrate();
    expect(Math.abs(world.error)).toBeLessThanOrEqual(1);
  });

  it("is asked again at once when the answer took so long that it says little", async () => {
    const world = new World();
    await world.clock.calibrate();
    world.storeAhead -= 3_600_000;
    const first = world.asked;
    Object.defineProperty(world, "there", { get: () => (world.asked === first + 1 ? 26_000 : 1) });
    await world.clock.calibrate();
    expect(world.asked).toBe(first + 2);
    expect(Math.abs(world.error)).toBeLessThanOrEqual(1);
  });

  it("catches up in one step when the machine was asleep and its monotonic clock with it", async () => {
    const world = new World();
    await world.clock.calibrate();
    world.storeAhead += 3_600_000;
    await world.clock.calibrate();
    expect(Math.abs(world.error)).toBeLessThanOrEqual(1);
  });

  it("is never wrong by more than it says, while nobody's clock is set", async () => {
    const step = fc.record({ pass: fc.integer({ min: 0, max: 60_000 }), there: fc.nat(800), back: fc.nat(800) });
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1 }), async (steps) => {
        const world = new World();
        let latest = Number.NEGATIVE_INFINITY;
        for (const { pass, there, back } of steps) {
          Object.assign(world, { there, back });
          await world.clock.calibrate();
          world.at += pass;
          expect(world.clock.now()).toBeGreaterThanOrEqual(latest);
          // Else it stands still, because it was found to be fast.
          if (world.clock.now() > latest) expect(Math.abs(world.error)).toBeLessThanOrEqual(world.clock.doubt + 1);
          latest = world.clock.now();
        }
      }),
    );
  });

  it("is asked again by itself when the time known is old, or the machine was asleep", async () => {
    const world = new World();
    await world.clock.calibrate();
    const first = world.asked;
    refreshed(world.clock);
    expect(world.asked).toBe(first);
    world.at += 31_000;
    refreshed(world.clock);
    await calibrate(world.clock);
    expect(world.asked).toBe(first + 1);
    world.storeAhead += 5000;
    refreshed(world.clock);
    await calibrate(world.clock);
    expect(world.asked).toBe(first + 2);
  });

  it("keeps the time it knows when the store cannot be asked", async () => {
    let away = false;
    const machine: Clock = { now: () => 0, monotonic: () => 50, after: () => () => {} };
    const time = async (): Promise<number> => {
      if (away) throw new Error("away");
      return 1050;
    };
    const clock = clockFor({ time }, machine);
    await calibrate(clock);
    away = true;
    await expect(calibrate(clock)).rejects.toThrow("away");
    expect(clock.now()).toBe(1050);
  });

  it("is the machine's own for a store without one", () => {
    const machine: Clock = { now: () => 7, monotonic: () => 0, after: () => () => {} };
    expect(clockFor({}, machine)).toBe(machine);
  });
});
