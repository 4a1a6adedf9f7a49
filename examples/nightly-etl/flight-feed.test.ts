import { describe, expect, it } from "vitest";
import { FeedUnavailableError, fetchPage, serveFeed } from "./flight-feed.ts";

const records = ["SEA", "LAX", "JFK"].map((from) => ({
  departed: "2001-03-01T06:55",
  from,
  to: "ORD",
  miles: "1",
  arrival_delay: "0",
}));
const { signal } = new AbortController();

describe("the flight feed", () => {
  it("is read page by page", async () => {
    const feed = await serveFeed(records, { pageSize: 2, outageFrom: undefined });
    try {
      expect(await fetchPage(feed.url, 1, signal)).toEqual({ records: records.slice(0, 2), page: 1, pages: 2 });
      expect(await fetchPage(feed.url, 2, signal)).toEqual({ records: records.slice(2), page: 2, pages: 2 });
      await expect(fetchPage(feed.url, 3, signal)).rejects.toThrow("answered 404 Not Found for page 3");
    } finally {
      await feed.close();
    }
  });

  it("answers 503 from the page on where its outage begins", async () => {
    const feed = await serveFeed(records, { pageSize: 1, outageFrom: 2 });
    try {
      expect((await fetchPage(feed.url, 1, signal)).page).toBe(1);
      await expect(fetchPage(feed.url, 2, signal)).rejects.toThrow(FeedUnavailableError);
    } finally {
      await feed.close();
    }
  });
});
