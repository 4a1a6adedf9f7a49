/**
 * Durations as people write them: `"30s"`, `"1h30m"`, `"2d"`, ISO 8601 (`"PT10S"`, `"P1DT2H"`), or a number.
 * Inside the engine a duration is an integer of milliseconds.
 */
import { PerdureError } from "./errors.ts";
import { described } from "./foreign.ts";

type Unit = "ms" | "s" | "m" | "h" | "d" | "w";

/**
 * A span of time. A bare number is **milliseconds** in TypeScript (and seconds in flow files, where people write
 * `timeout: 3600`).
 *
 * @example "500ms", "30s", "1h30m", "2d", "PT10S", 1500
 */
export type Duration = number | `${number}${Unit}` | `${number}${Unit}${number}${Unit}` | `P${string}`;

const UNIT_MS: Record<Unit, number> = { ms: 1, s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 };
const PART = /(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)/gy;
const ISO =
  /^P(?:(\d+(?:\.\d+)?)W)?(?:(\d+(?:\.\d+)?)D)?(?:T(?:(\d+(?:\.\d+)?)H)?(?:(\d+(?:\.\d+)?)M)?(?:(\d+(?:\.\d+)?)S)?)?$/;

/** Longest span accepted, 100 years: guards against units mistaken for one another and integer overflow. */
export const MAX_DURATION_MS: number = 100 * 365 * UNIT_MS.d;

/** Milliseconds of a duration text, or `undefined` when it is none or too long. Bare digits are counted in `bareUnitMs`. */
export function parseDuration(text: string, bareUnitMs = 1): number | undefined {
  const ms = spanOf(text, bareUnitMs);
  return ms === undefined || ms > MAX_DURATION_MS ? undefined : Math.round(ms);
}

/** The same, however long it is. */
function spanOf(text: string, bareUnitMs: number): number | undefined {
  const trimmed = text.trim();
  if (/^\d+(\.\d+)?$/.test(trimmed)) return Number(trimmed) * bareUnitMs;
  const iso = ISO.exec(trimmed);
  if (iso !== null) return parseIso(iso);
  PART.lastIndex = 0;
  let total = 0;
  let end = 0;
  for (let part = PART.exec(trimmed); part !== null; part = PART.exec(trimmed)) {
    total += Number(part[1]) * UNIT_MS[part[2] as Unit];
    end = PART.lastIndex;
    while (trimmed[end] === " ") end++;
    PART.lastIndex = end;
  }
  return end === trimmed.length && end > 0 ? total : undefined;
}

function parseIso(match: RegExpExecArray): number | undefined {
  const factors = [UNIT_MS.w, UNIT_MS.d, UNIT_MS.h, UNIT_MS.m, UNIT_MS.s];
  let total = 0;
  let parts = 0;
  for (let i = 0; i < factors.length; i++) {
    const digits = match[i + 1];
    if (digits === undefined) continue;
    parts++;
    total += Number(digits) * factors[i]!;
  }
  return parts === 0 ? undefined : total;
}

/**
 * Milliseconds of a {@link Duration}.
 *
 * @param what names the value in the error, e.g. `"timeout of activity fetch-name"`.
 * @throws PerdureError `INVALID_ARGUMENT` for negative, endless or unreadable values.
 */
export function durationMs(duration: Duration, what = "duration"): number {
  const ms = typeof duration === "string" ? spanOf(duration, 1) : duration;
  if (typeof ms === "number" && ms >= 0 && ms <= MAX_DURATION_MS) return Math.round(ms);
  const given = typeof duration === "number" ? String(duration) : shown(duration);
  const wrong =
    typeof ms === "number" && ms > MAX_DURATION_MS
      ? `is longer than ${MAX_DURATION_MS / UNIT_MS.d} days, the longest there is`
      : "is no duration; write 500ms, 30s, 1h30m, 2d, PT10S or milliseconds";
  throw new PerdureError("INVALID_ARGUMENT", `${what}: ${given} ${wrong}`);
}

function shown(value: unknown): string {
  return typeof value === "string" ? JSON.stringify(value) : described(value);
}

/** The shortest exact text of a span: `90_000` is `"1m30s"`, `0` is `"0s"`. */
export function formatDuration(ms: number): string {
  if (ms < 1000) return ms === 0 ? "0s" : `${Math.round(ms)}ms`;
  let rest = Math.round(ms);
  let text = "";
  for (const unit of ["d", "h", "m", "s"] as const) {
    const count = Math.floor(rest / UNIT_MS[unit]);
    if (count > 0) text += `${count}${unit}`;
    rest -= count * UNIT_MS[unit];
  }
  return rest > 0 ? `${text}${rest}ms` : text;
}
