/** The look of the report, light and dark. No font, script or picture is loaded. */
export const STYLE = `
:root {
  color-scheme: light dark;
  --page: #f4f5f7; --card: #ffffff; --ink: #161b22; --muted: #5a6472; --line: #dfe3e8; --land: #e9ecf0;
  --plain: #2566c8; --soft: #b9cdee; --late: #d4500f; --focus: #2566c8;
  --c0: #2a5fa8; --c1: #9dbfe8; --c2: #f3b274; --c3: #cf4a0b;
  --on0: #ffffff; --on1: #16263c; --on2: #3d1f05; --on3: #ffffff;
}
@media (prefers-color-scheme: dark) {
  :root {
    --page: #0e1116; --card: #171b22; --ink: #e8ecf1; --muted: #9aa5b3; --line: #2b323c; --land: #242a33;
    --plain: #6fa3f5; --soft: #3a5582; --late: #ff8a4a; --focus: #8fb8ff;
    --c0: #5b92e0; --c1: #2f4d78; --c2: #9a5a24; --c3: #ff8a4a;
    --on0: #0b1626; --on1: #d5e3f7; --on2: #ffe6d2; --on3: #2b1203;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--page); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto, Helvetica, Arial, sans-serif; }
main { max-width: 1200px; margin: 0 auto; padding: 40px 24px 64px; }
header p { color: var(--muted); margin: 0; max-width: 68ch; }
h1 { font-size: 34px; line-height: 1.15; letter-spacing: -0.02em; margin: 4px 0 10px; }
h2 { font-size: 21px; letter-spacing: -0.01em; margin: 44px 0 14px; }
h3 { font-size: 16px; line-height: 1.35; margin: 0 0 4px; }
.eyebrow { font-size: 13px; font-weight: 600; letter-spacing: 0.04em; color: var(--late); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(125px, 1fr)); gap: 1px; margin: 28px 0; padding: 0; background: var(--line); border: 1px solid var(--line); border-radius: 12px; overflow: hidden; }
.tiles div { background: var(--card); padding: 16px 18px; }
.tiles dt { font-size: 13px; color: var(--muted); }
.tiles dd { margin: 2px 0 0; font-size: 25px; white-space: nowrap; font-weight: 650; letter-spacing: -0.02em; font-variant-numeric: tabular-nums; }
.grid { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 460px), 1fr)); gap: 18px; align-items: start; }
.card { margin: 0; background: var(--card); border: 1px solid var(--line); border-radius: 12px; padding: 20px 22px 14px; min-width: 0; }
.stack { display: grid; gap: 18px; min-width: 0; }
.wide { grid-column: 1 / -1; }
figcaption p { margin: 0 0 14px; font-size: 13.5px; line-height: 1.45; color: var(--muted); max-width: 100ch; }
.wide figcaption p { max-width: none; }
.chart { overflow-x: auto; }
svg { display: block; width: 100%; height: auto; font-family: inherit; }
details { margin-top: 10px; font-size: 13.5px; }
summary { cursor: pointer; color: var(--muted); width: max-content; border-radius: 4px; }
summary:hover { color: var(--ink); }
:focus-visible { outline: 2px solid var(--focus); outline-offset: 2px; }
.scroll { overflow: auto; max-height: 360px; margin-top: 8px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { padding: 6px 12px 6px 0; text-align: left; border-bottom: 1px solid var(--line); font-weight: 400; vertical-align: top; }
thead th { color: var(--muted); font-size: 13px; position: sticky; top: 0; background: var(--card); }
.number { text-align: right; white-space: nowrap; }
td.number, th.number { padding-left: 12px; }
.plain-table { padding: 8px 22px; font-size: 14.5px; }
.plain-table .scroll { max-height: none; margin: 0; }
.plain-table tr:last-child > * { border-bottom: 0; }
code { font: 0.92em ui-monospace, SFMono-Regular, Menlo, Consolas, monospace; overflow-wrap: anywhere; }
footer { margin-top: 40px; padding-top: 18px; border-top: 1px solid var(--line); font-size: 13.5px; color: var(--muted); }
footer p { margin: 0 0 6px; max-width: 100ch; }
text { fill: var(--ink); font-size: 13px; font-variant-numeric: tabular-nums; }
text.tick { fill: var(--muted); font-size: 12.5px; }
text.small { font-size: 11.5px; }
text.strong { font-weight: 650; }
text.halo { paint-order: stroke; stroke: var(--card); stroke-width: 4px; stroke-linejoin: round; }
line.grid { display: inline; stroke: var(--line); }
line.axis { stroke: var(--muted); }
line.limit { stroke: var(--ink); stroke-dasharray: 3 3; }
line.stem { stroke-width: 2; opacity: 0.45; }
line.plain { stroke: var(--plain); } line.late { stroke: var(--late); }
rect.plain, circle.plain { fill: var(--plain); } rect.late, circle.late { fill: var(--late); } rect.soft { fill: var(--soft); }
rect.heat { fill: var(--late); }
path.line { fill: none; stroke: var(--plain); stroke-width: 2.5; stroke-linejoin: round; }
path.state { fill: var(--land); stroke: var(--card); stroke-width: 1; stroke-linejoin: round; }
path.arc { fill: none; stroke: var(--plain); stroke-linecap: round; }
circle.airport { stroke: var(--card); stroke-width: 1.2; }
.class-0 { fill: var(--c0); } .class-1 { fill: var(--c1); } .class-2 { fill: var(--c2); } .class-3 { fill: var(--c3); }
text.inside-0 { fill: var(--on0); } text.inside-1 { fill: var(--on1); } text.inside-2 { fill: var(--on2); } text.inside-3 { fill: var(--on3); }
rect:hover, circle:hover, path.arc:hover { filter: brightness(1.12); }
path.arc:hover { stroke: var(--late); stroke-opacity: 1; }
@media (max-width: 560px) { main { padding: 24px 14px 48px; } h1 { font-size: 27px; } .card { padding: 16px 14px 10px; } .tiles div { padding: 12px; } .tiles dd { font-size: 21px; } .wide svg { min-width: 760px; } }
@media print { body { background: #fff; } .card { break-inside: avoid; } details { display: none; } }
`;
