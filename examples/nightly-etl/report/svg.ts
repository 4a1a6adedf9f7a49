/** Markup for charts: SVG and HTML elements as text, with everything escaped. */

type Attributes = Readonly<Record<string, string | number | undefined>>;

/** An element. Children are markup, not text: pass texts through {@link escaped}. */
export function tag(name: string, attributes: Attributes, ...children: readonly string[]): string {
  const list = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escaped(typeof value === "number" ? rounded(value) : (value ?? ""))}"`);
  return `<${name}${list.join("")}>${children.join("")}</${name}>`;
}

/** Text that means itself inside markup. */
export function escaped(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll('"', "&quot;");
}

/** A text in a chart; `x` and `y` are its baseline. */
export function label(x: number, y: number, text: string, attributes: Attributes = {}): string {
  return tag("text", { x, y, ...attributes }, escaped(text));
}

/** What a mark says when one points at it. */
export function hint(text: string): string {
  return tag("title", {}, escaped(text));
}

/** A coordinate with as many digits as one can see. */
export function rounded(value: number): string {
  return String(Math.round(value * 10) / 10);
}
