/** What reaches out of the process or waits for it, and is therefore refused in workflow code. */
import childProcess from "node:child_process";
import crypto from "node:crypto";
import dgram from "node:dgram";
import dns from "node:dns";
import fs from "node:fs";
import http from "node:http";
import http2 from "node:http2";
import https from "node:https";
import net from "node:net";
import timers from "node:timers";
import timersPromises from "node:timers/promises";
import tls from "node:tls";
import threads from "node:worker_threads";
import { functionPatch, guardedFunction, refusing } from "./guarded-function.ts";
import { INSTEAD, type Instead } from "./message.ts";
import type { AnyFunction, Patch } from "./patch.ts";
import { type InnerFace, twoFacedProperty } from "./two-faced-property.ts";

/** Functions of one object. `label` is what they are called by: `fs.` and the name. */
interface Effects {
  readonly holder: object;
  readonly label: string;
  readonly names: readonly string[];
  readonly instead: Instead;
}

const TIMERS = ["setTimeout", "setInterval", "setImmediate"];
/** Classes that nodes of this process may have, made when they are first looked at. */
const SOCKETS = ["WebSocket", "EventSource"];

/** Functions one can call without `new`. */
function callable(holder: object): string[] {
  return Object.entries(Object.getOwnPropertyDescriptors(holder))
    .filter(([name, { value }]) => typeof value === "function" && /^[a-z]/.test(name))
    .map(([name]) => name);
}

function effects(): Effects[] {
  const { timer, limit, network, files, process: processes, cryptography } = INSTEAD;
  const lookups = callable(dns).filter((name) => /^(lookup|resolve|reverse)/.test(name));
  const subtle = Object.getPrototypeOf(crypto.webcrypto.subtle) as object;
  const scheduler = Object.getPrototypeOf(timersPromises.scheduler) as object;
  return [
    { holder: globalThis, label: "", names: TIMERS, instead: timer },
    { holder: timers, label: "", names: TIMERS, instead: timer },
    { holder: timersPromises, label: "", names: TIMERS, instead: timer },
    { holder: scheduler, label: "scheduler.", names: ["wait", "yield"], instead: timer },
    { holder: AbortSignal, label: "AbortSignal.", names: ["timeout"], instead: limit },
    { holder: globalThis, label: "", names: ["fetch"], instead: network },
    { holder: http, label: "http.", names: ["request", "get"], instead: network },
    { holder: https, label: "https.", names: ["request", "get"], instead: network },
    { holder: http2, label: "http2.", names: ["connect"], instead: network },
    { holder: net, label: "net.", names: ["connect", "createConnection"], instead: network },
    { holder: net.Socket.prototype, label: "net.Socket.", names: ["connect"], instead: network },
    { holder: tls, label: "tls.", names: ["connect"], instead: network },
    { holder: dgram, label: "dgram.", names: ["createSocket"], instead: network },
    { holder: dns, label: "dns.", names: lookups, instead: network },
    { holder: dns.promises, label: "dns.promises.", names: lookups, instead: network },
    { holder: fs, label: "fs.", names: callable(fs), instead: files },
    { holder: fs.promises, label: "fs.promises.", names: callable(fs.promises), instead: files },
    { holder: childProcess, label: "child_process.", names: callable(childProcess), instead: processes },
    { holder: threads, label: "worker_threads.", names: ["Worker"], instead: processes },
    { holder: subtle, label: "crypto.subtle.", names: callable(subtle), instead: cryptography },
  ];
}

/** A class that is only made when somebody looks at it: only workflow code gets the one that refuses. */
function refusingClass(name: string): InnerFace {
  return (_code, real) => {
    const original = real();
    return typeof original === "function"
      ? guardedFunction(original as AnyFunction, refusing(name, INSTEAD.network))
      : original;
  };
}

export function effectPatches(): Patch[] {
  const functions = effects().flatMap(({ holder, label, names, instead }) =>
    names.map((name) => functionPatch(holder, name, () => refusing(`${label}${name}`, instead))),
  );
  return [...functions, ...SOCKETS.map((name) => twoFacedProperty(globalThis, name, refusingClass(name)))];
}
