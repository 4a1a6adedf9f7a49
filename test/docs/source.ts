/** Names in the source, for comparing tables of the documentation with it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { ROOT } from "./page.ts";

/** The text of a file without its doc comments. */
function plainSource(file: string): string {
  return readFileSync(join(ROOT, file), "utf8").replaceAll(/\/\*\*[\s\S]*?\*\//g, "");
}

/** All members of a union of texts: that of a type, or of a field inside it. */
export function members(file: string, name: string): string[] {
  const union = new RegExp(`(?:export type ${name} =|readonly ${name}:)([^;]*);`).exec(plainSource(file))?.[1] ?? "";
  return [...union.matchAll(/"([^"]+)"/g)].map((match) => match[1]!).sort();
}

/** The names in an interface. */
export function fields(file: string, name: string): string[] {
  const body =
    new RegExp(`export interface ${name}(?:<[^{]*>)?(?: extends [^{]*)? \\{([\\s\\S]*?)\\n\\}`).exec(
      plainSource(file),
    )?.[1] ?? "";
  return [...new Set([...body.matchAll(/^ {2}(?:readonly )?(\w+)[<(?:]/gm)].map((match) => match[1]!))].sort();
}

/** The public methods and properties of a class. */
export function methods(file: string, name: string): string[] {
  const body = new RegExp(`export class ${name}[ <][^\\n]*\\{\\n([\\s\\S]*?)\\n\\}`).exec(plainSource(file))?.[1] ?? "";
  const found = [...body.matchAll(/^ {2}(?:readonly |static |get |async |\*)*(\w+)[<(:]/gm)].map((match) => match[1]!);
  return [...new Set(found.filter((one) => one !== "constructor"))].sort();
}

/** The value of a constant that is a number or a product of numbers. */
export function constant(file: string, name: string): number {
  const written = new RegExp(`const ${name}(?:: \\w+)? = ([^;]+);`).exec(plainSource(file))?.[1] ?? "";
  const factors = written.replaceAll("UNIT_MS.d", "86400000").replaceAll("_", "").split("*");
  return factors.reduce((product, factor) => product * Number(factor.trim()), 1);
}
