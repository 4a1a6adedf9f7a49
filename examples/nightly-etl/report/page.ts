/** The report: one HTML file that needs nothing else. */
import { type Quality, RULES } from "../cleaning.ts";
import type { Summary, Totals } from "../summary.ts";
import type { Outline } from "../topology.ts";
import type { LoadResult } from "../warehouse.ts";
import { airportDots } from "./airport-dots.ts";
import { bandBars } from "./band-bars.ts";
import { climateBars } from "./climate-bars.ts";
import { dayLine } from "./day-line.ts";
import { delayHistogram } from "./delay-histogram.ts";
import { renderFigure, renderTable } from "./figure.ts";
import { count, longDay, minutes, percent } from "./format.ts";
import { hourColumns } from "./hour-columns.ts";
import { routeMap } from "./route-map.ts";
import { STYLE } from "./style.ts";
import { escaped, tag } from "./svg.ts";
import { weekHeatMap } from "./week-heat-map.ts";

/** What a report is made of. */
export interface ReportData {
  readonly run: string;
  readonly summary: Summary;
  readonly quality: Quality;
  readonly load: LoadResult;
  readonly sources: readonly {
    readonly name: string;
    readonly rows: number;
    readonly bytes: number;
    readonly sha256: string;
  }[];
  readonly outlines: readonly Outline[];
}

/** Renders the report as a complete HTML document. */
export function renderReport({ run, summary, quality, load, sources, outlines }: ReportData): string {
  const { totals } = summary;
  const title = `On time? ${count(totals.flights)} flights in the United States`;
  const across = [routeMap(summary, outlines), hourColumns(summary), delayHistogram(summary), dayLine(summary)];
  const left = [airportDots(summary), climateBars(summary)];
  const right = [weekHeatMap(summary), bandBars(summary)];
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(title)}</title>
<style>${STYLE}</style>
</head>
<body>
<main>
<header>
<p class="eyebrow">Nightly report</p>
<h1>${escaped(title)}</h1>
<p>${escaped(lead(totals))}</p>
</header>
${tiles(totals)}
<div class="grid">
${across.map(renderFigure).join("\n")}
<div class="stack">${left.map(renderFigure).join("\n")}</div>
<div class="stack">${right.map(renderFigure).join("\n")}</div>
</div>
<h2>What was wrong with the data</h2>
${qualityTable(quality)}
<h2>Where the data come from</h2>
${sourceTable(sources)}
${footer(run, load)}
</main>
</body>
</html>
`;
}

function lead({ firstDay, lastDay, lateShare, meanDelay }: Totals): string {
  return `A sample of domestic flights that left between ${longDay(firstDay)} and ${longDay(lastDay)}. ${percent(1 - lateShare)} arrived on time, that is less than 15 minutes late; the mean delay was ${minutes(meanDelay, 1)}.`;
}

function tiles(totals: Totals): string {
  const list: readonly (readonly [string, string])[] = [
    ["Flights", count(totals.flights)],
    ["On time", percent(1 - totals.lateShare, 1)],
    ["Median delay", minutes(totals.medianDelay)],
    ["Mean delay", minutes(totals.meanDelay, 1)],
    ["Airports", count(totals.airports)],
    ["Million miles", (totals.miles / 1e6).toFixed(1)],
  ];
  const items = list.map(([name, value]) =>
    tag("div", {}, tag("dt", {}, escaped(name)), tag("dd", {}, escaped(value))),
  );
  return tag("dl", { class: "tiles" }, ...items);
}

function qualityTable({ read, kept, removed, counts }: Quality): string {
  const rows = RULES.map(({ rule, action, about }) => [rule, about, action, count(counts[rule] ?? 0)]);
  const table = renderTable({ head: ["Rule", "What it finds", "Records are", "Number"], rows }, [1, 2]);
  return tag(
    "section",
    { class: "card plain-table" },
    tag("p", {}, escaped(`${count(read)} records read, ${count(removed)} removed, ${count(kept)} flights kept.`)),
    table,
  );
}

function sourceTable(sources: ReportData["sources"]): string {
  const rows = sources.map(({ name, rows, bytes, sha256 }) => [
    name,
    count(rows),
    `${count(Math.round(bytes / 1024))} KiB`,
    sha256.slice(0, 16),
  ]);
  const table = renderTable({ head: ["Source", "Records", "Extracted", "SHA-256 begins"], rows });
  return tag("section", { class: "card plain-table" }, table);
}

function footer(run: string, load: LoadResult): string {
  const stored = `Run ${run} brought ${count(load.inserted)} new flights to the warehouse and found ${count(load.known)} there already; it holds ${count(load.total)}.`;
  return tag(
    "footer",
    {},
    tag("p", {}, escaped(stored)),
    tag(
      "p",
      {},
      "Flights: U.S. Bureau of Transportation Statistics. Weather: NOAA. Airports: data.gov. Outlines: U.S. Census Bureau. All from the npm package <code>vega-datasets</code>. The records with errors in the flight feed are planted by this example, the flights themselves are real.",
    ),
  );
}
