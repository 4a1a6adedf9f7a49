/** Lines of text in pictures. */
import { element, type Xml } from "./xml.ts";

/** How a line of text looks. */
export interface LineLook {
  readonly size: number;
  readonly fill: string;
  readonly weight?: number;
  readonly face?: string | undefined;
  readonly anchor?: "middle" | "end";
}

/** One line of text; `y` is its base line. */
export function line(text: string, x: number, y: number, look: LineLook): Xml {
  const attributes = {
    x,
    y,
    "font-size": look.size,
    "font-weight": look.weight,
    "font-family": look.face,
    "text-anchor": look.anchor,
    fill: look.fill,
  };
  return element("text", attributes, text);
}
