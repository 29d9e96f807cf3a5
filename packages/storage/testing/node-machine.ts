/**
 * A node on a simulated machine, for tests: packs and index in memory, one counter over all their changes, and a power
 * switch. After `crashAt` changes every further one fails, as if the process were gone; `restart` gives the machine that
 * comes up again.
 */

import { type MemoryKv, memoryKv } from "@permafrost/kv";
import { type CrashMode, type MemoryPackStore, memoryPacks, type PackOperation } from "@permafrost/packs";
import type { Random } from "@permafrost/std";
import { type EngineOptions, engineOptions, openEngine, type StorageEngine } from "../src/index.ts";

export const TEST_NODE_ID = "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf";

/** What a change is: an operation on packs, or a batch of the index. */
export type MachineStep = PackOperation | "batch";

export interface NodeMachineOptions extends Partial<EngineOptions> {
  /** Sees each change before and after; fails it by throwing. */
  readonly onStep?: (step: MachineStep, at: "before" | "after") => void;
  readonly capacityBytes?: number;
  /** Awaited before and after each operation of packs and index, so that calls at once interleave in many ways. */
  readonly jitter?: () => Promise<void>;
  /** What it gives is the failure of this opening of the index. */
  readonly onIndexOpen?: () => Error | undefined;
}

export class NodeMachine {
  readonly packs: MemoryPackStore;
  readonly condemned: MemoryPackStore;
  kv: MemoryKv;
  /** Changes so far, before and after counted apart. */
  steps = 0;
  /** The number of the step that fails, with all after it. */
  crashAt = Number.POSITIVE_INFINITY;
  readonly #options: NodeMachineOptions;

  constructor(
    options: NodeMachineOptions = {},
    from?: {
      readonly packs: MemoryPackStore;
      readonly condemned: MemoryPackStore;
      readonly kv: MemoryKv;
      readonly mode: CrashMode;
      readonly keep: "synced" | "all" | "nothing";
    },
  ) {
    this.#options = options;
    const onOperation = (step: MachineStep, at: "before" | "after") => this.#step(step, at);
    const capacity = options.capacityBytes === undefined ? {} : { capacityBytes: options.capacityBytes };
    const packOptions = { onOperation, ...capacity };
    this.packs = from ? from.packs.afterCrash(from.mode, packOptions) : memoryPacks(packOptions);
    this.condemned = from ? from.condemned.afterCrash(from.mode, { onOperation }) : memoryPacks({ onOperation });
    const kvOptions = { onBatch: (at: "before" | "after") => this.#step("batch", at) };
    this.kv = from && from.keep !== "nothing" ? from.kv.afterCrash(from.keep, kvOptions) : memoryKv(kvOptions);
  }

  /** Opens the node's engine on this machine. */
  open(): Promise<StorageEngine> {
    const home = {
      isSuspect: async () => false,
      open: async () => {
        const failure = this.#options.onIndexOpen?.();
        if (failure) throw failure;
        return this.#jittered(this.kv);
      },
      release: async () => undefined,
      destroy: async () => {
        this.kv = memoryKv({ onBatch: (at) => this.#step("batch", at) });
      },
    };
    const options = engineOptions({
      packBytesMax: 8192,
      commitWindowMs: 0,
      keepFreeBytes: 0,
      random: countingRandom(),
      ...this.#options,
    });
    return openEngine(
      async () => TEST_NODE_ID,
      { packs: this.#jittered(this.packs), condemned: this.#jittered(this.condemned), home },
      options,
    );
  }

  /** The same with its promises delayed. */
  #jittered<T extends object>(parts: T): T {
    const { jitter } = this.#options;
    if (!jitter) return parts;
    const delayed = async (answer: Promise<unknown>) => {
      const settled = await answer.then(
        (value) => () => value,
        (error: unknown) => () => {
          throw error;
        },
      );
      await jitter();
      return settled();
    };
    return new Proxy(parts, {
      get(target, name, receiver) {
        const value = Reflect.get(target, name, receiver);
        if (typeof value !== "function") return value;
        return (...args: unknown[]) => {
          const answer = value.apply(target, args);
          return answer instanceof Promise ? delayed(answer) : answer;
        };
      },
    });
  }

  /** The machine after losing power now: packs by `mode`, the index with what `keep` says. */
  restart(mode: CrashMode, keep: "synced" | "all" | "nothing", options: NodeMachineOptions = this.#options): NodeMachine {
    return new NodeMachine(options, { packs: this.packs, condemned: this.condemned, kv: this.kv, mode, keep });
  }

  #step(step: MachineStep, at: "before" | "after"): void {
    this.#options.onStep?.(step, at);
    if (++this.steps >= this.crashAt) throw new Error("the machine is off");
  }
}

let drawn = 0;

/** Bytes that never repeat in this process and need no entropy. */
function countingRandom(): Random {
  return {
    bytes(length) {
      const bytes = Buffer.alloc(length);
      bytes.writeUInt32BE(++drawn, 0);
      return bytes;
    },
    fraction: () => 0.5,
  };
}
