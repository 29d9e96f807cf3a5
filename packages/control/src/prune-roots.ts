/**
 * Marks what the sessions of a repository lead to: what each was asked, its plan, its results, and of each result its document, its streams, and
 * what its listings name. This list is all there is: what is not marked is not in use.
 *
 * Anything that cannot be read ends it: what lies behind is not known, and so nothing may be called unused. Streams and pages that sessions share
 * are walked once. What a session that still runs has written is not reached from here; a prune spares it in another way (`prune.ts`).
 */

import { type BlockId, resourceKeyText, type SessionRecord, type StreamRoot } from "@permafrost/model";
import {
  LISTING_STREAMS,
  type ListingEntry,
  type Reached,
  type Repository,
  reachBlocks,
  readListing,
} from "@permafrost/repository";
import { CodedError } from "@permafrost/std";
import { Marks } from "./marks.ts";
import type { SessionStore } from "./session-store.ts";

export interface MarkOptions {
  readonly repository: Repository;
  readonly store: SessionStore;
  readonly signal: AbortSignal;
  /** Called as each session is done. */
  readonly onSession?: (record: SessionRecord) => void;
}

/** PRUNE_UNREADABLE, naming the session and what of it cannot be read. */
export async function markSessions(records: readonly SessionRecord[], options: MarkOptions): Promise<Marks> {
  const walk = new Walk(options);
  for (const record of records) {
    options.signal.throwIfAborted();
    await walk.session(record);
    options.onSession?.(record);
  }
  return walk.marks;
}

class Walk implements Reached {
  readonly marks = new Marks();
  readonly #options: MarkOptions;
  /** Whole ids, unlike marks: a page is only left out if it is this one. */
  readonly #pages = new Set<string>();
  /** Ids of listings whose entries were followed. */
  readonly #listings = new Set<string>();

  constructor(options: MarkOptions) {
    this.#options = options;
  }

  page(id: BlockId): boolean {
    const name = Buffer.from(id).toString("latin1");
    if (this.#pages.has(name)) return false;
    this.#pages.add(name);
    this.marks.add(id);
    return true;
  }

  data(id: BlockId): void {
    this.marks.add(id);
  }

  async session(record: SessionRecord): Promise<void> {
    const { results, plan, spec } = record;
    for (const [root, what] of [
      [spec, "what it was asked"],
      [plan, "its plan"],
      [results, "its results"],
    ] as const) {
      if (root !== undefined) await this.#reach(root, record, what);
    }
    if (results !== undefined) await this.#results(results, record);
  }

  async #results(results: StreamRoot, record: SessionRecord): Promise<void> {
    const { store, signal } = this.#options;
    await this.#readable(record, "its results", async () => {
      for await (const result of store.results(results)) {
        signal.throwIfAborted();
        const named = resourceKeyText(result);
        if (result.document !== undefined) await this.#reach(result.document, record, `the metadata of ${named}`);
        for (const [name, root] of Object.entries(result.streams)) {
          await this.#reach(root, record, `${name} of ${named}`);
          if (LISTING_STREAMS.has(name)) await this.#listing(root, record, named);
        }
      }
    });
  }

  async #listing(listing: StreamRoot, record: SessionRecord, named: string): Promise<void> {
    if (listing.form === "empty" || this.#listings.has(listing.id)) return;
    const { repository, signal } = this.#options;
    await this.#readable(record, `what ${named} lists`, async () => {
      for await (const { content, name } of readListing<ListingEntry>(repository.reader(), listing, signal)) {
        if (content !== undefined) await this.#reach(content, record, `${name} of ${named}`);
      }
    });
    this.#listings.add(listing.id);
  }

  #reach(root: StreamRoot, record: SessionRecord, what: string): Promise<void> {
    const { repository, signal } = this.#options;
    return this.#readable(record, what, () => reachBlocks(repository, root, this, signal));
  }

  async #readable(record: SessionRecord, what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#options.signal.throwIfAborted();
      throw unreadable(record, what, CodedError.from(error));
    }
  }
}

function unreadable({ id }: SessionRecord, what: string, cause: CodedError): CodedError {
  if (cause.code === "PRUNE_UNREADABLE" || cause.retry === "later") return cause;
  return new CodedError("PRUNE_UNREADABLE", `Nothing is deleted: of session ${id}, ${what} cannot be read: ${cause.message}`, {
    facts: { session: id, cause: cause.code },
    hint: "Bring back the storage nodes that have it. `permafrost check` says what is damaged; a session that cannot be saved can be forgotten.",
    cause,
  });
}
