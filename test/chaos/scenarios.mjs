/**
 * What clients do, drawn by the seed: each scenario starts a run and does something with it until it has ended. Everything a scenario
 * asks for can be asked for again: starts have ids that are never used twice, messages have keys.
 */
import { unitInterval } from "../../dist/core/random.js";

/** A source of draws that a text repeats. */
export function drawing(text) {
  let drawn = 0;
  const unit = () => unitInterval(`${text}/${++drawn}`);
  return {
    between: (from, to) => from + Math.floor(unit() * (to - from + 1)),
    chance: (share) => unit() < share,
    one: (list) => list[Math.floor(unit() * list.length)],
  };
}

const list = (length, make) => Array.from({ length }, (_, at) => make(at));
const ACCOUNTS = 8;
/** Carts that are filled from all sides. */
const CARTS = 5;

function steps(draw, from, to) {
  return list(draw.between(from, to), () => ({
    ms: draw.chance(0.3) ? 0 : draw.between(1, 80),
    fail: draw.chance(0.2) ? draw.between(1, 3) : 0,
  }));
}

function moves(draw) {
  return list(draw.between(1, 4), () => {
    const from = draw.between(1, ACCOUNTS);
    return { from, to: (from % ACCOUNTS) + 1, amount: draw.between(1, 50) };
  });
}

/** Starts a run with nothing else to do than to end. */
const plain = (workflow, input) => async (told, draw) => {
  await told.start(workflow, input(draw));
  await told.result();
};

/** Starts a run, lets some time pass and does something to it. */
const interrupted = (kind, workflow, input) => async (told, draw) => {
  await told.start(workflow, input(draw));
  await told.pause(draw.between(0, 700));
  await told.ask(kind, kind);
  await told.result();
};

