/**
 * The warehouse: a star schema in SQLite. Loading is idempotent in two ways: a load that was already committed under its key is
 * answered from the books, and a flight that another load brought is brought up to date.
 */
import Database from "libsql";
import { weekdayOf } from "./enrichment.ts";
import { regionOf } from "./geography.ts";
import type { Airport, EnrichedFlight, RouteVolume, WeatherDay } from "./records.ts";

const SCHEMA = `
CREATE TABLE IF NOT EXISTS load_batch (
  batch_key TEXT PRIMARY KEY, run TEXT NOT NULL, loaded_at TEXT NOT NULL, result TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS dim_airport (
  airport_key INTEGER PRIMARY KEY, iata TEXT NOT NULL UNIQUE, name TEXT NOT NULL, city TEXT, state TEXT,
  region TEXT NOT NULL, latitude REAL NOT NULL, longitude REAL NOT NULL);
CREATE TABLE IF NOT EXISTS dim_date (
  date_key INTEGER PRIMARY KEY, date TEXT NOT NULL UNIQUE, year INTEGER NOT NULL, month INTEGER NOT NULL,
  day INTEGER NOT NULL, weekday INTEGER NOT NULL, is_weekend INTEGER NOT NULL);
CREATE TABLE IF NOT EXISTS fact_flight (
  flight_key TEXT PRIMARY KEY,
  date_key INTEGER NOT NULL REFERENCES dim_date, origin_key INTEGER NOT NULL REFERENCES dim_airport,
  destination_key INTEGER NOT NULL REFERENCES dim_airport,
  departed_at TEXT NOT NULL, hour INTEGER NOT NULL, arrival_delay INTEGER NOT NULL, delay_class TEXT NOT NULL,
  miles INTEGER NOT NULL, great_circle_miles INTEGER NOT NULL, distance_band TEXT NOT NULL,
  weather_station TEXT, source TEXT NOT NULL, batch_key TEXT NOT NULL REFERENCES load_batch);
CREATE INDEX IF NOT EXISTS fact_flight_date ON fact_flight (date_key);
CREATE TABLE IF NOT EXISTS fact_weather (
  station TEXT NOT NULL, date_key INTEGER NOT NULL REFERENCES dim_date, precipitation REAL NOT NULL,
  temp_max REAL NOT NULL, temp_min REAL NOT NULL, wind REAL NOT NULL, weather TEXT NOT NULL,
  PRIMARY KEY (station, date_key));
CREATE TABLE IF NOT EXISTS fact_route_volume (
  year INTEGER NOT NULL, origin_key INTEGER NOT NULL REFERENCES dim_airport,
  destination_key INTEGER NOT NULL REFERENCES dim_airport, flights INTEGER NOT NULL,
  PRIMARY KEY (year, origin_key, destination_key));
`;

/** What is loaded together. */
export interface Batch {
  /** Loads with the same key are the same load. */
  readonly key: string;
  readonly run: string;
  readonly loadedAt: string;
  readonly flights: readonly EnrichedFlight[];
  readonly airports: readonly Airport[];
  readonly weather: readonly WeatherDay[];
  readonly routes: readonly RouteVolume[];
}

/** What a load did. */
export interface LoadResult {
  /** Flights the warehouse did not have before. */
  readonly inserted: number;
  /** Flights it already had. */
  readonly known: number;
  /** Flights it has now. */
  readonly total: number;
}

/** Opens a warehouse and makes its tables if they are not there yet. */
export function openWarehouse(file: string): Database.Database {
  const db = new Database(file);
  db.exec("PRAGMA busy_timeout = 10000");
  db.exec("PRAGMA foreign_keys = ON");
  db.exec(SCHEMA);
  return db;
}

/** Loads a batch in one transaction. */
export function loadBatch(db: Database.Database, batch: Batch): LoadResult {
  db.exec("BEGIN IMMEDIATE");
  try {
    const result = earlierResult(db, batch.key) ?? insertBatch(db, batch);
    db.exec("COMMIT");
    return result;
  } catch (error) {
    db.exec("ROLLBACK");
    throw error;
  }
}

function earlierResult(db: Database.Database, key: string): LoadResult | undefined {
  const row = db.prepare("SELECT result FROM load_batch WHERE batch_key = ?").get(key) as
    | { result: string }
    | undefined;
  return row === undefined ? undefined : (JSON.parse(row.result) as LoadResult);
}

