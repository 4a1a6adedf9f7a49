/** The driver of Perdure, beside those of its peers: an engine with its defaults. */
import { createRequire } from "node:module";
import { open } from "perdure";
import { fanOut, sequence } from "../workflows.ts";
import { serve } from "./serve.ts";

const { version } = createRequire(import.meta.url)("perdure/package.json") as { version: string };

await serve(async ({ address }) => {
  const engine = await open({ store: address, workflows: [sequence, fanOut] });
  return {
    version,
    settings: "defaults",
    runSequence: async (steps) => void (await (await engine.start(sequence, steps)).result()),
    runFanOut: async (steps) => void (await (await engine.start(fanOut, steps)).result()),
    close: () => engine.close(),
  };
});
