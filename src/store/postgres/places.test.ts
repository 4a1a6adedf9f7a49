import { expect, it } from "vitest";
import { Places } from "./places.ts";

it("gives as many places as there are, and then in the order of asking, whatever waiting takes", async () => {
  const places = new Places(2);
  const got: number[] = [];
  const asking = [1, 2, 3, 4].map((n) => places.take().then(() => got.push(n)));
  await Promise.all(asking.slice(0, 2));
  expect(got).toEqual([1, 2]);
  places.giveBack();
  await asking[2];
  expect(got).toEqual([1, 2, 3]);
  places.giveBack();
  await asking[3];
  places.giveBack();
  places.giveBack();
  await Promise.all([places.take(), places.take()]);
  expect(got).toEqual([1, 2, 3, 4]);
});
