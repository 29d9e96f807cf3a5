/**
 * The cleanup ledger: what we make in somebody's cloud is written down, durably, before it is made.
 *
 * An entry is an intent under `ledger/<session>/<entry>`; the object's name is made from it, so the object can be found
 * even if the answer to its creation was lost. Whoever runs the task again adopts the object instead of making
 * another. The sweep goes through the entries of a session and removes what they name; an entry goes only when its
 * object is known to be gone. Nothing is ever removed that no entry names (invariant I6).
 *
 * Interleavings it must survive: death before the intent (nothing made), between intent and request (nothing found),
 * between request and answer (found by name), and at any point of the removal (found again, or known to be gone).
 */

import { createHash } from "node:crypto";
import type { Failure, SessionId, SweepResult } from "@permafrost/model";
import type { Records } from "@permafrost/repository";
import { type Clock, CodedError, fromUtf8, type Json, mapPool, utf8 } from "@permafrost/std";
import { toFailureOf } from "./failure.ts";

/** How objects of one kind are found and removed; see `temporaries.ts`. */
export interface TemporaryKind {
  /** Such as `cinder.snapshot`. */
  readonly kind: string;
  /** Sweeping goes from low to high: an image before its volume before its volume snapshot. */
  readonly order: number;
  /** The objects of exactly this name in the project; for a kind without names, those that `detail` describes. More than one after a lost answer. */
  find(name: string, detail: Json | undefined): Promise<readonly FoundTemporary[]>;
  /** Removes the object and waits until it is gone. An object that is gone already is no error. */
  remove(id: string): Promise<void>;
}

export interface FoundTemporary {
  readonly id: string;
  /** False for one that an earlier attempt broke or began to remove: it must go before another is made. */
  readonly usable: boolean;
}

interface LedgerEntry {
  readonly kind: string;
  readonly name: string;
  /** What its kind needs to find an object that cannot carry the name. */
  readonly detail?: Json;
}

/** Every temporary object's name starts with it. */
export const TEMPORARY_PREFIX = "permafrost-tmp-";
const GOING = /^(deleting|deleted|pending_delete)$/;
const LATE_ANSWER_MS = 3_000;
const REMOVED_AT_ONCE = 8;
/** Far more than a task has attempts. */
const RECORD_VERSION_MAX = 99n;

export class Ledger {
  readonly #records: Records;
  readonly #sessionId: SessionId;
  readonly #kinds: ReadonlyMap<string, TemporaryKind>;
  readonly #clock: Clock;
  readonly #signal: AbortSignal | undefined;
  /** Entries of which a request may still be under way, sent by a worker that died or whose answer was lost. Only the sweep strikes them. */
  readonly #unsettled = new Set<string>();

  constructor(options: {
    readonly records: Records;
    readonly sessionId: SessionId;
    readonly kinds: readonly TemporaryKind[];
    readonly clock: Clock;
    /** Of the claim: once it is lost nothing is made any more, for a sweep may have begun. */
    readonly signal?: AbortSignal;
  }) {
    this.#records = options.records;
    this.#sessionId = options.sessionId;
    this.#kinds = new Map(options.kinds.map((k) => [k.kind, k]));
    this.#clock = options.clock;
    this.#signal = options.signal;
  }

  /** The name of the session's temporary object of this kind for `subject`: the same on every attempt. */
  nameOf(kind: string, subject: string): string {
    return `${TEMPORARY_PREFIX}${this.#sessionId}-${digest(`${kind}\n${subject}`)}`;
  }

  /**
   * The id of the session's temporary object of this kind for `subject` (such as the volume's id): adopted if an earlier attempt
   * made it, else made by `create`, which is given the name to use. `detail` is stored with the intent, once.
   */
  async obtain(kind: string, subject: string, create: (name: string) => Promise<string>, detail?: Json): Promise<string> {
    const name = this.nameOf(kind, subject);
    const key = this.#keyOf(name);
    const known = await this.#records.get(key);
    if (known !== undefined) {
      this.#unsettled.add(name);
      const usable = await this.#adopt(entryOf(known.value));
      if (usable !== undefined) return usable;
    } else {
      await this.#intend(key, detail === undefined ? { kind, name } : { kind, name, detail });
    }
    this.#signal?.throwIfAborted();
    try {
      return await create(name);
    } catch (error) {
      // What an earlier attempt asked for may have been made only now, where there can be one of it only.
      const isTaken = known !== undefined && CodedError.is(error, "CONFLICT");
      if (isTaken) {
        const usable = await this.#adopt(entryOf(known.value));
        if (usable !== undefined) return usable;
      }
      if (!CodedError.is(error, "OUTCOME_UNKNOWN")) throw error;
      this.#unsettled.add(name);
      // The request may have been applied: look before making another.
      await this.#clock.sleep(LATE_ANSWER_MS);
      const intent = await this.#records.get(key);
      const usable = intent === undefined ? undefined : await this.#adopt(entryOf(intent.value));
      if (usable !== undefined) return usable;
      throw error;
    }
  }

