/** The activities behind nightly-etl.yaml. Each is small: the work stands in the files it imports. */
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import { activity } from "perdure";
import { cleanFlights, type Quality } from "./cleaning.ts";
import { type Dataset, readDataset, sha256, writeDataset, writeWhole } from "./dataset.ts";
import { enrichFlight } from "./enrichment.ts";
import { extractFiles, type FileDatasets, fromFeed, keepPage, keptPages, readDatabase } from "./extraction.ts";
import { fetchPage, serveFeed } from "./flight-feed.ts";
import { mergeFlights } from "./merging.ts";
import type {
  Airport,
  CleanFlight,
  EnrichedFlight,
  MergedFlight,
  RawFlight,
  RouteVolume,
  WeatherDay,
} from "./records.ts";
import { renderReport } from "./report/page.ts";
import { checkFiles, feedRecords, prepareDatabase } from "./sources.ts";
import { summarize } from "./summary.ts";
import type { Outline } from "./topology.ts";
import { type LoadResult, loadBatch, openWarehouse } from "./warehouse.ts";

/** Input of a run. Each field may be left out. */
interface RunInput {
  /** Folder that gets everything a run writes. Default `out/nightly-etl`, seen from where the command was started. */
  readonly out_dir?: string;
}

/** What later steps need to know of the sources; all paths are absolute. */
interface Sources {
  readonly folder: string;
  readonly database: string;
  readonly warehouse: string;
  readonly files: Readonly<Record<string, number>>;
}

/** Checks the sources and says where the run works. */
export const validateSources = activity(
  "etl-service/validate_data_sources",
  async (input: RunInput | null | undefined, ctx): Promise<Sources> => {
    const out = resolve(input?.out_dir ?? "out/nightly-etl");
    const folder = join(out, ctx.workflowId.replace(/[^\w.-]/g, "_"));
    await mkdir(folder, { recursive: true });
    const files = await checkFiles();
    const database = join(folder, "operations.db");
    await prepareDatabase(database);
    return { folder, database, warehouse: join(out, "warehouse.db"), files };
  },
);

/** All flights of the operations database. */
export const extractDatabase = activity(
  "etl-service/extract_from_database",
  async (_input: unknown, ctx): Promise<Dataset> => {
    const { database, folder } = ctx.upstream.validate_sources as Sources;
    return writeDataset(join(folder, "extracted", "flights-operations.jsonl"), readDatabase(database));
  },
);

/** Records on one page of the feed, and the page where its outage begins. */
const PAGE_SIZE = 500;
const OUTAGE_FROM = 6;

/**
 * All flights of the feed. It is served by this very activity, and the first attempts find it out of service half-way: the
 * heartbeat tells the next attempt how many pages are safe, so it goes on behind them.
 */
export const extractApi = activity(
  "etl-service/extract_from_api",
  { timeout: "1m", heartbeatTimeout: "15s" },
  async (
    input: { folder: string; outage: number },
    ctx,
  ): Promise<{ flights: Dataset; pages: number; attempts: number }> => {
    const pagesFolder = join(input.folder, "extracted", "feed");
    const outageFrom = ctx.attempt <= input.outage ? OUTAGE_FROM : undefined;
    const feed = await serveFeed(await feedRecords(), { pageSize: PAGE_SIZE, outageFrom });
    try {
      let done = (ctx.lastHeartbeat as { pages: number } | undefined)?.pages ?? 0;
      for (let pages = Number.POSITIVE_INFINITY; done < pages; ) {
        const answer = await fetchPage(feed.url, done + 1, ctx.signal);
        await keepPage(pagesFolder, answer.page, answer.records);
        pages = answer.pages;
        ctx.heartbeat({ pages: ++done });
      }
      const flights = (await keptPages(pagesFolder)).map(fromFeed);
      const dataset = await writeDataset(join(input.folder, "extracted", "flights-feed.jsonl"), flights);
      return { flights: dataset, pages: done, attempts: ctx.attempt };
    } finally {
      await feed.close();
    }
  },
);

