/** The guard beside OpenTelemetry: its patches of node:http, its asynchronous context, spans in all three kinds of code. */
import type http from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { context, SpanKind, trace } from "@opentelemetry/api";
import { HttpInstrumentation } from "@opentelemetry/instrumentation-http";
import { BatchSpanProcessor, InMemorySpanExporter, NodeTracerProvider } from "@opentelemetry/sdk-trace-node";
import { afterAll, beforeEach, describe, expect, it } from "vitest";
import { activity, type Perdure, workflow } from "../../src/index.ts";
import { type Bench, bench } from "./fixture.ts";

const require = createRequire(import.meta.url);
const exporter = new InMemorySpanExporter();
const provider = new NodeTracerProvider({ spanProcessors: [new BatchSpanProcessor(exporter)] });
provider.register();
const tracer = trace.getTracer("guard");
const instrumentation = new HttpInstrumentation();
instrumentation.setTracerProvider(provider);
instrumentation.disable();

beforeEach(() => exporter.reset());
afterAll(() => provider.shutdown());

async function spans(): Promise<{ name: string; kind: SpanKind; id: string; parent: string | undefined }[]> {
  await provider.forceFlush();
  return exporter.getFinishedSpans().map((span) => ({
    name: span.name,
    kind: span.kind,
    id: span.spanContext().spanId,
    parent: span.parentSpanContext?.spanId,
  }));
}

const { createServer } = require("node:http") as typeof http;
const answering = createServer((_, response) => response.end("ok"));
const address = new Promise<string>((resolve) => {
  answering.listen(0, "127.0.0.1", () => resolve(`http://127.0.0.1:${(answering.address() as AddressInfo).port}`));
});
afterAll(() => answering.close());

/** What the application does: asks through the module as it is now, patches included. */
async function ask(): Promise<number | undefined> {
  const url = await address;
  const { get } = require("node:http") as typeof http;
  return new Promise((resolve, reject) => {
    get(url, (response) => {
      response.resume();
      response.on("end", () => resolve(response.statusCode));
    }).on("error", reject);
  });
}

const asking = activity("asking", async () =>
  tracer.startActiveSpan("in activity", async (span) => {
    const status = await ask();
    span.end();
    return status;
  }),
);

const traced = workflow("traced", async (wf) =>
  tracer.startActiveSpan("in workflow", async (span) => {
    const status = await wf.call(asking);
    const kept = trace.getSpan(context.active()) === span;
    span.end();
    return { status, kept };
  }),
);

const impatient = workflow("impatient", async () => {
  const { get } = require("node:http") as typeof http;
  get("http://127.0.0.1:9");
});

async function both(on: Bench, engine: Perdure): Promise<void> {
  const run = await engine.start(traced);
  expect(await on.finish(run)).toEqual({ status: 200, kept: true });
  const error = (await on.finish(await engine.start(impatient)).catch((thrown: unknown) => thrown)) as Error;
  expect(error.cause).toMatchObject({ code: "NONDETERMINISTIC" });
  expect((error.cause as Error).message).toMatch(
    /^http\.(get|request) was used in workflow code at \S*guard-opentelemetry/,
  );
  await tracer.startActiveSpan("in application", async (span) => {
    expect(await ask()).toBe(200);
    span.end();
  });
  const seen = await spans();
  // A request that was refused on its way may have left a span of its own, which belongs to nothing.
  const ofClient = seen.filter(({ kind, parent }) => kind === SpanKind.CLIENT && parent !== undefined);
  const idOf = (name: string): string | undefined => seen.find((span) => span.name === name)?.id;
  expect(ofClient.map(({ parent }) => parent)).toEqual([idOf("in activity"), idOf("in application")]);
  expect(idOf("in workflow")).toBeDefined();
}

describe("OpenTelemetry", () => {
  it("enabled before an engine opens traces the application and activities, and its spans may be made in workflow code", async () => {
    instrumentation.enable();
    require("node:http");
    const on = bench();
    const engine = await on.engine({ workflows: [traced, impatient] });
    await both(on, engine);
    await engine.close();
    expect(await ask()).toBe(200);
    expect((await spans()).filter(({ kind }) => kind === SpanKind.CLIENT)).toHaveLength(3);
    instrumentation.disable();
  });

  it("enabled and disabled while one is open does so, too, and leaves a working http", async () => {
    const on = bench();
    const engine = await on.engine({ workflows: [traced, impatient] });
    instrumentation.enable();
    require("node:http");
    await both(on, engine);
    instrumentation.disable();
    expect(await ask()).toBe(200);
    await engine.close();
    expect(await ask()).toBe(200);
    expect((await spans()).filter(({ kind, parent }) => kind === SpanKind.CLIENT && parent !== undefined)).toHaveLength(
      2,
    );
  });
});
