/** An entity that keeps what it was told, in the order in which it was handled. */
import { type AnyEntity, entity } from "../../src/workflow/entity.ts";
import type { Bump } from "./interpreter.ts";

/** The state of a tally. */
export interface TallyState {
  readonly seen: string[];
}

export const TALLY: AnyEntity = entity("tally", {
  state: { seen: [] as string[] },
  on: {
    add: async (state, { asker, n }: Bump, { wf }) => {
      const place = state.seen.push(`${asker} ${n}`);
      if (n % 4 === 0) throw new RangeError(`${n} is not taken`);
      if (n % 3 === 0) await wf.sleep(n * 200);
      return place;
    },
    end: (_state, _bump: Bump, ctx) => ctx.end(),
  },
  continueAfter: 3,
});
