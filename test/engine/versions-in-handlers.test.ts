/** Changes of handlers: what messages were answered by the code before stays answered that way. */
import { describe, expect, test } from "vitest";
import { query, signal, update, type WorkflowContext, workflow } from "../../src/index.ts";
import { bench } from "./fixture.ts";

const add = update<number, number>("add");
const put = signal<number>("put");
const total = query<number>("total");
const pay = signal<void>("pay");

/** A cart whose handlers issue no command: only the messages are in its history. */
function cart(patched: (wf: WorkflowContext) => boolean) {
  return workflow("cart", async (wf) => {
    let sum = 0;
    const enter = (price: number): number => {
      sum += patched(wf) ? price * 2 : price;
      return sum;
    };
    wf.on(total, () => sum);
    wf.on(add, enter);
    wf.on(put, (price) => void enter(price));
    await wf.waitFor(pay);
    return sum;
  });
}

const before = cart(() => false);
const after = cart((wf) => wf.patched("vat"));

describe("a change in a handler that issues no command", () => {
  test.each([add, put])("leaves messages of before as they were, live and on every replay (%#)", async (token) => {
    const { engine, finish, clock } = bench();
    const send = async (host: Awaited<ReturnType<typeof engine>>, price: number): Promise<void> => {
      const handle = await host.handle("c");
      await (token === add ? handle.update(add, price) : handle.signal(put, price));
      await clock.settle();
    };
    const one = await engine({ workflows: [before] });
    await one.start(before, undefined, { id: "c" });
    for (let n = 0; n < 3; n++) await send(one, 10);
    expect(await (await one.handle("c")).query(total)).toBe(30);
    await one.close();
    for (const sum of [32, 34]) {
      await using two = await engine({ workflows: [after] });
      const handle = await two.handle("c");
      expect(await handle.query(total)).toBe(sum - 2);
      await send(two, 1);
      expect(await handle.query(total)).toBe(sum);
      for await (const { result } of two.replayRuns({})) expect(result).toBe("same");
    }
    await using last = await engine({ workflows: [after] });
    const handle = await last.handle("c");
    await handle.signal(pay);
    expect(await finish(handle)).toBe(34);
  });
});
