/** Reads the three sources and writes what they hold as datasets, under common names. */
import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import Database from "libsql";
import { parseCsv } from "./csv.ts";
import { type Dataset, writeDataset, writeWhole } from "./dataset.ts";
import type { FeedRecord } from "./flight-feed.ts";
import type { Airport, RawFlight, RouteVolume, WeatherDay } from "./records.ts";
import { dataFile } from "./sources.ts";
import { stateOutlines, type Topology } from "./topology.ts";

/** All flights of the operations database. */
export function readDatabase(file: string): RawFlight[] {
  const db = new Database(file, { readonly: true });
  try {
    const rows = db
      .prepare("SELECT departed, origin, destination, miles, arrival_delay AS delay FROM flight_log ORDER BY id")
      .all() as { departed: string; origin: string; destination: string; miles: number; delay: number }[];
    return rows.map((row) => ({
      source: "operations",
      ...row,
      miles: String(row.miles),
      delay: String(row.delay),
    }));
  } finally {
    db.close();
  }
}

/** A record of the feed under the common names. */
export function fromFeed(record: FeedRecord): RawFlight {
  const { departed, from, to, miles, arrival_delay } = record;
  return { source: "feed", departed, origin: from, destination: to, miles, delay: arrival_delay };
}

/** Keeps a page of the feed, so that a later attempt can go on behind it. */
export async function keepPage(folder: string, page: number, records: readonly FeedRecord[]): Promise<void> {
  await writeWhole(join(folder, `page-${String(page).padStart(3, "0")}.json`), JSON.stringify(records));
}

/** The records of all kept pages, in order. */
export async function keptPages(folder: string): Promise<FeedRecord[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(".json")).sort();
  const pages = await Promise.all(names.map((name) => readFile(join(folder, name), "utf8")));
  return pages.flatMap((text) => JSON.parse(text) as FeedRecord[]);
}

/** What the files hold. */
export interface FileDatasets {
  readonly airports: Dataset;
  readonly weather: Dataset;
  readonly routes: Dataset;
  readonly outlines: Dataset;
}

/** Reads all files. */
export async function extractFiles(folder: string): Promise<FileDatasets> {
  const csv = async (name: string): Promise<Record<string, string>[]> =>
    parseCsv(await readFile(dataFile(name), "utf8"));
  const write = (name: string, rows: readonly unknown[]): Promise<Dataset> =>
    writeDataset(join(folder, "extracted", `${name}.jsonl`), rows);
  const topology = JSON.parse(await readFile(dataFile("us-10m.json"), "utf8")) as Topology;
  return {
    airports: await write("airports", (await csv("airports.csv")).map(readAirport)),
    weather: await write("weather", (await csv("weather.csv")).map(readWeatherDay)),
    routes: await write("routes", (await csv("flights-airport.csv")).map(readRoute)),
    outlines: await write("outlines", stateOutlines(topology)),
  };
}

function readAirport(row: Record<string, string>): Airport {
  const { iata = "", name = "", city, state, country = "", latitude, longitude } = row;
  return {
    iata,
    name,
    city: known(city),
    state: known(state),
    country,
    latitude: Number(latitude),
    longitude: Number(longitude),
  };
}

function known(text: string | undefined): string | null {
  return text === undefined || text === "" || text === "NA" ? null : text;
}

function readWeatherDay(row: Record<string, string>): WeatherDay {
  return {
    station: row.location ?? "",
    date: row.date ?? "",
    precipitation: Number(row.precipitation),
    tempMax: Number(row.temp_max),
    tempMin: Number(row.temp_min),
    wind: Number(row.wind),
    weather: row.weather ?? "",
  };
}

function readRoute({ origin = "", destination = "", count }: Record<string, string>): RouteVolume {
  return { origin, destination, flights: Number(count) };
}
