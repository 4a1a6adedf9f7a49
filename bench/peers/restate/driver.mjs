/** Restate: its server with its own store, one service in this process, calls through its ingress. */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import http2 from "node:http2";
import { createServer } from "node:net";
import { arch, platform } from "node:os";
import { fileURLToPath } from "node:url";
import * as restate from "@restatedev/restate-sdk";
import * as clients from "@restatedev/restate-sdk-clients";
import { installedVersion, serve } from "../../dist/peers/serve.js";

const PATIENCE_MS = 30_000;
/** By itself it makes 24, which on one node costs throughput: restatedev/restate#5305. */
const PARTITIONS = process.env.PERDURE_BENCH_RESTATE_PARTITIONS ?? "1";
const packaged = `@restatedev/restate-server-${platform()}-${arch()}`;
const binary = fileURLToPath(new URL(`node_modules/${packaged}/bin/restate-server`, import.meta.url));
const version = installedVersion(import.meta.url, packaged);

const noop = async (i) => ({ ok: true, i });
const flows = restate.service({
  name: "flows",
  handlers: {
    sequence: async (ctx, steps) => {
      let sum = 0;
      for (let i = 0; i < steps; i++) sum += (await ctx.run("noop", () => noop(i))).i;
      return sum;
    },
    fanOut: async (ctx, steps) => {
      const all = Array.from({ length: steps }, (_, i) => ctx.run("noop", () => noop(i)));
      return (await restate.RestatePromise.all(all)).length;
    },
  },
});

await serve(async ({ folder }) => {
  const [servicePort, ingressPort, adminPort, nodePort] = await freePorts(4);
  const service = http2.createServer(restate.createEndpointHandler({ services: [flows], logger: () => {} }));
  service.listen(servicePort, "127.0.0.1");
  const server = spawn(binary, ["--base-dir", folder, "--node-name", "bench"], {
    stdio: "ignore",
    env: {
      ...process.env,
      RESTATE_LISTEN_MODE: "tcp",
      RESTATE_BIND_IP: "127.0.0.1",
      RESTATE_BIND_PORT: String(nodePort),
      RESTATE_INGRESS__BIND_PORT: String(ingressPort),
      RESTATE_ADMIN__BIND_PORT: String(adminPort),
      RESTATE_DEFAULT_NUM_PARTITIONS: PARTITIONS,
      RESTATE_DISABLE_TELEMETRY: "true",
      RESTATE_LOG_FILTER: "off",
      DO_NOT_TRACK: "1",
    },
  });
  process.on("exit", () => server.kill("SIGKILL"));
  await register(`http://127.0.0.1:${adminPort}`, `http://127.0.0.1:${servicePort}`);
  const client = clients.connect({ url: `http://127.0.0.1:${ingressPort}` }).serviceClient(flows);
  await retried(() => client.sequence(1));
  return {
    version,
    settings: `one node with all roles, ${PARTITIONS} partitions, log of one copy, fsync on`,
    runSequence: async (steps) => void (await client.sequence(steps)),
    runFanOut: async (steps) => void (await client.fanOut(steps)),
    rssBesideMb: () =>
      Number(spawnSync("ps", ["-o", "rss=", "-p", String(server.pid)], { encoding: "utf8" }).stdout) / 1e3,
    async close() {
      server.kill("SIGKILL");
      await once(server, "exit");
      service.close();
    },
  };
});

async function register(admin, uri) {
  await retried(async () => {
    const headers = { "content-type": "application/json" };
    const answer = await fetch(`${admin}/deployments`, { method: "POST", headers, body: JSON.stringify({ uri }) });
    if (!answer.ok) throw new Error(`${answer.status} ${await answer.text()}`);
  });
}

/** Again and again until the server is there. */
async function retried(attempt) {
  const until = performance.now() + PATIENCE_MS;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  }
}

async function freePorts(count) {
  const probes = await Promise.all(
    Array.from({ length: count }, async () => {
      const probe = createServer().listen(0, "127.0.0.1");
      await once(probe, "listening");
      return probe;
    }),
  );
  const ports = probes.map((probe) => probe.address().port);
  for (const probe of probes) probe.close();
  return ports;
}
