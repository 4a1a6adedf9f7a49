/** What is left in the inbox costs nothing until it is wanted. */
import { expect, test } from "vitest";
import { Inbox } from "../../src/engine/inbox.ts";
import type { MessageRow } from "../../src/store/store.ts";

const signals = (from: number, to: number): MessageRow[] =>
  Array.from({ length: to - from }, (_, n) => ({
    run: 1,
    number: from + n,
    kind: "signal",
    name: "a",
    data: "0",
    at: 0,
  }));

const numbersOf = (messages: readonly MessageRow[]): number[] => messages.map(({ number }) => number);

/** Takes so many and leaves the rest; says what was taken, and how many messages were looked at. */
function look(inbox: Inbox, room: number): { taken: number[]; looked: number } {
  let looked = 0;
  inbox.lookAgain(() => room);
  const taken = inbox.take(100, () => ++looked > room);
  return { taken: numbersOf(taken), looked };
}

test("messages that were left are looked at again only as far as there is room", () => {
  const inbox = new Inbox();
  inbox.deliver(signals(1, 1001), 1000);
  expect(look(inbox, 3)).toEqual({ taken: [1, 2, 3], looked: 1000 });
  expect(look(inbox, 0)).toEqual({ taken: [], looked: 0 });
  expect(look(inbox, 2)).toEqual({ taken: [4, 5], looked: 2 });
  expect([...(inbox.lines ?? [])]).toEqual(["a"]);
});

test("what was put back and what came meanwhile keep their places around what was left", () => {
  const inbox = new Inbox();
  inbox.deliver(signals(1, 11), 10);
  look(inbox, 2);
  const { taken } = look(inbox, 3);
  inbox.giveBack(signals(3, 6));
  inbox.deliver(signals(11, 13), 12);
  expect(taken).toEqual([3, 4, 5]);
  expect(look(inbox, 1).taken).toEqual([3]);
  expect(look(inbox, 4).taken).toEqual([4, 5, 6, 7]);
  expect(numbersOf(inbox.takeAll())).toEqual([8, 9, 10, 11, 12]);
});
