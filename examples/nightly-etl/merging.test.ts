import { describe, expect, it } from "vitest";
import { mergeFlights, monthlyClimate } from "./merging.ts";
import type { Airport, RawFlight, WeatherDay } from "./records.ts";

const airport = (iata: string, state: string | null = "WA"): Airport => ({
  iata,
  name: iata,
  city: iata,
  state,
  country: "USA",
  latitude: 47,
  longitude: -122,
});
const weather = (date: string, precipitation: number, kind: string): WeatherDay => ({
  station: "Seattle",
  date,
  precipitation,
  tempMax: 8,
  tempMin: 2,
  wind: 3,
  weather: kind,
});
const flight: RawFlight = {
  source: "feed",
  departed: "2001-01-15T08:00",
  origin: " sea",
  destination: "LAX",
  miles: "954",
  delay: "3",
};
const reference = {
  airports: [airport("SEA"), airport("LAX", "CA")],
  weather: [weather("2012-01-01", 4, "rain"), weather("2013-01-01", 0, "snow"), weather("2013-02-01", 0, "sun")],
  routes: [{ origin: "SEA", destination: "LAX", flights: 9000 }],
};

describe("mergeFlights", () => {
  it("puts airports, climate and volume of the route beside each flight", () => {
    expect(mergeFlights([flight], reference)).toEqual([
      {
        flight,
        origin: { iata: "SEA", city: "SEA", state: "WA", latitude: 47, longitude: -122 },
        destination: { iata: "LAX", city: "LAX", state: "CA", latitude: 47, longitude: -122 },
        climate: { station: "Seattle", month: 1, days: 2, wetShare: 0.5, snowShare: 0.5 },
        routeVolume: 9000,
      },
    ]);
  });

  it("keeps a flight of which nothing else is known", () => {
    const stranger = { ...flight, origin: "XXX", destination: "YYY" };
    expect(mergeFlights([stranger], reference)).toEqual([
      { flight: stranger, origin: null, destination: null, climate: null, routeVolume: null },
    ]);
  });
});

describe("monthlyClimate", () => {
  it("gives one row for each station and month, over all years", () => {
    expect(monthlyClimate(reference.weather).map(({ month, days }) => [month, days])).toEqual([
      [1, 2],
      [2, 1],
    ]);
  });
});
