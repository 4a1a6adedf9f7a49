/** Which records are good: removes what cannot be right, brings the rest into one form, and counts both. */
import { greatCircleMiles, type Position } from "./geography.ts";
import { airportCode } from "./merging.ts";
import type { Airport, CleanFlight, MergedFlight, RawFlight } from "./records.ts";

/** Why a record was removed or how it was changed. */
export type Rule =
  | "unreadable time"
  | "unknown airport"
  | "origin is destination"
  | "no delay"
  | "impossible distance"
  | "duplicate"
  | "time rewritten"
  | "airport code rewritten"
  | "state filled in";

/** The order they are applied and shown in; a record is removed by the first that hits. */
export const RULES: readonly { readonly rule: Rule; readonly action: "removed" | "changed"; readonly about: string }[] =
  [
    { rule: "unreadable time", action: "removed", about: "The departure is not a time of the calendar." },
    { rule: "unknown airport", action: "removed", about: "airports.csv does not know the code." },
    { rule: "origin is destination", action: "removed", about: "Both airports are the same." },
    { rule: "no delay", action: "removed", about: "The arrival delay is missing or not a number." },
    { rule: "impossible distance", action: "removed", about: "More than 10 % from the way around the globe." },
    { rule: "duplicate", action: "removed", about: "The same flight, already delivered by another source." },
    { rule: "time rewritten", action: "changed", about: "Another notation than YYYY-MM-DDTHH:MM." },
    { rule: "airport code rewritten", action: "changed", about: "Small letters or spaces in the code." },
    {
      rule: "state filled in",
      action: "changed",
      about: "NA in airports.csv; taken from the nearest airport that has one.",
    },
  ];

/** What cleaning found. */
export interface Quality {
  readonly read: number;
  readonly kept: number;
  readonly removed: number;
  readonly counts: Readonly<Partial<Record<Rule, number>>>;
}

/** A record that was removed, and why. */
export interface Rejected {
  readonly rule: Rule;
  readonly record: RawFlight;
}

/** Cleans merged flights. Of duplicates the first one stays. */
export function cleanFlights(
  merged: readonly MergedFlight[],
  airports: readonly Airport[],
): { flights: CleanFlight[]; rejected: Rejected[]; quality: Quality } {
  const flights: CleanFlight[] = [];
  const rejected: Rejected[] = [];
  const counts: Partial<Record<Rule, number>> = {};
  const count = (rule: Rule): void => {
    counts[rule] = (counts[rule] ?? 0) + 1;
  };
  const seen = new Set<string>();
  const withState = stateFinder(airports);
  for (const record of merged) {
    const read = readFlight(record);
    const flight = typeof read === "object" && seen.has(read.key) ? "duplicate" : read;
    if (typeof flight === "string") {
      count(flight);
      rejected.push({ rule: flight, record: record.flight });
      continue;
    }
    seen.add(flight.key);
    const kept = { ...flight, origin: withState(flight.origin), destination: withState(flight.destination) };
    for (const rule of changes(record.flight, flight, kept)) count(rule);
    flights.push(kept);
  }
  const quality = { read: merged.length, kept: flights.length, removed: rejected.length, counts };
  return { flights, rejected, quality };
}

function changes(raw: RawFlight, read: CleanFlight, kept: CleanFlight): Rule[] {
  const rules: Rule[] = [];
  if (raw.departed !== kept.departedAt) rules.push("time rewritten");
  if (raw.origin !== kept.origin.iata || raw.destination !== kept.destination.iata)
    rules.push("airport code rewritten");
  if (read.origin !== kept.origin || read.destination !== kept.destination) rules.push("state filled in");
  return rules;
}

/** The flight in its final form, or the rule that removes it. */
function readFlight({ flight, origin, destination, climate, routeVolume }: MergedFlight): CleanFlight | Rule {
  const departedAt = readTime(flight.departed);
  if (departedAt === undefined) return "unreadable time";
  if (origin === null || destination === null) return "unknown airport";
  if (airportCode(flight.origin) === airportCode(flight.destination)) return "origin is destination";
  const arrivalDelay = readInteger(flight.delay);
  if (arrivalDelay === undefined) return "no delay";
  const miles = readInteger(flight.miles);
  if (miles === undefined || !plausible(miles, greatCircleMiles(origin, destination))) return "impossible distance";
  const key = `${departedAt} ${origin.iata}-${destination.iata} ${arrivalDelay}`;
  return { key, source: flight.source, departedAt, origin, destination, miles, arrivalDelay, climate, routeVolume };
}

/** `2001/03/01 06:55` and `2001-03-01T06:55` as the latter; `undefined` for anything the calendar does not have. */
export function readTime(text: string): string | undefined {
  const match = /^(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d)$/.exec(text.trim());
  if (match === null) return undefined;
  const [, year, month, day, hour, minute] = match;
  const iso = `${year}-${month}-${day}T${hour}:${minute}`;
  const date = new Date(`${iso}:00Z`);
  return !Number.isNaN(date.getTime()) && date.toISOString().startsWith(iso) ? iso : undefined;
}

function readInteger(text: string): number | undefined {
  return /^\s*[-+]?\d+\s*$/.test(text) ? Number(text) : undefined;
}

function plausible(miles: number, expected: number): boolean {
  return Math.abs(miles - expected) <= Math.max(15, expected * 0.1);
}

/** Gives a place without a state that of the nearest airport which has one; other places stay the same object. */
function stateFinder(airports: readonly Airport[]): <P extends Position & { state: string | null }>(place: P) => P {
  const known = airports.filter((airport) => airport.state !== null);
  const found = new Map<string, string | null>();
  return (place) => {
    if (place.state !== null) return place;
    const at = `${place.latitude},${place.longitude}`;
    if (!found.has(at)) found.set(at, nearest(place, known)?.state ?? null);
    return { ...place, state: found.get(at) ?? null };
  };
}

function nearest(to: Position, airports: readonly Airport[]): Airport | undefined {
  let best: { airport: Airport; miles: number } | undefined;
  for (const airport of airports) {
    const miles = greatCircleMiles(to, airport);
    if (best === undefined || miles < best.miles) best = { airport, miles };
  }
  return best?.airport;
}
