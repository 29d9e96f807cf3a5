/**
 * What a restore made: source → target, durable before our mark is taken off the target. A task that is run again after its
 * object lost its mark finds it here and does not make another.
 */

import { createHash } from "node:crypto";
import type { Records } from "@permafrost/repository";
import { fromUtf8, type JsonObject, utf8 } from "@permafrost/std";

export interface JournalEntry {
  readonly targetId: string;
  /** Set for what was there before the restore and was changed by it: how it was. */
  readonly before?: JsonObject;
  /** Of a user that was made. Records are sealed. */
  readonly oneTimePassword?: string;
}

const HEX_MAX = 256;

export class RestoreJournal {
  readonly #records: Records;
  readonly #sessionId: string;

  constructor(records: Records, sessionId: string) {
    this.#records = records;
    this.#sessionId = sessionId;
  }

  /** The target id of a resource that an earlier attempt restored. */
  async find(type: string, sourceId: string): Promise<string | undefined> {
    return (await this.entry(type, sourceId))?.targetId;
  }

  async entry(type: string, sourceId: string): Promise<JournalEntry | undefined> {
    const known = await this.#records.get(this.#keyOf(type, sourceId));
    return known === undefined ? undefined : entryOf(known.value);
  }

  async note(type: string, sourceId: string, targetId: string, more: Pick<JournalEntry, "oneTimePassword"> = {}): Promise<void> {
    const key = this.#keyOf(type, sourceId);
    const known = await this.#records.get(key);
    if (known !== undefined && entryOf(known.value)?.targetId === targetId) return;
    await this.#records.put(key, (known?.version ?? 0n) + 1n, utf8(JSON.stringify({ type, sourceId, targetId, ...more })));
  }

  /** Before the first change of what the restore did not make: a later attempt finds it changed already and does not write. */
  async noteChanged(type: string, sourceId: string, targetId: string, before: JsonObject): Promise<void> {
    const key = this.#keyOf(type, sourceId);
    const known = await this.#records.get(key);
    if (known !== undefined && entryOf(known.value) !== undefined) return;
    await this.#records.put(key, (known?.version ?? 0n) + 1n, utf8(JSON.stringify({ type, sourceId, targetId, before })));
  }

  /**
   * Forgets it: the target is known to be gone. The record stays, for one that is deleted keeps its version to itself, and the plan could not
   * be applied again.
   */
  async strike(type: string, sourceId: string): Promise<void> {
    const key = this.#keyOf(type, sourceId);
    const known = await this.#records.get(key);
    if (known !== undefined && entryOf(known.value) !== undefined) await this.#records.put(key, known.version + 1n, utf8("{}"));
  }

  #keyOf(type: string, sourceId: string): string {
    const hex = Buffer.from(sourceId, "utf8").toString("hex");
    // A container's name may be longer than a key has room for.
    const part = hex.length <= HEX_MAX ? hex : createHash("sha256").update(sourceId, "utf8").digest("hex");
    return `restored/${this.#sessionId}/${type}/${part}`;
  }
}

function entryOf(value: Uint8Array): JournalEntry | undefined {
  const { targetId, before, oneTimePassword } = JSON.parse(fromUtf8(value)) as Partial<JournalEntry>;
  if (targetId === undefined) return undefined;
  return { targetId, ...(before === undefined ? {} : { before }), ...(oneTimePassword === undefined ? {} : { oneTimePassword }) };
}
