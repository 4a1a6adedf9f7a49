/**
 * Loaded before anything else (`--import`), makes the wall clock of a process wrong: by `ms`, and from `after` milliseconds of its life on by
 * `jump` more. Only what asks for the present is wrong; the monotonic clock is not.
 */
const given = new URL(import.meta.url).searchParams;
const [ms, jump, after] = ["ms", "jump", "after"].map((name) => Number(given.get(name) ?? 0));
const Real = Date;

class WrongDate extends Real {
  constructor(...args) {
    if (args.length === 0) super(WrongDate.now());
    else super(...args);
  }

  static now() {
    return Real.now() + ms + (performance.now() >= after ? jump : 0);
  }
}

Object.defineProperty(WrongDate, "name", { value: "Date" });
globalThis.Date = WrongDate;
