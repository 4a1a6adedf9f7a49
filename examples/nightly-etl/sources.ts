/**
 * The three source systems of the pipeline, filled with the real flights, airports and weather records of the npm package
 * `vega-datasets`: an operations database (SQLite), a flight feed (HTTP) and a folder of CSV files. As in life the first
 * two overlap: the database is closed on 15 March, the feed goes back to 1 March.
 */
import { readFile, rename, rm, stat } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import Database from "libsql";
import { FatalError } from "perdure";
import type { FeedRecord } from "./flight-feed.ts";

/** A flight of `flights-20k.json`: local time of departure, arrival delay in minutes, miles. */
interface PackageFlight {
  readonly date: string;
  readonly delay: number;
  readonly distance: number;
  readonly origin: string;
  readonly destination: string;
}

/** First day that the operations database no longer has. */
const DATABASE_ENDS = "2001/03/16";
/** First day of the feed. */
const FEED_STARTS = "2001/03/01";
/** One record in so many of the feed comes a second time, with an error in it. */
const DEFECT_EVERY = 120;
/** One record in so many of the feed has its airport codes in small letters. */
const SMALL_LETTERS_EVERY = 45;

/** Files the pipeline reads, and what their header or first record must name. */
const FILES: Readonly<Record<string, readonly string[]>> = {
  "airports.csv": ["iata", "name", "city", "state", "country", "latitude", "longitude"],
  "weather.csv": ["location", "date", "precipitation", "temp_max", "temp_min", "wind", "weather"],
  "flights-airport.csv": ["origin", "destination", "count"],
  "flights-20k.json": ["date", "delay", "distance", "origin", "destination"],
  "us-10m.json": ["objects", "arcs", "transform"],
};

/** Path of a data file of the package. */
export function dataFile(name: string): string {
  const entry = createRequire(import.meta.url).resolve("vega-datasets");
  return join(dirname(entry), "..", "data", name);
}

/** Checks that every source file exists and begins as expected; answers with their sizes. */
export async function checkFiles(): Promise<Record<string, number>> {
  const sizes: Record<string, number> = {};
  for (const [name, columns] of Object.entries(FILES)) {
    const file = dataFile(name);
    const size = await stat(file).then(
      (found) => found.size,
      () => undefined,
    );
    if (size === undefined) throw new FatalError(`${file} is missing; run npm ci to install vega-datasets`);
    const text = await readFile(file, "utf8");
    const head = name.endsWith(".csv") ? text.slice(0, text.indexOf("\n")) : text;
    const absent = columns.filter((column) => !head.includes(column));
    if (absent.length > 0) throw new FatalError(`${file} has no ${absent.join(", ")}`);
    sizes[name] = size;
  }
  return sizes;
}

/** Makes the operations database, if it is not there yet. */
export async function prepareDatabase(file: string): Promise<void> {
  if (await exists(file)) return;
  const draft = `${file}.${process.pid}.tmp`;
  await rm(draft, { force: true });
  const flights = (await packageFlights()).filter((flight) => flight.date < DATABASE_ENDS);
  const db = new Database(draft);
  try {
    db.exec(`CREATE TABLE flight_log (
      id INTEGER PRIMARY KEY, departed TEXT NOT NULL, origin TEXT NOT NULL, destination TEXT NOT NULL,
      miles INTEGER NOT NULL, arrival_delay INTEGER NOT NULL)`);
    const insert = db.prepare("INSERT INTO flight_log VALUES (?, ?, ?, ?, ?, ?)");
    db.exec("BEGIN");
    for (const [i, { date, origin, destination, distance, delay }] of flights.entries()) {
      insert.run(i + 1, date, origin, destination, distance, delay);
    }
    db.exec("COMMIT");
  } finally {
    db.close();
  }
  await rename(draft, file);
}

/** Everything the feed has to say, with its usual share of errors. */
export async function feedRecords(): Promise<FeedRecord[]> {
  const flights = (await packageFlights()).filter((flight) => flight.date >= FEED_STARTS);
  return flights.flatMap((flight, i) => {
    const record = feedRecord(flight, i % SMALL_LETTERS_EVERY === 7);
    return i % DEFECT_EVERY === 60 ? [record, spoil(record, Math.floor(i / DEFECT_EVERY))] : [record];
  });
}

function feedRecord({ date, origin, destination, distance, delay }: PackageFlight, small: boolean): FeedRecord {
  const code = (text: string): string => (small ? text.toLowerCase() : text);
  return {
    departed: date.replaceAll("/", "-").replace(" ", "T"),
    from: code(origin),
    to: code(destination),
    miles: String(distance),
    arrival_delay: String(delay),
  };
}

/** The errors are planted on purpose, one kind after the other, so that cleaning has something to find. */
function spoil(record: FeedRecord, kind: number): FeedRecord {
  const kinds: readonly Partial<FeedRecord>[] = [
    { departed: record.departed.replace(/-\d\dT/, "-32T") },
    { from: "XXX" },
    { to: record.from },
    { arrival_delay: "" },
    { miles: `${record.miles}0` },
  ];
  return { ...record, ...kinds[kind % kinds.length] };
}

async function packageFlights(): Promise<PackageFlight[]> {
  return JSON.parse(await readFile(dataFile("flights-20k.json"), "utf8")) as PackageFlight[];
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