const KINDS = {
  steps: { weight: 6, play: plain("steps", (draw) => ({ steps: steps(draw, 1, 10) })) },
  fan: {
    weight: 4,
    play: plain("fan", (draw) => ({ items: steps(draw, 2, 16), concurrency: draw.between(1, 8) })),
  },
  far: {
    weight: 4,
    play: plain("far", (draw) => ({
      steps: steps(draw, 1, 6).map((step) => ({ ...step, together: draw.chance(0.4) })),
    })),
  },
  /** Started inside a transaction of its client. */
  order: {
    weight: 4,
    async play(told, draw) {
      if (draw.chance(0.25)) await told.order(`${told.id}-undone`, { undone: true });
      await told.order(told.id, { undone: false });
      await told.result();
    },
  },
  naps: {
    weight: 4,
    play: plain("naps", (draw) => ({
      naps: list(draw.between(1, 4), () => (draw.chance(0.1) ? draw.between(5500, 7000) : draw.between(20, 1500))),
    })),
  },
  inbox: {
    weight: 5,
    async play(told, draw) {
      const count = draw.between(3, 12);
      await told.start("inbox", { count, every: draw.between(2, 4) });
      for (let n = 0; n < count; n++) {
        if (draw.chance(0.3)) await told.pause(draw.between(0, 1000));
        await told.signal(`s${n}`);
      }
      await told.result();
    },
  },
  /** Signals until nobody takes them any more. */
  late: {
    weight: 2,
    async play(told, draw) {
      await told.start("inbox", { count: 3, every: 2 });
      for (let n = 0; n < draw.between(4, 7); n++) await told.signal(`s${n}`);
      await told.result();
    },
  },
  tally: {
    weight: 4,
    async play(told, draw) {
      const count = draw.between(3, 14);
      await told.start("tally", { ids: [], count, every: draw.between(2, 5) });
      for (let n = 0; n < count; n++) {
        await told.update(`u${n}`);
        if (draw.chance(0.3)) await told.update(`u${n}`, "again");
        if (draw.chance(0.2)) await told.query(`q${n}`);
      }
      await told.result();
    },
  },
  family: { weight: 3, play: plain("family", (draw) => ({ children: draw.between(0, 4), ms: draw.between(0, 60) })) },
  undoing: { weight: 3, play: plain("undoing", (draw) => ({ steps: draw.between(1, 5), ms: draw.between(0, 40) })) },
  transfers: { weight: 6, play: plain("transfers", (draw) => ({ moves: moves(draw) })) },
  slow: { weight: 2, play: plain("slow", (draw) => ({ ticks: draw.between(8, 40) })) },
  flaw: {
    weight: 3,
    async play(told) {
      await told.start("flaw", null);
      await told.result("before");
      await told.ask("resume", "resume");
      await told.result();
    },
  },
  cancelled: {
    weight: 2,
    play: interrupted("cancel", "steps", (draw) => ({ steps: steps(draw, 4, 12) })),
  },
  cancelledFamily: {
    weight: 2,
    play: interrupted("cancel", "family", (draw) => ({ children: draw.between(1, 4), ms: draw.between(20, 200) })),
  },
  cancelledSaga: {
    weight: 2,
    play: interrupted("cancel", "undoing", (draw) => ({ steps: draw.between(3, 6), ms: draw.between(20, 120) })),
  },
  cancelledTransfers: { weight: 2, play: interrupted("cancel", "transfers", (draw) => ({ moves: moves(draw) })) },
  /** Cancelled, then resumed. */
  revived: {
    weight: 2,
    async play(told, draw) {
      await told.start("naps", { naps: list(3, () => draw.between(50, 900)) });
      await told.pause(draw.between(0, 900));
      await told.ask("cancel", "cancel");
      if ((await told.result("before")).code !== "RUN_CANCELLED") return;
      await told.ask("resume", "resume");
      await told.result();
    },
  },
  terminated: {
    weight: 2,
    play: interrupted("terminate", "naps", (draw) => ({ naps: list(4, () => draw.between(100, 6500)) })),
  },
  terminatedFamily: {
    weight: 1,
    play: interrupted("terminate", "family", (draw) => ({ children: 3, ms: draw.between(50, 300) })),
  },
  paused: {
    weight: 3,
    async play(told, draw) {
      await told.start("steps", { steps: steps(draw, 4, 12) });
      await told.pause(draw.between(0, 300));
      await told.ask("pause", "pause");
      await told.pause(draw.between(0, 800));
      // What was asked of an engine that was frozen may come late: whoever waits for a run that stands still makes it go on.
      await told.result("result", { resuming: true });
    },
  },
  cart: {
    weight: 4,
    async play(told, draw) {
      const key = `cart-${draw.between(1, CARTS)}`;
      for (let n = draw.between(1, 5); n > 0; n--) await told.add(key, `${told.id}-${n}`);
    },
  },
};

const NAMES = Object.keys(KINDS);
const WHEEL = Object.entries(KINDS).flatMap(([kind, { weight }]) => Array(weight).fill(kind));

/** Every n-th scenario is one that all clients take part in. */
const CROWD_EVERY = 8;
const CROWD_ITEMS = 4;

export function isCrowd(n) {
  return n % CROWD_EVERY === CROWD_EVERY - 1;
}

/**
 * Scenario `n` of client `client` of `clients`: its name, which is the id of its run, its kind and what it does. The crowd: all start the same run at
 * once and fill its inbox together.
 */
export function scenario(seed, { client, clients }, n) {
  if (isCrowd(n)) {
    const id = `crowd-${Math.floor(n / CROWD_EVERY)}`;
    return {
      id,
      kind: "crowd",
      n,
      play: (told) => crowd(told, client, clients),
      draw: drawing(`${seed}/${id}/${client}`),
    };
  }
  const id = `${client}-${n}`;
  const draw = drawing(`${seed}/${id}`);
  // Each once, whatever the draws, at different times for different clients.
  const kind = n < NAMES.length + NAMES.length / CROWD_EVERY ? nth(n, client) : draw.one(WHEEL);
  return { id: `${kind}-${id}`, kind, n, play: KINDS[kind].play, draw };
}

function nth(n, client) {
  const at = n - Math.floor(n / CROWD_EVERY) + client * 7;
  return NAMES[at % NAMES.length];
}

async function crowd(told, client, clients) {
  await told.start("inbox", { count: clients * CROWD_ITEMS, every: 3, by: client });
  for (let n = 0; n < CROWD_ITEMS; n++) await told.signal(`s${n}-${client}`);
  await told.result();
}
