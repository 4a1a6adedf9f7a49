/** Values on their way into a history and back: codecs, errors, bytes. */
import { describe, expect, it } from "vitest";
import { activity, type PayloadCodec, signal, workflow } from "../../src/index.ts";
import { bench } from "./fixture.ts";

const go = signal<string>("go");
const a = activity("a", async (n: number) => n);

describe("a history that cannot be read", () => {
  it("blocks its run with the reason and leaves the others alone", async () => {
    const { engine, finish, store, clock } = bench();
    const w = workflow("w", async (wf, n: number) => {
      await wf.call(a, n);
      await wf.waitFor(go);
      return n;
    });
    const codec = {
      encode: (text: string) => text.split("").reverse().join(""),
      decode: (text: string) => text.split("").reverse().join(""),
    };
    const one = await engine({ workflows: [w], codec });
    await one.start(w, 1, { id: "coded" });
    await clock.advance(100);
    await one.close();
    const two = await engine({ workflows: [w], store });
    const plain = await two.start(w, 2, { id: "plain" });
    const coded = await two.handle("coded");
    await coded.signal(go, "now");
    await plain.signal(go, "now");
    expect(await finish(plain)).toBe(2);
    await clock.advance(2000);
    expect(await coded.describe()).toMatchObject({ status: "blocked", blocked: { reason: "defect" } });
  });
});

describe("a codec that does not answer with text", () => {
  it.each([
    ["encode", { encode: async (text: string) => text, decode: (text: string) => text }],
    ["encode", { encode: (text: string) => Buffer.from(text), decode: (text: Buffer) => `${text}` }],
  ])("is refused before anything is lost: %s", async (_, codec) => {
    const { engine } = bench();
    const w = workflow("w", async () => 1);
    await using e = await engine({ workflows: [w], codec: codec as unknown as PayloadCodec });
    await expect(e.start(w)).rejects.toMatchObject({
      code: "INVALID_ARGUMENT",
      message: expect.stringMatching(/encode of the codec must return text, at once: it returned \[object/) as string,
    });
    expect(await e.runs.list()).toEqual([]);
  });

  it("blocks the run that is read with it, and says why", async () => {
    const { engine, finish } = bench();
    const codec = { encode: (text: string) => text, decode: async (text: string) => text } as unknown as PayloadCodec;
    const w = workflow("w", async () => 1);
    await using e = await engine({ workflows: [w], codec });
    await expect(finish(await e.start(w))).rejects.toThrow("decode of the codec must return text, at once");
  });
});

describe("errors as inputs", () => {
  it("replay although their stacks are other ones", async () => {
    const { engine, finish, store, clock } = bench();
    const tell = activity("tell", async (error: Error) => `${error.name}: ${error.message}`);
    const w = workflow("w", async (wf) => {
      const told = await wf.call(tell, new RangeError("too far"));
      await wf.waitFor(go);
      return told;
    });
    const one = await engine({ workflows: [w] });
    await one.start(w, undefined, { id: "r" });
    await clock.advance(100);
    await one.close();
    const two = await engine({ workflows: [w], store });
    const handle = await two.handle<string>("r");
    await handle.signal(go, "now");
    expect(await finish(handle)).toBe("RangeError: too far");
  });
});

describe("bytes as inputs", () => {
  it("are those that are seen, whatever else lies in their buffer", async () => {
    const { engine, finish, store, clock } = bench();
    let around = 1;
    const sum = activity("sum", async (views: { bytes: Uint8Array; floats: Float64Array; data: DataView }) => [
      views.bytes.reduce((all, byte) => all + byte, 0),
      views.floats.reduce((all, float) => all + float, 0),
      views.data.getUint8(0),
      views.bytes.buffer.byteLength + views.floats.buffer.byteLength + views.data.buffer.byteLength,
    ]);
    const w = workflow("w", async (wf) => {
      const pool = new Uint8Array(4_000_000).fill(around++);
      pool.set([1, 2, 3], 8);
      const floats = new Float64Array([around, 0.5]).subarray(1);
      const bytes = pool.subarray(8, 11);
      const told = await wf.call(sum, { bytes, floats, data: new DataView(pool.buffer, 10, 1) });
      await wf.waitFor(go);
      return told;
    });
    const one = await engine({ workflows: [w] });
    await one.start(w, undefined, { id: "r" });
    await clock.advance(100);
    await one.close();
    const two = await engine({ workflows: [w], store });
    const handle = await two.handle<number[]>("r");
    await handle.signal(go, "now");
    expect(await finish(handle)).toEqual([6, 0.5, 3, 12]);
  });
});
