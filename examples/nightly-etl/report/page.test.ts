import { describe, expect, it } from "vitest";
import type { Summary } from "../summary.ts";
import { type ReportData, renderReport } from "./page.ts";

const lateness = { flights: 60, lateShare: 0.25, meanDelay: 7 };
const summary: Summary = {
  totals: {
    ...lateness,
    medianDelay: 0,
    miles: 3e6,
    airports: 2,
    routes: 1,
    firstDay: "2001-01-01",
    lastDay: "2001-01-02",
  },
  byHour: [
    { hour: 0, ...lateness },
    { hour: 8, ...lateness, lateShare: 0.1 },
  ],
  byWeekdayHour: [{ weekday: 1, hour: 8, ...lateness }],
  byDay: [
    { date: "2001-01-01", ...lateness },
    { date: "2001-01-02", ...lateness, meanDelay: -2 },
  ],
  byDelay: [
    { from: 0, flights: 40 },
    { from: 60, flights: 20 },
  ],
  byBand: [{ band: "under 250 mi", flights: [30, 15, 10, 5] }],
  airports: [
    { iata: "SEA", city: "Seattle", state: "WA", latitude: 47.4, longitude: -122.3, ...lateness },
    { iata: "LAX", city: "<Los & Angeles>", state: "CA", latitude: 33.9, longitude: -118.4, ...lateness },
  ],
  routes: [{ from: "LAX", to: "SEA", flights2008: 0, ...lateness }],
  climate: [{ station: "Seattle", month: 1, snowShare: 0, wetShare: 0.5, ...lateness }],
};
const data: ReportData = {
  run: "night <1>",
  summary,
  quality: { read: 3, kept: 2, removed: 1, counts: { duplicate: 1 } },
  load: { inserted: 2, known: 0, total: 2 },
  sources: [{ name: "flight feed", rows: 3, bytes: 2048, sha256: "0123456789abcdef0123" }],
  outlines: [],
};

describe("renderReport", () => {
  const html = renderReport(data);

  it("needs nothing from elsewhere", () => {
    expect(html).not.toMatch(/<script|<link|<img|@import|url\(|https?:/);
  });

  it("gives every chart a name, a description and its numbers as a table", () => {
    const charts = html.match(/<svg [^>]*>/g) ?? [];
    expect(charts).toHaveLength(8);
    for (const chart of charts) {
      const [, title, about] = /role="img" aria-labelledby="([^"]+)" aria-describedby="([^"]+)"/.exec(chart) ?? [];
      expect(html).toContain(`<h3 id="${title}">`);
      expect(html).toContain(`<p id="${about}">`);
    }
    expect(html.match(/<summary>Numbers<\/summary>/g)).toHaveLength(8);
  });

  it("has no coordinate that is not a number", () => {
    expect(html).not.toMatch(/NaN|Infinity|undefined/);
  });

  it("shows names as text, whatever they hold", () => {
    expect(html).toContain("&lt;Los &amp; Angeles&gt;");
    expect(html).toContain("night &lt;1&gt;");
  });
});
