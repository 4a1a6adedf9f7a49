/**
 * Randomness in workflow code derives from the run and the commands it has issued (rule 8): the same on replay, another one for
 * each call. It has a stream of its own, which begins anew with each command: how much of it a library uses does not change what
 * `wf.random()` and `wf.uuid()` answer.
 *
 * None of it is a secret. What is made for secrets, or fills a pool that outlives the turn, is refused.
 */
import crypto from "node:crypto";
import { unitInterval, uuidFrom } from "../../core/random.ts";
import type { GuardedCode } from "./guard.ts";
import { functionPatch, type Inside, PASS, refusing } from "./guarded-function.ts";
import { INSTEAD } from "./message.ts";
import { type AnyFunction, holderOf, type Patch } from "./patch.ts";
import { refuse } from "./workflow-code.ts";

/** How many values a run has drawn since its last command. */
interface Draws {
  commands: number;
  count: number;
}

const drawn = new WeakMap<GuardedCode, Draws>();

function nextSeed(code: GuardedCode): string {
  const { commands, drawnAs } = code.machine;
  let draws = drawn.get(code);
  if (draws === undefined || draws.commands !== commands) {
    draws = { commands, count: 0 };
    drawn.set(code, draws);
  }
  return `${drawnAs}:${commands}:ambient:${draws.count++}`;
}

/** More random bytes than this at once are for a pool, which would hand the same numbers to the whole process. */
const MAX_BYTES = 64;
const BYTES_PER_DRAW = 6;

/** The real function looks at what it is given, then the bytes are the run's. */
function randomValues(original: AnyFunction): Inside {
  return (code, args, self) => {
    const [view] = args;
    if (!ArrayBuffer.isView(view)) return PASS;
    if (view.byteLength > MAX_BYTES) {
      refuse(code, `crypto.getRandomValues of ${view.byteLength} bytes`, INSTEAD.randomness, self);
      return PASS;
    }
    Reflect.apply(original, globalThis.crypto, args);
    const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
    for (let at = 0; at < bytes.length; at += BYTES_PER_DRAW) {
      let bits = Math.floor(unitInterval(nextSeed(code)) * 2 ** (8 * BYTES_PER_DRAW));
      for (let i = at; i < Math.min(at + BYTES_PER_DRAW, bytes.length); i++) {
        bytes[i] = bits % 256;
        bits = Math.floor(bits / 256);
      }
    }
    return view;
  };
}

/** Functions of node:crypto that make secrets. */
const SECRETS = [
  "randomBytes",
  "randomFill",
  "randomFillSync",
  "randomInt",
  "generateKey",
  "generateKeySync",
  "generateKeyPair",
  "generateKeyPairSync",
  "generatePrime",
  "generatePrimeSync",
];

export function randomnessPatches(): Patch[] {
  const random = (): Inside => (code) => unitInterval(nextSeed(code));
  const uuid = (): Inside => (code) => uuidFrom(nextSeed(code));
  const patches = [functionPatch(Math, "random", random), functionPatch(crypto, "randomUUID", uuid)];
  const web = holderOf(globalThis.crypto, "randomUUID");
  if (web !== undefined)
    patches.push(functionPatch(web, "randomUUID", uuid), functionPatch(web, "getRandomValues", randomValues));
  for (const name of SECRETS)
    patches.push(functionPatch(crypto, name, () => refusing(`crypto.${name}`, INSTEAD.randomness)));
  return patches;
}
