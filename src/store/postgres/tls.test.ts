import { describe, expect, it } from "vitest";
import { settleTls } from "./tls.ts";

function settled(parameters: string, env: Record<string, string> = {}): string {
  const search = new URLSearchParams(parameters);
  settleTls(search, env);
  return search.toString();
}

describe("TLS in an address", () => {
  it.each([
    ["", ""],
    ["sslmode=disable", "sslmode=disable&uselibpqcompat=true"],
    ["sslmode=require", "sslmode=require&uselibpqcompat=true"],
    ["sslmode=require&sslrootcert=a.pem", "sslmode=require&sslrootcert=a.pem&uselibpqcompat=true"],
    ["sslmode=verify-ca&sslrootcert=a.pem", "sslmode=verify-ca&sslrootcert=a.pem&uselibpqcompat=true"],
    ["sslmode=verify-full", "sslmode=verify-full&uselibpqcompat=true"],
    ["sslrootcert=a.pem", "sslrootcert=a.pem&sslmode=verify-full&uselibpqcompat=true"],
    ["sslmode=require&sslnegotiation=direct", "sslmode=require&sslnegotiation=direct&uselibpqcompat=true"],
  ])("has the meaning of libpq: %s", (given, taken) => {
    expect(settled(given)).toBe(taken);
  });

  it("comes from PGSSLMODE where the address says nothing", () => {
    expect(settled("", { PGSSLMODE: "require" })).toContain("sslmode=require");
    expect(settled("sslmode=disable", { PGSSLMODE: "require" })).toContain("sslmode=disable");
    expect(settled("", { PGSSLMODE: "" })).toBe("");
    expect(() => settled("", { PGSSLMODE: "prefer" })).toThrow(/"sslmode=prefer" in PGSSLMODE/);
  });

  it.each([
    ["sslmode=prefer", /not encrypted.*require, or disable/],
    ["sslmode=allow", /not encrypted.*require, or disable/],
    ["sslmode=no-verify", /require/],
    ["sslmode=REQUIRE", /did you mean require\?/],
    ["sslmode=verify-fulll", /did you mean verify-full\?/],
    ["sslmode=verify_ca", /did you mean verify-ca\?/],
    ["sslmode=yes", /it can be disable, require, verify-ca, verify-full/],
    ["sslmode=", /it can be/],
    ["sslmode=verify-ca", /needs sslrootcert=FILE/],
    ["sslmode=verify-ca&sslrootcert=", /needs sslrootcert=FILE/],
    ["sslmode=verify-full&sslrootcert=system", /authorities that Node knows/],
    ["sslmode=verify-full&sslcert=a.pem", /both/],
    ["sslnegotiation=direct", /needs sslmode=require/],
    ["sslmode=disable&sslnegotiation=direct", /needs sslmode=require/],
    ["sslmode=require&sslnegotiation=later", /postgres or direct/],
  ])("is refused: %s", (given, message) => {
    expect(() => settled(given)).toThrowError(expect.objectContaining({ code: "INVALID_ARGUMENT" }));
    expect(() => settled(given)).toThrowError(message);
  });
});
