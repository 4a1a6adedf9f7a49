/**
 * Adds the optional platform packages to package-lock.json that a registry mirror did not offer when the lock file was written,
 * so that `npm ci` accepts it everywhere. Run after every `npm install` behind such a mirror.
 */
import { readFileSync, writeFileSync } from "node:fs";

const lock = JSON.parse(readFileSync("package-lock.json", "utf8"));
const pkgs = lock.packages;
const added = [];
for (const [at, pkg] of Object.entries(pkgs)) {
  for (const [name, version] of Object.entries(pkg.optionalDependencies ?? {})) {
    const places = [`${at}/node_modules/${name}`, `node_modules/${name}`];
    if (places.some((p) => p in pkgs)) continue;
    const m =
      /(android|darwin|linux|win32|freebsd|openharmony|netbsd|openbsd|sunos|aix|wasm32)-?(arm64|arm|x64|ia32|ppc64|riscv64|s390x|loong64|mips64el|universal|wasi)?/.exec(
        name.split("/")[1],
      );
    if (!m) {
      console.log("cannot tell platform of", name);
      continue;
    }
    const [, os, cpu] = m;
    const libc = /musl/.test(name) ? ["musl"] : /gnu/.test(name) ? ["glibc"] : undefined;
    pkgs[`node_modules/${name}`] = {
      version,
      ...(os === "wasm32" ? { cpu: ["wasm32"] } : { ...(cpu && cpu !== "universal" ? { cpu: [cpu] } : {}) }),
      ...(pkg.dev ? { dev: true } : {}),
      ...(libc ? { libc } : {}),
      optional: true,
      ...(os !== "wasm32" ? { os: [os] } : {}),
    };
    added.push(name);
  }
}
lock.packages = Object.fromEntries(Object.entries(pkgs).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)));
writeFileSync("package-lock.json", `${JSON.stringify(lock, null, 2)}\n`);
console.log(added.length, "added", added.join(" "));
