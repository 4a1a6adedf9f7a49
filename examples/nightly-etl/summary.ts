/** The figures of the report, asked of the warehouse in SQL. A flight is late when it arrived 15 minutes late or later. */
import type Database from "libsql";
import { DELAY_CLASSES, DISTANCE_BANDS } from "./enrichment.ts";

/** Flights and how many of them were late. */
export interface Lateness {
  readonly flights: number;
  /** From 0 to 1. */
  readonly lateShare: number;
  /** Minutes. */
  readonly meanDelay: number;
}

export interface Totals extends Lateness {
  readonly medianDelay: number;
  readonly miles: number;
  readonly airports: number;
  readonly routes: number;
  readonly firstDay: string;
  readonly lastDay: string;
}

export interface AirportFigures extends Lateness {
  readonly iata: string;
  readonly city: string | null;
  readonly state: string | null;
  readonly latitude: number;
  readonly longitude: number;
}

/** A pair of airports; flights of both directions. */
export interface RouteFigures extends Lateness {
  readonly from: string;
  readonly to: string;
  /** Flights of the year 2008, both directions; 0 when unknown. */
  readonly flights2008: number;
}

export interface ClimateFigures extends Lateness {
  readonly station: string;
  readonly month: number;
  readonly snowShare: number;
  readonly wetShare: number;
}

/** Everything the report shows about flights. */
export interface Summary {
  readonly totals: Totals;
  readonly byHour: readonly (Lateness & { readonly hour: number })[];
  readonly byWeekdayHour: readonly (Lateness & { readonly weekday: number; readonly hour: number })[];
  readonly byDay: readonly (Lateness & { readonly date: string })[];
  /** Flights by arrival delay, in steps of {@link DELAY_STEP} minutes; both ends hold what lies beyond them. */
  readonly byDelay: readonly { readonly from: number; readonly flights: number }[];
  /** Flights of each distance band by delay class, both in their order. */
  readonly byBand: readonly { readonly band: string; readonly flights: readonly number[] }[];
  /** By departures, most first. */
  readonly airports: readonly AirportFigures[];
  /** By flights, most first. */
  readonly routes: readonly RouteFigures[];
  readonly climate: readonly ClimateFigures[];
}

export const DELAY_STEP = 5;
export const LEAST_DELAY = -45;
export const MOST_DELAY = 120;

const LATENESS = `count(*) AS flights, avg(arrival_delay >= 15) AS lateShare, avg(arrival_delay) AS meanDelay`;

/** Asks the warehouse for all figures. */
export function summarize(db: Database.Database): Summary {
  const all = <Row>(sql: string): Row[] => db.prepare(sql).all() as Row[];
  return {
    totals: all<Totals>(TOTALS)[0]!,
    byHour: all(`SELECT hour, ${LATENESS} FROM fact_flight GROUP BY hour ORDER BY hour`),
    byWeekdayHour: all(
      `SELECT weekday, hour, ${LATENESS} FROM fact_flight JOIN dim_date USING (date_key) GROUP BY weekday, hour ORDER BY 1, 2`,
    ),
    byDay: all(`SELECT date, ${LATENESS} FROM fact_flight JOIN dim_date USING (date_key) GROUP BY date ORDER BY date`),
    byDelay: byDelay(all),
    byBand: byBand(all),
    airports: all(
      `SELECT iata, city, state, latitude, longitude, ${LATENESS} FROM fact_flight
       JOIN dim_airport ON airport_key = origin_key GROUP BY airport_key ORDER BY flights DESC, iata`,
    ),
    routes: all(ROUTES),
    climate: all(CLIMATE),
  };
}

const ROUTES = `
WITH pair AS (
  SELECT min(o.iata, d.iata) AS "from", max(o.iata, d.iata) AS "to", arrival_delay
  FROM fact_flight JOIN dim_airport o ON o.airport_key = origin_key JOIN dim_airport d ON d.airport_key = destination_key),
volume AS (
  SELECT min(o.iata, d.iata) AS "from", max(o.iata, d.iata) AS "to", sum(flights) AS flights
  FROM fact_route_volume JOIN dim_airport o ON o.airport_key = origin_key JOIN dim_airport d ON d.airport_key = destination_key
  GROUP BY 1, 2)
SELECT pair."from", pair."to", ${LATENESS}, coalesce(volume.flights, 0) AS flights2008
FROM pair LEFT JOIN volume ON volume."from" = pair."from" AND volume."to" = pair."to"
GROUP BY pair."from", pair."to" ORDER BY count(*) DESC, pair."from", pair."to"`;

const CLIMATE = `
WITH month AS (
  SELECT station, month, avg(weather = 'snow') AS snowShare, avg(precipitation >= 1) AS wetShare
  FROM fact_weather JOIN dim_date USING (date_key) GROUP BY station, month)
SELECT station, dim_date.month, ${LATENESS}, snowShare, wetShare
FROM fact_flight JOIN dim_date USING (date_key)
JOIN month ON month.station = weather_station AND month.month = dim_date.month
GROUP BY station, dim_date.month ORDER BY station, dim_date.month`;

const TOTALS = `
SELECT ${LATENESS}, sum(miles) AS miles, min(date) AS firstDay, max(date) AS lastDay,
  (SELECT count(*) FROM (SELECT origin_key FROM fact_flight UNION SELECT destination_key FROM fact_flight)) AS airports,
  count(DISTINCT min(origin_key, destination_key) || '-' || max(origin_key, destination_key)) AS routes,
  (SELECT arrival_delay FROM fact_flight ORDER BY arrival_delay
    LIMIT 1 OFFSET (SELECT count(*) / 2 FROM fact_flight)) AS medianDelay
FROM fact_flight JOIN dim_date USING (date_key)`;

function byDelay(all: <Row>(sql: string) => Row[]): Summary["byDelay"] {
  const rows = all<{ delay: number; flights: number }>(
    "SELECT arrival_delay AS delay, count(*) AS flights FROM fact_flight GROUP BY 1",
  );
  const bins = (MOST_DELAY - LEAST_DELAY) / DELAY_STEP + 1;
  return Array.from({ length: bins }, (_, i) => {
    const from = LEAST_DELAY + i * DELAY_STEP;
    const inside = rows.filter(({ delay }) => binOf(delay) === from);
    return { from, flights: inside.reduce((sum, row) => sum + row.flights, 0) };
  });
}

function binOf(delay: number): number {
  const bin = Math.floor(delay / DELAY_STEP) * DELAY_STEP;
  return Math.min(MOST_DELAY, Math.max(LEAST_DELAY, bin));
}

function byBand(all: <Row>(sql: string) => Row[]): Summary["byBand"] {
  const rows = all<{ band: string; class: string; flights: number }>(
    "SELECT distance_band AS band, delay_class AS class, count(*) AS flights FROM fact_flight GROUP BY 1, 2",
  );
  return DISTANCE_BANDS.map(({ name: band }) => ({
    band,
    flights: DELAY_CLASSES.map(({ name }) => rows.find((row) => row.band === band && row.class === name)?.flights ?? 0),
  }));
}
