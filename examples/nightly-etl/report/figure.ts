/** A figure of the report: a chart, what it says in words, and its numbers as a table. */
import { escaped, tag } from "./svg.ts";

export interface Figure {
  readonly id: string;
  /** What one sees, as a sentence. */
  readonly title: string;
  /** How to read the chart. */
  readonly about: string;
  readonly width: number;
  readonly height: number;
  /** The inside of the SVG. */
  readonly marks: string;
  readonly table: Table;
  /** Whether it takes the whole width of the page. */
  readonly wide?: boolean;
}

/** Numbers for those who cannot see the chart, or want them exactly. */
export interface Table {
  readonly head: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** The figure as HTML. Title and explanation also are the chart's accessible name and description. */
export function renderFigure({ id, title, about, width, height, marks, table, wide }: Figure): string {
  const chart = tag(
    "svg",
    {
      viewBox: `0 0 ${width} ${height}`,
      role: "img",
      "aria-labelledby": `${id}-title`,
      "aria-describedby": `${id}-about`,
    },
    marks,
  );
  return tag(
    "figure",
    { class: wide === true ? "card wide" : "card", id },
    tag(
      "figcaption",
      {},
      tag("h3", { id: `${id}-title` }, escaped(title)),
      tag("p", { id: `${id}-about` }, escaped(about)),
    ),
    tag("div", { class: "chart" }, chart),
    tag("details", {}, "<summary>Numbers</summary>", renderTable(table)),
  );
}

/** A table as HTML; all columns but the first are aligned as numbers unless `texts` names them. */
export function renderTable({ head, rows }: Table, texts: readonly number[] = []): string {
  const side = (i: number): string | undefined => (i === 0 || texts.includes(i) ? undefined : "number");
  const titles = head.map((text, i) => tag("th", { scope: "col", class: side(i) }, escaped(text)));
  const body = rows.map((row) =>
    tag(
      "tr",
      {},
      ...row.map((text, i) =>
        tag(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : undefined, class: side(i) }, escaped(text)),
      ),
    ),
  );
  const table = tag("table", {}, tag("thead", {}, tag("tr", {}, ...titles)), tag("tbody", {}, ...body));
  return tag("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": "Table" }, table);
}
