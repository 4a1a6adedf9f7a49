/** Adds what reports group by: parts of the date, distance bands, delay classes, regions. */
import { greatCircleMiles, regionOf } from "./geography.ts";
import type { CleanFlight, EnrichedFlight } from "./records.ts";

/** Distance bands by their upper limit in miles. */
export const DISTANCE_BANDS: readonly { readonly name: string; readonly below: number }[] = [
  { name: "under 250 mi", below: 250 },
  { name: "250–499 mi", below: 500 },
  { name: "500–999 mi", below: 1000 },
  { name: "1,000–1,999 mi", below: 2000 },
  { name: "2,000 mi and up", below: Number.POSITIVE_INFINITY },
];

/** Delay classes by their upper limit in minutes. Less than 15 minutes is on time by the rule of the statistics. */
export const DELAY_CLASSES: readonly { readonly name: string; readonly below: number }[] = [
  { name: "early", below: 0 },
  { name: "on time", below: 15 },
  { name: "late", below: 60 },
  { name: "very late", below: Number.POSITIVE_INFINITY },
];

/** Adds the derived attributes to one flight. */
export function enrichFlight(flight: CleanFlight): EnrichedFlight {
  const [date = "", time = ""] = flight.departedAt.split("T");
  return {
    ...flight,
    dateKey: Number(date.replaceAll("-", "")),
    hour: Number(time.slice(0, 2)),
    weekday: weekdayOf(date),
    distanceBand: classOf(DISTANCE_BANDS, flight.miles),
    delayClass: classOf(DELAY_CLASSES, flight.arrivalDelay),
    greatCircleMiles: Math.round(greatCircleMiles(flight.origin, flight.destination)),
    originRegion: regionOf(flight.origin.state),
    destinationRegion: regionOf(flight.destination.state),
  };
}

/** From 1 (Monday) to 7 (Sunday). */
export function weekdayOf(date: string): number {
  return new Date(`${date}T00:00:00Z`).getUTCDay() || 7;
}

function classOf(classes: readonly { readonly name: string; readonly below: number }[], value: number): string {
  return classes.find(({ below }) => value < below)?.name ?? "unknown";
}