/** Airports, weather, route volumes, outlines of states. */
export const extractFromFiles = activity(
  "etl-service/extract_from_files",
  async (_input: unknown, ctx): Promise<FileDatasets> =>
    extractFiles((ctx.upstream.validate_sources as Sources).folder),
);

/** One table of flights beside what the files know about them. */
export const mergeData = activity("etl-service/merge_data", async (_input: unknown, ctx) => {
  const { extract_database, extract_api, extract_files } = ctx.upstream as {
    extract_database: Dataset;
    extract_api: { flights: Dataset };
    extract_files: FileDatasets;
  };
  const operations = await readDataset<RawFlight>(extract_database);
  const feed = await readDataset<RawFlight>(extract_api.flights);
  const merged = mergeFlights([...operations, ...feed], {
    airports: await readDataset<Airport>(extract_files.airports),
    weather: await readDataset<WeatherDay>(extract_files.weather),
    routes: await readDataset<RouteVolume>(extract_files.routes),
  });
  const file = join(extract_database.file, "../../merged.jsonl");
  return { flights: await writeDataset(file, merged), fromDatabase: operations.length, fromFeed: feed.length };
});

/** Good flights in one form, bad ones set aside with the reason. */
export const cleanData = activity(
  "etl-service/clean_and_normalize",
  async (input: { flights: Dataset; airports: Dataset }) => {
    const merged = await readDataset<MergedFlight>(input.flights);
    const { flights, rejected, quality } = cleanFlights(merged, await readDataset<Airport>(input.airports));
    const file = (name: string): string => join(input.flights.file, "..", name);
    return {
      flights: await writeDataset(file("clean.jsonl"), flights),
      rejected: await writeDataset(file("rejected.jsonl"), rejected),
      quality,
    };
  },
);

/** Distance bands, delay classes, regions, parts of the date. */
export const enrichData = activity("etl-service/enrich_with_metadata", async (_input: unknown, ctx) => {
  const { flights } = ctx.upstream.clean_data as { flights: Dataset };
  const enriched = (await readDataset<CleanFlight>(flights)).map(enrichFlight);
  return { flights: await writeDataset(join(flights.file, "../enriched.jsonl"), enriched) };
});

/** Datasets and the warehouse they go to. */
interface LoadInput extends Pick<FileDatasets, "airports" | "weather" | "routes"> {
  readonly folder: string;
  readonly warehouse: string;
  readonly flights: Dataset;
}

/** Writes everything in one transaction, under the step's idempotency key: a second attempt changes nothing. */
export const loadWarehouse = activity(
  "etl-service/load_data_warehouse",
  async (input: LoadInput, ctx): Promise<LoadResult> => {
    const batch = {
      key: ctx.idempotencyKey,
      run: ctx.workflowId,
      loadedAt: new Date().toISOString(),
      flights: await readDataset<EnrichedFlight>(input.flights),
      airports: await readDataset<Airport>(input.airports),
      weather: await readDataset<WeatherDay>(input.weather),
      routes: await readDataset<RouteVolume>(input.routes),
    };
    const db = openWarehouse(input.warehouse);
    try {
      return loadBatch(db, batch);
    } finally {
      db.close();
    }
  },
);

/** What the report is made of. */
interface ReportInput {
  readonly folder: string;
  readonly warehouse: string;
  readonly outlines: Dataset;
  readonly quality: Quality;
  readonly load: LoadResult;
  readonly sources: Readonly<Record<string, Dataset>>;
}

/** One HTML page with charts of what the warehouse holds. */
export const generateReports = activity("reporting-service/generate_daily_reports", async (input: ReportInput, ctx) => {
  const db = openWarehouse(input.warehouse);
  try {
    const html = renderReport({
      run: ctx.workflowId,
      summary: summarize(db),
      quality: input.quality,
      load: input.load,
      sources: Object.entries(input.sources).map(([name, { rows, bytes, sha256 }]) => ({ name, rows, bytes, sha256 })),
      outlines: await readDataset<Outline>(input.outlines),
    });
    const report = join(input.folder, "report.html");
    await writeWhole(report, html);
    return { report, bytes: Buffer.byteLength(html), sha256: sha256(html) };
  } finally {
    db.close();
  }
});
