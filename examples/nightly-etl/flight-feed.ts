/** The flight feed: a small HTTP API on this machine, and the client that reads it page by page. */
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

/** A flight in the feed's own words; all fields are texts. */
export interface FeedRecord {
  readonly departed: string;
  readonly from: string;
  readonly to: string;
  readonly miles: string;
  readonly arrival_delay: string;
}

/** One page of the feed. */
export interface FeedPage {
  readonly records: readonly FeedRecord[];
  readonly page: number;
  readonly pages: number;
}

/** A feed that is being served. */
export interface RunningFeed {
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Serves records at `GET /v1/flights?page=N` on a free port of 127.0.0.1.
 *
 * @param options.outageFrom from this page on the feed answers 503; `undefined` for a feed in good health.
 */
export async function serveFeed(
  records: readonly FeedRecord[],
  options: { pageSize: number; outageFrom: number | undefined },
): Promise<RunningFeed> {
  const pages = Math.ceil(records.length / options.pageSize);
  const server = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? "/", "http://feed");
    const page = Number(searchParams.get("page"));
    const down = options.outageFrom !== undefined && page >= options.outageFrom;
    const known = pathname === "/v1/flights" && Number.isInteger(page) && page >= 1 && page <= pages;
    const status = !known ? 404 : down ? 503 : 200;
    const body = { records: records.slice((page - 1) * options.pageSize, page * options.pageSize), page, pages };
    response.writeHead(status, { "content-type": "application/json", ...(down && { "retry-after": "1" }) });
    response.end(JSON.stringify(status === 200 ? body : { error: status === 404 ? "no such page" : "out of service" }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(0, "127.0.0.1", resolve);
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => close(server) };
}

function close(server: Server): Promise<void> {
  server.closeAllConnections();
  return new Promise((resolve) => server.close(() => resolve()));
}

/** The feed did not answer with a page. */
export class FeedUnavailableError extends Error {
  override readonly name: string = "FeedUnavailableError";
}

/**
 * Reads one page.
 *
 * @throws FeedUnavailableError for any answer but 200.
 */
export async function fetchPage(url: string, page: number, signal: AbortSignal): Promise<FeedPage> {
  const response = await fetch(`${url}/v1/flights?page=${page}`, { signal });
  if (!response.ok) {
    await response.body?.cancel();
    throw new FeedUnavailableError(
      `the flight feed answered ${response.status} ${response.statusText} for page ${page}`,
    );
  }
  return (await response.json()) as FeedPage;
}
