/** Random numbers that a seed repeats (mulberry32). */

/** Answers whole numbers from `from` up to and including `to`. */
export type Draw = (from: number, to: number) => number;

export function seededDraw(seed: number): Draw {
  let state = seed >>> 0;
  return (from, to) => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    const unit = ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
    return from + Math.floor(unit * (to - from + 1));
  };
}
