import fc from "fast-check";
import { expect, test } from "vitest";
import { FairLine } from "./fair-line.ts";

test("every run gets its turn, whatever others have brought before", () => {
  const line = new FairLine<string>();
  for (const entry of ["a1", "a2", "a3", "b1", "c1", "c2"]) line.join(entry.charCodeAt(0), entry);
  const taken = Array.from({ length: 6 }, () => line.take());
  expect(taken).toEqual(["a1", "b1", "c1", "a2", "c2", "a3"]);
  expect(line.take()).toBeUndefined();
});

test("the order is that of a list per run, asked round and round, whoever comes and leaves meanwhile", () => {
  const act = fc.oneof(
    { weight: 3, arbitrary: fc.record({ join: fc.nat(4) }) },
    { weight: 2, arbitrary: fc.constant({ take: true }) },
    { weight: 1, arbitrary: fc.record({ leave: fc.nat(30) }) },
  );
  fc.assert(
    fc.property(fc.array(act, { maxLength: 60 }), (acts) => {
      const line = new FairLine<number>();
      const leaves = new Map<number, () => void>();
      let model: { run: number; values: number[] }[] = [];
      let next = 0;
      for (const one of acts as { join?: number; take?: true; leave?: number }[]) {
        if (one.join !== undefined) {
          const group = model.find(({ run }) => run === one.join);
          if (group === undefined) model.push({ run: one.join, values: [next] });
          else group.values.push(next);
          leaves.set(next, line.join(one.join, next++));
        } else if (one.take !== undefined) {
          const group = model.shift();
          const value = group?.values.shift();
          if (group !== undefined) model.push(group);
          expect(line.take()).toBe(value);
          leaves.delete(value ?? -1);
        } else {
          const value = [...leaves.keys()][one.leave! % Math.max(1, leaves.size)];
          if (value === undefined) continue;
          leaves.get(value)!();
          leaves.delete(value);
          for (const group of model) group.values = group.values.filter((other) => other !== value);
        }
        model = model.filter(({ values }) => values.length > 0);
        expect(line.size).toBe(model.reduce((sum, { values }) => sum + values.length, 0));
      }
    }),
  );
});
