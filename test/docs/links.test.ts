import { existsSync, statSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { describe, expect, it } from "vitest";
import { pages, ROOT } from "./page.ts";

const all = pages();
const byPath = new Map(all.map((page) => [page.path, page]));

describe.each(all.map((page) => [page.path, page] as const))("%s", (path, page) => {
  it("links only to what exists", () => {
    const broken = page.links
      .filter(({ target }) => !/^(https?|mailto):/.test(target))
      .flatMap(({ target, line }) => {
        const [file = "", anchor] = target.split("#");
        const full = file === "" ? join(ROOT, path) : join(ROOT, dirname(path), file);
        if (!existsSync(full)) return [`${path}:${line}: ${target} does not exist`];
        const other = statSync(full).isFile() ? byPath.get(relative(ROOT, full)) : undefined;
        if (anchor === undefined || other === undefined || other.anchors.has(anchor)) return [];
        return [`${path}:${line}: ${target}: no such heading`];
      });
    expect(broken).toEqual([]);
  });
});

describe("docs/README.md", () => {
  it("leads to every page", () => {
    const linked = new Set(byPath.get("docs/README.md")?.links.map(({ target }) => target.split("#")[0]));
    const forgotten = all.filter(
      ({ path, name }) => path.startsWith("docs/") && name !== "README" && !linked.has(`${name}.md`),
    );
    expect(forgotten.map(({ path }) => path)).toEqual([]);
  });
});
