import { describe, expect, it } from "vitest";
import { shownAddress } from "../address.ts";
import { postgresSettings } from "./settings.ts";

describe("the address of a PostgreSQL store", () => {
  it("carries options of the store, which the driver does not get to see", () => {
    const settings = postgresSettings(
      "postgres://app:pw@db:5433/orders?schema=flows&pool=9&transactions=2&prepare=false&listen=0&application_name=web&options=-c%20a%3Db&connect_timeout=3",
    );
    expect(settings).toMatchObject({
      url: "postgres://app:pw@db:5433/orders?connect_timeout=3",
      schema: "flows",
      pool: 9,
      transactions: 2,
      prepare: false,
      listen: false,
      applicationName: "web",
      serverOptions: "-c a=b",
    });
  });

  it("does without any of them", () => {
    expect(postgresSettings("postgresql://db/orders")).toMatchObject({
      schema: "perdure",
      pool: 4,
      transactions: 4,
      prepare: true,
      listen: true,
      applicationName: "perdure",
    });
  });

  it("yields to options", () => {
    const settings = postgresSettings({
      url: "postgres://db/orders?schema=a&pool=2",
      schema: "b",
      pool: 3,
      listen: false,
    });
    expect(settings).toMatchObject({ schema: "b", pool: 3, listen: false });
  });

  it("gives sslmode the meaning it has for libpq", () => {
    expect(postgresSettings("postgres://db/x?sslmode=require").url).toContain("uselibpqcompat=true");
    expect(postgresSettings("postgres://db/x?sslmode=require&uselibpqcompat=false").url).toContain(
      "uselibpqcompat=false",
    );
    expect(postgresSettings("postgres://db/x").url).not.toContain("uselibpqcompat");
  });

  it.each([
    ["postgres://db/x?schema=Big", /the schema "Big"/],
    ["postgres://db/x?schema=pg_own", /pg_own/],
    ["postgres://db/x?schema=a%3Bdrop", /the schema/],
    ["postgres://db/x?pool=0", /pool=0/],
    ["postgres://db/x?pool=many", /pool=many/],
    ["postgres://db/x?listen=maybe", /listen=maybe/],
    ["mysql://db/x", /no address of PostgreSQL/],
    ["postgres://app:p@ss/word@db:port/x", /no address of PostgreSQL/],
  ])("refuses %s", (address, message) => {
    expect(() => postgresSettings(address)).toThrowError(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => postgresSettings(address)).toThrowError(message);
  });

  it("is shown without its password (invariant 7)", () => {
    expect(shownAddress("postgres://app:pw@db/orders?schema=a&password=pw&sslkey=x")).toBe(
      "postgres://app:***@db/orders?schema=a",
    );
    expect(shownAddress("postgres://app:pw@db/orders")).toBe("postgres://app:***@db/orders");
    expect(shownAddress("postgres://app:p@w/x@db:port/x?password=pw")).not.toContain("pw");
    expect(shownAddress("postgres://app:p@w/x@db:port/x")).not.toContain("p@w");
  });
});
