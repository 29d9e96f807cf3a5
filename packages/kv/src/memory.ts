/**
 * Kv in memory, for tests. Batches are atomic; `afterCrash` gives the store as a machine could find it after losing
 * power: every batch up to the last synced one is there, of those after it a prefix.
 */

import { compareBytes } from "@permafrost/std";
import { kvClosed } from "./errors.ts";
import type { Kv, KvOperation } from "./kv.ts";

export interface MemoryKv extends Kv {
  /** A new store with what is surely durable (`synced`) or with everything (`all`). This one is closed. */
  afterCrash(keep: "synced" | "all", options?: MemoryKvOptions): MemoryKv;
  /** Changes a stored value behind the store's back; for tests of damage. */
  tamper(key: Uint8Array, value: Uint8Array | undefined): void;
}

export interface MemoryKvOptions {
  /** Called before each batch is applied and again after; what it throws is the batch's failure. */
  readonly onBatch?: (at: "before" | "after") => void;
}

/** An empty store. */
export function memoryKv(options: MemoryKvOptions = {}): MemoryKv {
  return memoryKvOver(new Map(), options);
}

function memoryKvOver(initial: Map<string, Uint8Array>, options: MemoryKvOptions): MemoryKv {
  const entries = new Map(initial);
  let synced = new Map(initial);
  let closed = false;
  const enter = () => {
    if (closed) throw kvClosed();
  };
  const text = (key: Uint8Array) => Buffer.from(key).toString("latin1");
  return {
    async get(key) {
      enter();
      return entries.get(text(key));
    },
    async getMany(keys) {
      enter();
      return keys.map((key) => entries.get(text(key)));
    },
    async batch(operations: readonly KvOperation[], { sync }) {
      enter();
      options.onBatch?.("before");
      for (const operation of operations) {
        if (operation.type === "put") entries.set(text(operation.key), Uint8Array.from(operation.value));
        else entries.delete(text(operation.key));
      }
      if (sync) synced = new Map(entries);
      options.onBatch?.("after");
    },
    range(from, to) {
      enter();
      const found = [...entries]
        .map(([key, value]) => [Buffer.from(key, "latin1"), value] as const)
        .filter(([key]) => compareBytes(key, from) >= 0 && compareBytes(key, to) < 0)
        .sort(([a], [b]) => compareBytes(a, b));
      return (async function* () {
        for (const entry of found) {
          enter();
          yield entry;
        }
      })();
    },
    async close() {
      closed = true;
    },
    afterCrash(keep, next = {}) {
      closed = true;
      return memoryKvOver(keep === "all" ? entries : synced, next);
    },
    tamper(key, value) {
      if (value) entries.set(text(key), value);
      else entries.delete(text(key));
    },
  };
}
