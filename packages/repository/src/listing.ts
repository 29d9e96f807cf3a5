/**
 * A listing: the entries of a tree (a Swift container, a directory) in order of name, as a stored stream of JSON lines. Each entry
 * says where its content is, so a tree of any size is one resource with one small root, and an unchanged entry costs nothing.
 */

import type { StreamRoot } from "@permafrost/model";
import { CodedError, utf8 } from "@permafrost/std";
import type { Reader } from "./contract.ts";

/**
 * The streams of a resource that are listings, whatever its type. What their entries name is in use: whoever stores a listing under another name
 * loses its contents to the next prune.
 */
export const LISTING_STREAMS: ReadonlySet<string> = new Set(["listing", "versions"]);

export interface ListingEntry {
  /** Unique in its listing; the listing is sorted by it, by UTF-8 bytes. */
  readonly name: string;
  /** Absent for an entry that has no bytes of its own, such as a directory. */
  readonly content?: StreamRoot;
}

/** Bytes of the listing, entry by entry. */
export async function* encodeListing<E extends ListingEntry>(entries: AsyncIterable<E>): AsyncIterable<Uint8Array> {
  for await (const entry of entries) yield utf8(`${JSON.stringify(entry)}\n`);
}

/** Entries in order. Throws LISTING_BROKEN for a line that is not an entry. */
export async function* readListing<E extends ListingEntry>(
  reader: Reader,
  root: StreamRoot,
  signal?: AbortSignal,
): AsyncIterable<E> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of reader.readStream(root, signal === undefined ? {} : { signal })) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) yield parse<E>(line);
  }
  if (rest !== "") throw new CodedError("LISTING_BROKEN", "A listing ends in the middle of an entry");
}

/**
 * A parent's entries as far as they can be read. What is damaged is no parent: the rest is captured anew, and nothing is lost but time.
 * Throws what says `later`, and on an abort.
 */
export async function* whileReadable<E extends ListingEntry>(entries: AsyncIterable<E>, signal: AbortSignal): AsyncIterable<E> {
  try {
    yield* entries;
  } catch (error) {
    signal.throwIfAborted();
    if (!CodedError.is(error) || error.retry === "later") throw error;
  }
}

function parse<E extends ListingEntry>(line: string): E {
  try {
    return JSON.parse(line) as E;
  } catch (error) {
    throw new CodedError("LISTING_BROKEN", "A listing has a line that is no entry", { cause: error });
  }
}

/** Order of listings: by UTF-8 bytes, as Swift sorts. */
export function compareNames(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a, "utf8"), Buffer.from(b, "utf8"));
}

/**
 * Walks two sorted sequences of names side by side: for each entry of `current`, the entry of `parent` with the same name, if any.
 */
export async function* besideParent<C extends { readonly name: string }, P extends ListingEntry>(
  current: AsyncIterable<C>,
  parent: AsyncIterable<P> | undefined,
): AsyncIterable<readonly [C, P | undefined]> {
  const old = parent?.[Symbol.asyncIterator]();
  let head = old === undefined ? undefined : await old.next();
  for await (const entry of current) {
    while (head !== undefined && head.done !== true && compareNames(head.value.name, entry.name) < 0) head = await old?.next();
    const same = head !== undefined && head.done !== true && head.value.name === entry.name ? head.value : undefined;
    yield [entry, same];
  }
  await old?.return?.(undefined);
}
