import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { fitText, textWidth, wrapText } from "./text-fit.ts";

describe("fitting text", () => {
  it("leaves what fits as it is", () => {
    expect(fitText("short", 100, 12)).toBe("short");
  });

  it("cuts at the end or in the middle", () => {
    expect(fitText("a rather long sentence", 80, 12)).toBe("a rather lon…");
    expect(fitText("notification-service/send_everything", 120, 12, { cut: "middle" })).toMatch(/^notif.*….*thing$/);
  });

  it("never cuts a sign in two", () => {
    expect(fitText("😀😀😀😀😀😀", 40, 12, { cut: "middle" })).toMatch(/^(😀)+…(😀)*$/u);
  });

  it("never gets wider than allowed", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: "grapheme" }),
        fc.integer({ min: 20, max: 300 }),
        fc.constantFrom("middle", "end"),
        (text, width, cut) => {
          expect(textWidth(fitText(text, width, 12, { cut }), 12)).toBeLessThanOrEqual(width);
        },
      ),
    );
  });

  it("breaks between words and cuts the last line", () => {
    expect(wrapText("one two three four five six seven", 70, 12, 2)).toEqual(["one two", "three four…"]);
    expect(wrapText("", 70, 12, 2)).toEqual([]);
  });
});