function insertBatch(db: Database.Database, batch: Batch): LoadResult {
  const register = db.prepare("INSERT INTO load_batch VALUES (?, ?, ?, ?)");
  register.run(batch.key, batch.run, batch.loadedAt, "{}");
  const days = batch.weather.map((day) => day.date);
  insertDates(db, new Set([...batch.flights.map((flight) => flight.departedAt.slice(0, 10)), ...days]));
  const airportKeys = insertAirports(db, batch);
  const before = countFlights(db);
  insertFlights(db, batch, airportKeys);
  insertWeather(db, batch.weather);
  insertRoutes(db, batch.routes, airportKeys);
  const total = countFlights(db);
  const result = { inserted: total - before, known: batch.flights.length - (total - before), total };
  db.prepare("UPDATE load_batch SET result = ? WHERE batch_key = ?").run(JSON.stringify(result), batch.key);
  return result;
}

function insertDates(db: Database.Database, dates: ReadonlySet<string>): void {
  const insert = db.prepare("INSERT INTO dim_date VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING");
  for (const date of dates) {
    const [year, month, day] = date.split("-").map(Number);
    const weekday = weekdayOf(date);
    insert.run(dateKey(date), date, year, month, day, weekday, weekday >= 6 ? 1 : 0);
  }
}

/** Only airports that something refers to. Answers with the key of each. */
function insertAirports(db: Database.Database, batch: Batch): Map<string, number> {
  const places = new Map(
    batch.flights.flatMap(({ origin, destination }) => [origin, destination].map((p) => [p.iata, p])),
  );
  const used = new Set([...places.keys(), ...batch.routes.flatMap((route) => [route.origin, route.destination])]);
  const insert = db.prepare(
    `INSERT INTO dim_airport (iata, name, city, state, region, latitude, longitude) VALUES (?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (iata) DO UPDATE SET name = excluded.name, city = excluded.city, state = excluded.state,
       region = excluded.region, latitude = excluded.latitude, longitude = excluded.longitude`,
  );
  for (const airport of batch.airports) {
    if (!used.has(airport.iata)) continue;
    const { city, state } = places.get(airport.iata) ?? airport;
    insert.run(airport.iata, airport.name, city, state, regionOf(state), airport.latitude, airport.longitude);
  }
  const rows = db.prepare("SELECT iata, airport_key AS key FROM dim_airport").all() as { iata: string; key: number }[];
  return new Map(rows.map((row) => [row.iata, row.key]));
}

function insertFlights(db: Database.Database, batch: Batch, airportKeys: ReadonlyMap<string, number>): void {
  const insert = db.prepare(
    `INSERT INTO fact_flight VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
     ON CONFLICT (flight_key) DO UPDATE SET delay_class = excluded.delay_class, miles = excluded.miles,
       great_circle_miles = excluded.great_circle_miles, distance_band = excluded.distance_band,
       weather_station = excluded.weather_station`,
  );
  for (const flight of batch.flights) {
    insert.run(
      flight.key,
      flight.dateKey,
      airportKeys.get(flight.origin.iata),
      airportKeys.get(flight.destination.iata),
      flight.departedAt,
      flight.hour,
      flight.arrivalDelay,
      flight.delayClass,
      flight.miles,
      flight.greatCircleMiles,
      flight.distanceBand,
      flight.climate?.station ?? null,
      flight.source,
      batch.key,
    );
  }
}

function countFlights(db: Database.Database): number {
  return (db.prepare("SELECT count(*) AS flights FROM fact_flight").get() as { flights: number }).flights;
}

function insertWeather(db: Database.Database, days: readonly WeatherDay[]): void {
  const insert = db.prepare("INSERT INTO fact_weather VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING");
  for (const { station, date, precipitation, tempMax, tempMin, wind, weather } of days) {
    insert.run(station, dateKey(date), precipitation, tempMax, tempMin, wind, weather);
  }
}

function insertRoutes(
  db: Database.Database,
  routes: readonly RouteVolume[],
  airportKeys: ReadonlyMap<string, number>,
): void {
  const insert = db.prepare("INSERT INTO fact_route_volume VALUES (2008, ?, ?, ?) ON CONFLICT DO NOTHING");
  for (const { origin, destination, flights } of routes) {
    const [from, to] = [airportKeys.get(origin), airportKeys.get(destination)];
    if (from !== undefined && to !== undefined) insert.run(from, to, flights);
  }
}

function dateKey(date: string): number {
  return Number(date.replaceAll("-", ""));
}
