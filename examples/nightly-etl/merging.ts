/** Joins flights with what the other sources know: airports, climate at the origin, yearly volume of the route. */
import type { Airport, Climate, MergedFlight, Place, RawFlight, RouteVolume, WeatherDay } from "./records.ts";

/** Airports whose weather one of the stations of `weather.csv` tells. */
const STATION_OF: Readonly<Record<string, string>> = {
  SEA: "Seattle",
  JFK: "New York",
  LGA: "New York",
  EWR: "New York",
};

/** From this much rain or snow, in millimetres, a day counts as wet. */
const WET_FROM_MM = 1;

/** What flights are joined with. */
export interface ReferenceData {
  readonly airports: readonly Airport[];
  readonly weather: readonly WeatherDay[];
  readonly routes: readonly RouteVolume[];
}

/**
 * Every flight beside what is known about it, in the given order. A flight whose airports are unknown keeps `null` there:
 * what is wrong with a record is decided later, in one place.
 */
export function mergeFlights(flights: readonly RawFlight[], reference: ReferenceData): MergedFlight[] {
  const places = new Map(reference.airports.map((airport) => [airport.iata, place(airport)]));
  const volumes = new Map(reference.routes.map((route) => [`${route.origin}-${route.destination}`, route.flights]));
  const climates = new Map(monthlyClimate(reference.weather).map((one) => [`${one.station} ${one.month}`, one]));
  return flights.map((flight) => {
    const [from, to] = [airportCode(flight.origin), airportCode(flight.destination)];
    return {
      flight,
      origin: places.get(from) ?? null,
      destination: places.get(to) ?? null,
      climate: climates.get(`${STATION_OF[from]} ${monthOf(flight.departed)}`) ?? null,
      routeVolume: volumes.get(`${from}-${to}`) ?? null,
    };
  });
}

/** Codes are compared without surrounding space and in capitals. */
export function airportCode(text: string): string {
  return text.trim().toUpperCase();
}

/** What each calendar month is usually like, over all years of the records. */
export function monthlyClimate(days: readonly WeatherDay[]): Climate[] {
  const stations = [...new Set(days.map((day) => day.station))];
  const months = [...new Set(days.map((day) => monthOf(day.date)))];
  return stations.flatMap((station) =>
    months.map((month) => {
      const group = days.filter((day) => day.station === station && monthOf(day.date) === month);
      const share = (of: (day: WeatherDay) => boolean): number => group.filter(of).length / group.length;
      return {
        station,
        month,
        days: group.length,
        wetShare: share((day) => day.precipitation >= WET_FROM_MM),
        snowShare: share((day) => day.weather === "snow"),
      };
    }),
  );
}

/** Month from 1 of a date that starts `YYYY-MM` or `YYYY/MM`. */
function monthOf(date: string): number {
  return Number(date.slice(5, 7));
}

function place({ iata, city, state, latitude, longitude }: Airport): Place {
  return { iata, city, state, latitude, longitude };
}
