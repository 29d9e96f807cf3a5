/**
 * A running session as people watch it: its record and its resources with their progress, in this coordinator's memory.
 * Listeners hear the keys of the resources that changed. The record on the storage nodes is the truth; this is its live face.
 */

import {
  addStats,
  EMPTY_STATS,
  type ResourceKey,
  type ResourceResult,
  resourceKeyText,
  type SessionRecord,
} from "@permafrost/model";

export interface ResourceView extends ResourceResult {
  readonly bytesTotal: number;
  readonly bytesDone: number;
}

export type ViewListener = (changed: readonly string[]) => void;

export class SessionView {
  #record: SessionRecord;
  readonly #resources = new Map<string, ResourceView>();
  readonly #listeners = new Set<ViewListener>();

  constructor(record: SessionRecord) {
    this.#record = record;
  }

  /** The record as it would be saved now: while the session runs, with its resources counted. */
  get record(): SessionRecord {
    return this.#record.state === "running" ? { ...this.#record, ...this.#counted() } : this.#record;
  }

  resources(): ResourceView[] {
    return [...this.#resources.values()];
  }

  resource(key: string): ResourceView | undefined {
    return this.#resources.get(key);
  }

  bytes(): { readonly total: number; readonly done: number } {
    let total = 0;
    let done = 0;
    for (const r of this.#resources.values()) {
      total += r.bytesTotal;
      done += r.state === "succeeded" || r.state === "skipped" ? r.bytesTotal : Math.min(r.bytesDone, r.bytesTotal);
    }
    return { total, done };
  }

  /** Changes the record and recounts it from the resources. */
  update(change: Partial<SessionRecord>): SessionRecord {
    this.#record = { ...this.#record, ...this.#counted(), ...change };
    this.#tell([]);
    return this.#record;
  }

  setResource(result: ResourceResult, bytes: { readonly total?: number; readonly done?: number } = {}): void {
    const key = resourceKeyText(result);
    const before = this.#resources.get(key);
    this.#resources.set(key, {
      ...result,
      bytesTotal: bytes.total ?? before?.bytesTotal ?? 0,
      bytesDone: bytes.done ?? before?.bytesDone ?? 0,
    });
    this.#tell([key]);
  }

  patchResource(key: ResourceKey, change: Partial<ResourceView>): void {
    const text = resourceKeyText(key);
    const before = this.#resources.get(text);
    if (before === undefined) return;
    this.#resources.set(text, { ...before, ...change });
    this.#tell([text]);
  }

  /** Without the live counters: what is stored. */
  results(): ResourceResult[] {
    return this.resources().map(({ bytesTotal: _total, bytesDone: _done, ...result }) => result);
  }

  subscribe(listener: ViewListener): () => void {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  #counted(): Pick<SessionRecord, "counts" | "stats"> {
    const counts = { resources: 0, succeeded: 0, failed: 0, skipped: 0 };
    let stats = EMPTY_STATS;
    for (const r of this.#resources.values()) {
      counts.resources++;
      if (r.state === "succeeded" || r.state === "failed" || r.state === "skipped") counts[r.state]++;
      stats = addStats(stats, r.stats);
    }
    return { counts, stats };
  }

  #tell(changed: readonly string[]): void {
    for (const listener of this.#listeners) listener(changed);
  }
}
