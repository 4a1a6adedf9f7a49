/** XML as text, safe by construction: every attribute and text is escaped here and nowhere else. */

/** A piece of XML. */
export interface Xml {
  readonly name: string;
  readonly attributes: Readonly<Record<string, string | number | undefined>>;
  readonly children: readonly (Xml | string)[];
}

/** An element. Attributes that are undefined are left out; strings among the children are text. */
export function element(
  name: string,
  attributes: Xml["attributes"] = {},
  ...children: readonly (Xml | string | undefined)[]
): Xml {
  return { name, attributes, children: children.filter((child) => child !== undefined) };
}

/** The text of an element, one line each, indented. */
export function renderXml(xml: Xml, indent = ""): string {
  const attributes = Object.entries(xml.attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${escapeXml(typeof value === "number" ? tidy(value) : String(value))}"`)
    .join("");
  const open = `${indent}<${xml.name}${attributes}`;
  if (xml.children.length === 0) return `${open}/>`;
  if (xml.children.every((child) => typeof child === "string")) {
    return `${open}>${xml.children.map(escapeXml).join("")}</${xml.name}>`;
  }
  const inner = xml.children.map((child) =>
    typeof child === "string" ? `${indent}  ${escapeXml(child)}` : renderXml(child, `${indent}  `),
  );
  return `${open}>\n${inner.join("\n")}\n${indent}</${xml.name}>`;
}

const ENTITIES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&#39;",
};
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are the characters that XML forbids
const FORBIDDEN = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]|\p{Surrogate}/gu;

/** Text as it may stand in XML; characters that XML cannot hold become U+FFFD. */
export function escapeXml(text: string): string {
  return text.replace(FORBIDDEN, "\ufffd").replace(/[&<>"']/g, (char) => ENTITIES[char]!);
}

/** Numbers with one decimal at most. */
export function tidy(value: number): string {
  return String(Math.round(value * 10) / 10);
}
