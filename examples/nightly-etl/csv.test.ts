import { describe, expect, it } from "vitest";
import { parseCsv } from "./csv.ts";

describe("parseCsv", () => {
  it("gives one record for each line, by the names of the header", () => {
    expect(parseCsv("iata,city\nSEA,Seattle\nJFK,New York\n")).toEqual([
      { iata: "SEA", city: "Seattle" },
      { iata: "JFK", city: "New York" },
    ]);
  });

  it("keeps commas, quotes and line breaks of quoted fields", () => {
    const text = 'iata,name\r\nDBN,"W. H. ""Bud"" Barron"\r\nBTR,"Baton Rouge, Ryan"\r\nX,"two\nlines"';
    expect(parseCsv(text).map((row) => row.name)).toEqual(['W. H. "Bud" Barron', "Baton Rouge, Ryan", "two\nlines"]);
  });

  it("keeps empty fields, also the last one", () => {
    expect(parseCsv("a,b,c\n1,,\n")).toEqual([{ a: "1", b: "", c: "" }]);
    expect(parseCsv("a,b\n1,")).toEqual([{ a: "1", b: "" }]);
  });

  it("names the record whose number of fields differs", () => {
    expect(() => parseCsv("a,b\n1,2\n3\n")).toThrow("CSV record 3 has 1 fields, the header has 2");
  });

  it("refuses a quoted field without an end", () => {
    expect(() => parseCsv('a\n"open')).toThrow("has no end");
  });
});
