/** Definitions of declarative workflows under their hash. */
import assert from "node:assert/strict";
import { withScene } from "./scene.ts";
import type { Topic } from "./subject.ts";

const flow = { hash: "h1", name: "etl", body: '{"steps":[]}', createdAt: 3 };

export const definitions: Topic = (subject, { describe, it }) => {
  describe("definitions", () => {
    it("keeps a definition under its hash, the first one for good", () =>
      withScene(subject, async ({ store }) => {
        assert.equal(await store.definition("h1"), undefined);
        await store.putDefinition(flow);
        await store.putDefinition({ ...flow, createdAt: 9 });
        assert.deepEqual(await store.definition("h1"), flow);
      }));
  });
};
