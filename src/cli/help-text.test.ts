/** Help pages on narrow terminals. */
import { createColors } from "picocolors";
import { describe, expect, test } from "vitest";
import { CATALOGUE } from "./catalogue.ts";
import { commandPage, overview } from "./help-text.ts";
import { cellWidth } from "./text/cell-width.ts";

const styles = createColors(false);
const entries = CATALOGUE.flatMap(([, group]) => group);

describe("help", () => {
  test.each(entries.map(({ name, load }) => [name, load] as const))(
    "of %s fits into 80 columns, but for examples",
    async (_, load) => {
      const page = commandPage(await load(), { styles, columns: 80 });
      const [explained = ""] = page.split("\nExamples\n");
      expect(explained.split("\n").filter((line) => cellWidth(line) > 80 || line.endsWith(" "))).toEqual([]);
    },
  );

  test("of everything fits into 80 columns", () => {
    const page = overview({ styles, columns: 80 }, "1.2.3");
    expect(page.split("\n").filter((line) => cellWidth(line) > 80)).toEqual([]);
  });

  test("keeps an option of the usage together with its value", async () => {
    const replay = await entries.find(({ name }) => name === "replay")!.load();
    expect(commandPage(replay, { styles, columns: 80 })).toContain("\n    [--history FILE]\n");
  });

  test("is no wider on a wide terminal than can be read", async () => {
    const gc = await entries.find(({ name }) => name === "gc")!.load();
    const [explained = ""] = commandPage(gc, { styles, columns: 300 }).split("\nExamples\n");
    expect(Math.max(...explained.split("\n").map(cellWidth))).toBeLessThanOrEqual(100);
  });
});
