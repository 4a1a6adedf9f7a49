/** How numbers and dates are written in the report. */

const COUNT = new Intl.NumberFormat("en-US");
const DAY = new Intl.DateTimeFormat("en-US", { day: "numeric", month: "short", timeZone: "UTC" });
const LONG_DAY = new Intl.DateTimeFormat("en-US", { dateStyle: "long", timeZone: "UTC" });

export const WEEKDAYS: readonly string[] = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
export const MONTHS: readonly string[] =
  "January February March April May June July August September October November December".split(" ");

/** `12,345` */
export function count(value: number): string {
  return COUNT.format(value);
}

/** A share from 0 to 1 as `23%`. */
export function percent(share: number, digits = 0): string {
  return `${(share * 100).toFixed(digits)}%`;
}

/** `+12 min`, `−3 min` */
export function minutes(value: number, digits = 0): string {
  const text = Math.abs(value).toFixed(digits);
  const zero = Number(text) === 0;
  return `${zero ? "" : value < 0 ? "−" : "+"}${text} min`;
}

/** `08:00` */
export function clock(hour: number): string {
  return `${String(hour).padStart(2, "0")}:00`;
}

/** `Feb 25` of `2001-02-25`. */
export function day(date: string): string {
  return DAY.format(new Date(`${date}T00:00:00Z`));
}

/** `February 25, 2001` of `2001-02-25`. */
export function longDay(date: string): string {
  return LONG_DAY.format(new Date(`${date}T00:00:00Z`));
}
