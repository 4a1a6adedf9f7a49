import { existsSync, mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSealer } from "./sealing.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "perdure-key-"));
});
afterEach(() => rmSync(folder, { recursive: true }));

const unreadable = expect.objectContaining({ code: "INCOMPATIBLE_STORE" });

describe("sealing", () => {
  it("gives back what was sealed, and never the same text twice", () => {
    const sealer = createSealer("memory:", {});
    const sealed = [sealer.seal("pässword 𝒳"), sealer.seal("pässword 𝒳")];
    expect(sealed[0]).not.toBe(sealed[1]);
    expect(sealed.join()).not.toContain("ssword");
    expect(sealed.map((text) => sealer.unseal(text))).toEqual(["pässword 𝒳", "pässword 𝒳"]);
  });

  it("takes its key from PERDURE_KEY, the same in every process", () => {
    const sealed = createSealer("memory:", { PERDURE_KEY: "correct horse" }).seal("x");
    expect(createSealer("memory:", { PERDURE_KEY: "correct horse" }).unseal(sealed)).toBe("x");
    expect(() => createSealer("memory:", { PERDURE_KEY: "another" }).unseal(sealed)).toThrow(unreadable);
  });

  it("else keeps a key beside the database, for its owner only, made at the first use", () => {
    const address = `sqlite:${join(folder, "deep", "app.db")}`;
    const file = join(folder, "deep", "app.db.key");
    const sealer = createSealer(address, {});
    expect(existsSync(file)).toBe(false);
    const sealed = sealer.seal("x");
    expect([statSync(file).size, statSync(file).mode & 0o777]).toEqual([32, 0o600]);
    expect(createSealer({ kind: "sqlite", path: join(folder, "deep", "app.db") }, {}).unseal(sealed)).toBe("x");
  });

  it("needs a key from outside for a database on a server, as every process must have the same", () => {
    for (const store of ["postgres://db/app", { kind: "postgres", id: "abc123" }]) {
      expect(() => createSealer(store, {}).seal("x")).toThrow("set PERDURE_KEY");
      const sealed = createSealer(store, { PERDURE_KEY: "k" }).seal("x");
      expect(createSealer(store, { PERDURE_KEY: "k" }).unseal(sealed)).toBe("x");
    }
  });

  it("says what is wrong when the text was changed or the key file is missing or damaged", () => {
    const address = join(folder, "app.db");
    const sealed = createSealer(address, {}).seal("x");
    const changed = sealed.slice(0, -2) + (sealed.endsWith("AA") ? "BB" : "AA");
    expect(() => createSealer(address, {}).unseal(changed)).toThrow(unreadable);
    expect(() => createSealer(address, {}).unseal("v9.abc")).toThrow(unreadable);
    writeFileSync(`${address}.key`, "short");
    expect(() => createSealer(address, {}).unseal(sealed)).toThrow("5 bytes");
    rmSync(`${address}.key`);
    expect(() => createSealer(address, {}).unseal(sealed)).toThrow("missing");
  });
});
