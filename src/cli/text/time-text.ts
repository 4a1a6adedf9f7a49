/** Times for people. */

const SECOND = 1000;
const MINUTE = 60 * SECOND;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

/** A span in its two largest units: `340ms`, `3.4s`, `2m05s`, `3h20m`, `4d02h`. */
export function spanText(ms: number): string {
  const span = Math.max(0, Math.round(ms));
  if (span < SECOND) return `${span}ms`;
  if (span < 10 * SECOND) return `${(Math.floor(span / 100) / 10).toFixed(1)}s`;
  if (span < MINUTE) return `${Math.floor(span / SECOND)}s`;
  if (span < HOUR) return two(span, MINUTE, "m", SECOND, "s");
  if (span < DAY) return two(span, HOUR, "h", MINUTE, "m");
  return two(span, DAY, "d", HOUR, "h");
}

function two(span: number, large: number, largeUnit: string, small: number, smallUnit: string): string {
  const rest = Math.floor((span % large) / small);
  const most = `${Math.floor(span / large)}${largeUnit}`;
  return rest === 0 ? most : `${most}${String(rest).padStart(2, "0")}${smallUnit}`;
}

/** ISO 8601, the form of times outside of this program. */
export function isoTime(at: number): string {
  return new Date(at).toISOString();
}

/** A point in time near `now` on the reader's clock: `14:02:11`, `tomorrow 09:00`, `Mon 23 Nov 09:00`, `2027-01-02 09:00`. */
export function clockText(at: number, now: number): string {
  const date = new Date(at);
  const today = new Date(now);
  const days = Math.round((midnight(date) - midnight(today)) / DAY);
  const pad = (n: number): string => String(n).padStart(2, "0");
  const time = `${pad(date.getHours())}:${pad(date.getMinutes())}`;
  if (days === 0) return Math.abs(at - now) < HOUR ? `${time}:${pad(date.getSeconds())}` : time;
  if (days === 1) return `tomorrow ${time}`;
  if (days === -1) return `yesterday ${time}`;
  if (date.getFullYear() !== today.getFullYear())
    return `${date.getFullYear()}-${pad(date.getMonth() + 1)}-${pad(date.getDate())} ${time}`;
  const [weekday, month, day] = date.toDateString().split(" ");
  return `${weekday} ${Number(day)} ${month} ${time}`;
}

function midnight(date: Date): number {
  return new Date(date.getFullYear(), date.getMonth(), date.getDate()).getTime();
}

/** How long ago: `12s ago`, `3h ago`. */
export function agoText(at: number, now: number): string {
  const span = Math.max(0, now - at);
  if (span < SECOND) return "just now";
  if (span < MINUTE) return `${Math.floor(span / SECOND)}s ago`;
  if (span < HOUR) return `${Math.floor(span / MINUTE)}m ago`;
  return span < DAY ? `${Math.floor(span / HOUR)}h ago` : `${Math.floor(span / DAY)}d ago`;
}