  /** Notes what a request is going to make beside the object that it is for; before the request. Only the sweep looks for it. */
  async expect(kind: string, subject: string, detail: Json): Promise<void> {
    const name = this.nameOf(kind, subject);
    if ((await this.#records.get(this.#keyOf(name))) === undefined) await this.#intend(this.#keyOf(name), { kind, name, detail });
  }

  /** An attempt that died after it had removed the object struck its entry: the record then goes on from that version. */
  async #intend(key: string, entry: LedgerEntry): Promise<void> {
    for (let version = 1n; ; version += 2n) {
      try {
        return await this.#records.put(key, version, utf8(JSON.stringify(entry)));
      } catch (error) {
        if (!CodedError.is(error, "RECORD_CONFLICT") || version >= RECORD_VERSION_MAX) throw error;
      }
    }
  }

  /**
   * Work with temporaries. One that vanishes under it, by a zombie of this task or by somebody who tidied up, is TEMPORARY_GONE with
   * retry `later`: the next attempt makes it anew.
   */
  async using<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work();
    } catch (error) {
      const vanished =
        CodedError.is(error, "NOT_FOUND") || (CodedError.is(error, "RESOURCE_STATE") && GOING.test(`${error.facts.status}`));
      if (!vanished) throw error;
      throw new CodedError("TEMPORARY_GONE", `A temporary object of ours was removed while in use: ${error.message}`, {
        facts: error.facts,
        hint: "It is made anew when the task is tried again. If it stays so, somebody removes Permafrost's temporaries.",
        retry: "later",
        cause: error,
      });
    }
  }

  /** A usable object that an earlier attempt made; those that are not are removed. */
  async #adopt({ kind, name, detail }: LedgerEntry): Promise<string | undefined> {
    const found = await this.#kindOf(kind).find(name, detail);
    for (const { id, usable } of found) if (!usable) await this.#kindOf(kind).remove(id);
    return found.find((f) => f.usable)?.id;
  }

  /** Stores another `detail` with the entry: for a kind without names, that the object made is to be kept. */
  async amend(kind: string, subject: string, detail: Json): Promise<void> {
    const name = this.nameOf(kind, subject);
    const known = await this.#records.get(this.#keyOf(name));
    if (known === undefined) return;
    await this.#records.put(this.#keyOf(name), known.version + 1n, utf8(JSON.stringify({ kind, name, detail })));
  }

  /** The detail that an earlier attempt stored with its intent. */
  async detailOf(kind: string, subject: string): Promise<Json | undefined> {
    const known = await this.#records.get(this.#keyOf(this.nameOf(kind, subject)));
    return known === undefined ? undefined : entryOf(known.value).detail;
  }

  /** Removes the object and then its entry, which stays for the sweep if there may be a second object of its name yet. */
  async release(kind: string, subject: string, id: string): Promise<void> {
    await this.#kindOf(kind).remove(id);
    const name = this.nameOf(kind, subject);
    if (!this.#unsettled.has(name)) await this.#strike(name);
  }

  /** Removes every object that the session's entries name. What cannot be removed stays in the ledger and is reported. */
  async sweep(): Promise<SweepResult> {
    const records = await this.#records.list(`ledger/${this.#sessionId}/`);
    const entries = records.map((r) => entryOf(r.value));
    const first = await this.#removeAll(entries);
    // A request that was under way when its worker died may still be applied: look a second time before forgetting it.
    if (first.absent.length > 0) await this.#clock.sleep(LATE_ANSWER_MS);
    const second = await this.#removeAll(first.absent);
    for (const entry of second.absent) await this.#strike(entry.name);
    return { removed: first.removed + second.removed, left: [...first.left, ...second.left] };
  }

  /** Children before their parents; those of one order at once. */
  async #removeAll(entries: readonly LedgerEntry[]): Promise<SweepResult & { readonly absent: readonly LedgerEntry[] }> {
    const orders = [...new Set(entries.map((e) => this.#kindOf(e.kind).order))].sort((a, b) => a - b);
    const left: Failure[] = [];
    const absent: LedgerEntry[] = [];
    let removed = 0;
    for (const order of orders) {
      const level = entries.filter((e) => this.#kindOf(e.kind).order === order);
      await mapPool(level, REMOVED_AT_ONCE, async (entry) => {
        try {
          const found = await this.#kindOf(entry.kind).find(entry.name, entry.detail);
          if (found.length === 0) return void absent.push(entry);
          for (const { id } of found) await this.#kindOf(entry.kind).remove(id);
          removed += found.length;
          await this.#strike(entry.name);
        } catch (error) {
          left.push(toFailureOf(error, { object: entry.name, kind: entry.kind }));
        }
      });
    }
    return { removed, left, absent };
  }

  async #strike(name: string): Promise<void> {
    const known = await this.#records.get(this.#keyOf(name));
    if (known !== undefined) await this.#records.delete(this.#keyOf(name), known.version + 1n);
  }

  #keyOf(name: string): string {
    return `ledger/${this.#sessionId}/${name.slice(TEMPORARY_PREFIX.length)}`;
  }

  #kindOf(kind: string): TemporaryKind {
    const found = this.#kinds.get(kind);
    if (found === undefined) throw new CodedError("ASSERTION", `No temporary kind ${kind}`);
    return found;
  }
}

function entryOf(value: Uint8Array): LedgerEntry {
  return JSON.parse(fromUtf8(value)) as LedgerEntry;
}

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
