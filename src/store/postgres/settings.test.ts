import { describe, expect, it } from "vitest";
import { type PostgresOptions, postgresSettings } from "./settings.ts";

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

  it.each([
    ["postgres://db/x?schema=Big", /the schema "Big"/],
    ["postgres://db/x?schema=pg_own", /pg_own/],
    ["postgres://db/x?schema=a%3Bdrop", /the schema/],
    ["postgres://db/x?pool=0", /pool=0/],
    ["postgres://db/x?pool=many", /pool=many/],
    ["postgres://db/x?listen=maybe", /listen=maybe/],
    ["mysql://db/x", /no address of PostgreSQL/],
    ["postgres://app:p@ss/sesame@db:port/x", /no address of PostgreSQL/],
    ["postgres://app:12?sesame@db/x", /%3F/],
    ["postgres://app:12#sesame@db/x", /%23/],
    ["postgres://db/x#y", /%23/],
    ["postgres:app:sesame@db", /postgres:\*\*\*@db is no address/],
    ["postgres:/app:sesame@db/x", /no address of PostgreSQL/],
    ["postgres//app:sesame@db/x", /no address of PostgreSQL/],
    ["postgres://db/x?poool=3", /"poool".*did you mean pool\?/],
    ["postgres://db/x?sslmod=require", /"sslmod".*did you mean sslmode\?/],
    ["postgres://db/x?pgbouncer=true", /"pgbouncer".*known are schema, pool/],
    ["postgres://db/x?__proto__=1", /"__proto__"/],
    ["postgres://db/x?ssl=true", /sslmode=verify-full/],
    ["postgres://db/x?sslcrl=revoked.pem", /"sslcrl"/],
    ["postgres://db/x?binary=true", /"binary"/],
    ["postgres://db/x?channel_binding=require", /channel_binding=require.*leave it out/],
    ["postgres://db/x?target_session_attrs=standby", /engines need the primary/],
    ["postgres://db/x?client_encoding=latin1", /everything is UTF-8/],
  ])("refuses %s", (address, message) => {
    expect(() => postgresSettings(address)).toThrowError(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => postgresSettings(address)).toThrowError(message);
    expect(() => postgresSettings(address)).not.toThrowError(/sesame/);
  });

  it("may have parameters of libpq and of the driver", () => {
    const parameters =
      "connect_timeout=3&keepalives_idle=5&target_session_attrs=read-write&channel_binding=prefer&client_encoding=utf8&statement_timeout=1000&port=5433&host=%2Frun%2Fpostgresql";
    expect(postgresSettings(`postgres://db/x?${parameters}`).url).toContain("statement_timeout=1000");
  });
});

describe("the options of a PostgreSQL store", () => {
  const url = "postgres://db/x";

  it.each([
    [{ pool: 0 }, /"pool=0".*whole number from 1 to 1000/],
    [{ pool: -1 }, /"pool=-1"/],
    [{ pool: 1.5 }, /"pool=1.5"/],
    [{ pool: "x" }, /"pool=x"/],
    [{ pool: "" }, /"pool="/],
    [{ pool: Number.NaN }, /"pool=NaN"/],
    [{ transactions: 0 }, /"transactions=0"/],
    [{ prepare: "no" }, /"prepare=no".*true or false/],
    [{ listen: 2 }, /"listen=2"/],
    [{ schema: 7 }, /the schema "7"/],
    [{ applicationName: 7 }, /applicationName.*text/],
    [{ nope: 1 }, /no option "nope"; known are url, schema/],
    [{ poool: 1 }, /did you mean pool\?/],
    [{ application_name: "web" }, /did you mean applicationName\?/],
    [{ url: undefined }, /no address of PostgreSQL/],
  ])("refuse %j as the address does", (options, message) => {
    const settings = () => postgresSettings({ url, ...options } as unknown as PostgresOptions);
    expect(settings).toThrowError(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(settings).toThrowError(message);
  });

  it("may be left open", () => {
    const options = { url, pool: undefined, prepare: undefined } as unknown as PostgresOptions;
    expect(postgresSettings(options)).toMatchObject({ pool: 4, prepare: true });
  });
});
