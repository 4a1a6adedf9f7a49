import { describe, expect, it } from "vitest";
import { isPostgres, shownAddress, sqlitePath } from "./address.ts";

describe("paths of SQLite stores", () => {
  it.each([
    ["app.db", "app.db"],
    ["  /var/lib/app.db\n", "/var/lib/app.db"],
    ["sqlite:app.db", "app.db"],
    [" sqlite:///var/app.db", "/var/app.db"],
    ["SQLite:app.db", "app.db"],
    ["sqlite::memory:", ":memory:"],
    ["C:\\data\\app@2.db", "C:\\data\\app@2.db"],
    ["C:/data/app@2.db", "C:/data/app@2.db"],
    ["postgres/app.db", "postgres/app.db"],
    ["data/me@home.db", "data/me@home.db"],
    ["sqlite:10:30@home.db", "10:30@home.db"],
  ])("are found in %j", (address, path) => {
    expect(sqlitePath(address)).toBe(path);
    expect(isPostgres(address)).toBe(false);
    expect(shownAddress(address)).toBe(address.trim());
  });

  it.each(["postgres://h/db", " postgres://h/db ", "POSTGRESQL://h/db", "memory:", " memory:"])(
    "are not in %j",
    (address) => {
      expect(sqlitePath(address)).toBeUndefined();
    },
  );
});

const WRONG = [
  '"postgres://app:changeme@db/shop"',
  "'postgres://app:changeme@db/shop'",
  "`postgres://app:changeme@db/shop`",
  ' "postgres://app:changeme@db/shop"',
  "=postgres://app:changeme@db/shop",
  "postgre://app:changeme@db/shop",
  "mysql://app:changeme@db/shop",
  "postgres//app:changeme@db/shop",
  "postgres/app:changeme@db/shop",
  "//app:changeme@db/shop",
  "a:changeme@db/shop",
  "app:changeme@db/shop",
  "sqlite:postgres://app:changeme@db/shop",
  "sqlite://postgres://app:changeme@db/shop",
  "sqlite:postgres:app:changeme@db/shop",
  'sqlite:"postgres://app:changeme@db/shop"',
  "host=db user=app password=changeme dbname=shop",
  "user=app password = 'changeme' port=5432",
];

describe("what is no address of a store", () => {
  it.each(WRONG)("is refused and shown without its password: %s", (address) => {
    expect(isPostgres(address)).toBe(false);
    expect(() => sqlitePath(address)).toThrowError(
      expect.objectContaining({ code: "INVALID_ARGUMENT", message: expect.not.stringContaining("changeme") }),
    );
    expect(shownAddress(address)).not.toContain("changeme");
  });

  it("is refused with what to do", () => {
    expect(() => sqlitePath('"postgres://u:pw@h/db"')).toThrow(/begins with a quote/);
    expect(() => sqlitePath("postgres//u:pw@h/db")).toThrow("the store address postgres//***@h/db is no path");
    expect(() => sqlitePath("")).toThrow('the store address "" names no file');
    expect(() => sqlitePath("postgre://h/db")).toThrowError(
      expect.objectContaining({ details: { hint: "did you mean postgres?" } }),
    );
  });
});

describe("addresses of servers are shown without their passwords (invariant 7)", () => {
  it.each([
    ["postgres://app:pw@db/orders?schema=a&password=pw&sslkey=x", "postgres://app:***@db/orders?schema=a"],
    ["postgres://app:pw@db/orders", "postgres://app:***@db/orders"],
    [" postgres://app:pw@db/orders\n", "postgres://app:***@db/orders"],
    ["postgres://db:5432/orders", "postgres://db:5432/orders"],
    ["postgres://app:p@ss@db/orders", "postgres://app:***@db/orders"],
    ["postgres:app:pw@127.0.0.1", "postgres:***@127.0.0.1"],
    ["postgres:/app:pw@db/orders", "postgres:/***@db/orders"],
    ["postgres://app:p@ss/w#rd@db/orders", "postgres://***@db/orders"],
    ["postgres://app:p/w@db/orders?schema=a", "postgres://***@db/orders"],
    ["postgres://app:12?w@db/orders", "postgres://***@db/orders"],
    ["postgres://app:12#w@db/orders", "postgres://***@db/orders"],
    ["postgres://db/orders?password=pw#pw", "postgres://***"],
    ["postgres://db/orders?password=p@pw", "postgres://***"],
    ["postgres://app:pw", "postgres://app:***"],
    ["postgres:app:pw", "postgres:app:***"],
    ["postgres://db:port/orders", "postgres://db:***"],
  ])("%j", (address, shown) => {
    expect(shownAddress(address)).toBe(shown);
  });
});
