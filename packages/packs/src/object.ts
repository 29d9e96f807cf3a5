/**
 * PackStore in an object store, so that what is acknowledged is there and nowhere else: OBJECT-STORES.md.
 *
 * A pack is a row of segment objects, one for each `sync`; nothing is ever changed in place. What was appended and not synced is in memory. After
 * `claim` this process is the only writer: each `sync` and `syncDirectory` checks after its write that nobody claimed the prefix since,
 * and says PACK_FENCED otherwise. What the packs are is read once, then known.
 */

import {
  assert,
  type Clock,
  CodedError,
  concatBytes,
  mapPool,
  type Random,
  systemClock,
  systemRandom,
  utf8,
} from "@permafrost/std";
import { packError } from "./errors.ts";
import type { ObjectBucket } from "./object-bucket.ts";
import { badKey, CUTS_MAX, madeKey, type PackFolder, type SegmentKey, segmentKey } from "./object-keys.ts";
import { type FoundPack, findPacks, RECENT_EPOCHS } from "./object-listing.ts";
import type { PackStore } from "./packs.ts";
import { checkOwner, claimPrefix, type PrefixOwner, readOwner, releasePrefix } from "./prefix-owner.ts";
import { addSegment, cutPieces, endOf, type Piece, piecesWithin } from "./segments.ts";

export interface ObjectPackStoreOptions {
  /** What the packs may use; default: no limit but the store's own. */
  readonly capacityBytes?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

export interface ObjectPackStore extends PackStore {
  /** Who claimed the prefix last. */
  owner(): Promise<PrefixOwner | undefined>;
  /**
   * Makes this process the only writer and answers its epoch. `last` is what `owner` said; PACK_FENCED if somebody claimed the prefix since.
   * BUCKET_UNFIT. Nothing can be written before.
   */
  claim(last: PrefixOwner | undefined, who: { readonly gatewayId: string; readonly nodeId: string }): Promise<number>;
}

interface Pack {
  readonly folder: PackFolder;
  pieces: Piece[];
  outdated: SegmentKey[];
  /** Behind the pieces, in memory only. */
  tail: Uint8Array[];
  tailBytes: number;
  /** Cuts of what was in the bucket, by this owner. */
  cuts: number;
  /** It was cut, and the bucket does not say so yet. */
  isCut: boolean;
  /** A write of it failed: what the bucket has at its end is not known. */
  isBroken: boolean;
  syncing: Promise<void>;
}

const READS_AT_ONCE = 4;
/** A store that is not up to date everywhere may call an object missing for a moment. */
const MISSING_AGAIN_MS = 1000;

/** The packs in `bucket`, all of which is one node's. */
export function openObjectPacks(bucket: ObjectBucket, options: ObjectPackStoreOptions = {}): ObjectPackStore {
  return new ObjectPacks(bucket, options);
}

class ObjectPacks implements ObjectPackStore {
  readonly #bucket: ObjectBucket;
  readonly #capacityBytes: number;
  readonly #clock: Clock;
  readonly #random: Random;
  #epoch = 0;
  #packs: Promise<Map<string, Pack>> | undefined;
  #made = 0;
  /** By number: packs that `made/` does not name yet. In order, for the numbers may have no gap. */
  readonly #unnamed = new Map<number, string>();
  #naming: Promise<void> = Promise.resolve();

  constructor(bucket: ObjectBucket, options: ObjectPackStoreOptions) {
    this.#bucket = bucket;
    this.#capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER;
    this.#clock = options.clock ?? systemClock;
    this.#random = options.random ?? systemRandom;
  }

  owner(): Promise<PrefixOwner | undefined> {
    return readOwner(this.#bucket);
  }

  async claim(last: PrefixOwner | undefined, who: { readonly gatewayId: string; readonly nodeId: string }): Promise<number> {
    this.#epoch = await claimPrefix(this.#bucket, last, who, this.#random);
    // Anew: only what is seen after the claim is all there is.
    this.#packs = undefined;
    this.#made = 0;
    this.#unnamed.clear();
    return this.#epoch;
  }

  async create(name: string): Promise<void> {
    assert(/^[\w-]+$/.test(name), `not a pack name: ${name}`);
    const packs = await this.#writable();
    if (packs.has(name)) throw systemError("EEXIST", "create", name);
    const number = this.#made++;
    packs.set(name, packOf({ folder: { epoch: this.#epoch, number, name }, pieces: [], outdated: [] }));
    this.#unnamed.set(number, name);
  }

  async append(name: string, offset: number, parts: readonly Uint8Array[]): Promise<void> {
    const pack = await this.#find(name, "append");
    if (pack.isBroken) throw brokenPack("append", name);
    assert(offset === sizeOf(pack), `append to ${name} at ${offset}, which ends at ${sizeOf(pack)}`);
    const bytes = concatBytes(parts);
    if (bytes.length > (await this.#freeBytes())) throw systemError("ENOSPC", "append", name);
    pack.tail.push(bytes);
    pack.tailBytes += bytes.length;
  }

  async truncate(name: string, sizeBytes: number): Promise<void> {
    const pack = await this.#find(name, "truncate");
    if (sizeBytes >= sizeOf(pack)) return;
    const end = endOf(pack.pieces);
    if (sizeBytes >= end) {
      pack.tail = [concatBytes(pack.tail).subarray(0, sizeBytes - end)];
      pack.tailBytes = sizeBytes - end;
      return;
    }
    this.#cut(pack, sizeBytes);
    pack.tail = [];
    pack.tailBytes = 0;
  }

  async sync(name: string): Promise<void> {
    const pack = await this.#find(name, "sync");
    const turn = pack.syncing.then(() => this.#syncNow(name, pack));
    pack.syncing = turn.catch(() => undefined);
    return turn;
  }

  async syncDirectory(): Promise<void> {
    const packs = await this.#writable();
    const turn = this.#naming.then(async () => {
      for (const [number, name] of [...this.#unnamed].sort(([a], [b]) => a - b)) {
        const pack = packs.get(name);
        if (pack && !pack.isBroken && pack.pieces.length === 0) await this.#putSegment(name, pack, []);
        await this.#bucket.put(madeKey(this.#epoch, number), utf8(`${name}\n`));
        this.#unnamed.delete(number);
      }
      await checkOwner(this.#bucket, this.#epoch);
    });
    this.#naming = turn.catch(() => undefined);
    return turn;
  }

  async read(name: string, offset: number, length: number): Promise<Buffer> {
    const pack = await this.#find(name, "read");
    const stored = endOf(pack.pieces);
    const end = Math.min(offset + length, stored);
    // As it is now: a sync meanwhile moves bytes from the tail into a piece.
    const tail = offset + length > stored && pack.tailBytes > 0 ? Buffer.concat(pack.tail) : Buffer.alloc(0);
    const parts = await mapPool(piecesWithin(pack.pieces, offset, end), READS_AT_ONCE, (piece) => {
      const from = Math.max(offset, piece.offset);
      return this.#readPiece(pack.folder, piece, from, Math.min(end, piece.end) - from);
    });
    return Buffer.concat([...parts, tail.subarray(Math.max(0, offset - stored), Math.max(0, offset + length - stored))]);
  }

  async list() {
    const packs = [...(await this.#known())].map(([name, pack]) => ({ name, sizeBytes: sizeOf(pack) }));
    return packs.sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  async sizeBytes(name: string): Promise<number> {
    return sizeOf(await this.#find(name, "size"));
  }

  async delete(name: string): Promise<void> {
    const packs = await this.#writable();
    const pack = await this.#find(name, "delete");
    await pack.syncing;
    const { folder, pieces, outdated } = pack;
    const tried = pack.isBroken ? [{ offset: endOf(pieces), version: this.#versionOf(pack) }] : [];
    const stored = [...pieces.filter(({ isHole }) => !isHole), ...tried];
    if (stored.length > 0) await checkOwner(this.#bucket, this.#epoch);
    // From the end, so that at every moment what is left is the beginning of a pack.
    for (const place of [...outdated, ...stored.reverse()]) await this.#bucket.delete(segmentKey(folder, place));
    if (folder.epoch <= this.#epoch - RECENT_EPOCHS) await this.#bucket.delete(madeKey(folder.epoch, folder.number));
    packs.delete(name);
  }

  async quarantine(name: string): Promise<void> {
    const packs = await this.#writable();
    await this.#find(name, "quarantine");
    await this.#bucket.put(badKey(name), utf8("bad\n"));
    await checkOwner(this.#bucket, this.#epoch);
    packs.delete(name);
  }

  async space() {
    return { freeBytes: await this.#freeBytes(), totalBytes: this.#capacityBytes };
  }

  /** Lets anybody claim the prefix next. */
  async close(): Promise<void> {
    // Whoever comes can do without: it is then asked whether it may take over.
    if (this.#epoch > 0) await releasePrefix(this.#bucket, this.#epoch).catch(() => undefined);
    await this.#bucket.close();
  }

  async #syncNow(name: string, pack: Pack): Promise<void> {
    if (pack.isBroken) throw brokenPack("sync", name);
    if (pack.tailBytes === 0 && !pack.isCut) return;
    await this.#writable();
    await this.#putSegment(name, pack, [...pack.tail]);
    try {
      await checkOwner(this.#bucket, this.#epoch);
    } catch (error) {
      pack.isBroken = true;
      throw error;
    }
  }

  /** Puts these first parts of the tail as an object at the end of what the bucket has. */
  async #putSegment(name: string, pack: Pack, parts: readonly Uint8Array[]): Promise<void> {
    const body = parts.length === 1 ? (parts[0] as Uint8Array) : concatBytes(parts);
    const place = { offset: endOf(pack.pieces), version: this.#versionOf(pack) };
    try {
      await this.#bucket.put(segmentKey(pack.folder, place), body);
    } catch (error) {
      pack.isBroken = true;
      pack.tail = [];
      pack.tailBytes = 0;
      throw packError(error, "sync", name);
    }
    pack.pieces = addSegment(pack.pieces, { ...place, sizeBytes: body.length });
    pack.tail = pack.tail.slice(parts.length);
    pack.tailBytes -= body.length;
    pack.isCut = false;
    // The next one has the same offset, and no object is put twice.
    if (body.length === 0) pack.cuts++;
  }

  #cut(pack: Pack, sizeBytes: number): void {
    const version = this.#versionOf(pack);
    const kept = cutPieces(pack.pieces, sizeBytes);
    const offsets = new Set(kept.map(({ offset, version: of }) => `${offset} ${of}`));
    pack.outdated.push(...pack.pieces.filter((piece) => !piece.isHole && !offsets.has(`${piece.offset} ${piece.version}`)));
    // Of an earlier owner's segments the first of ours cuts anyway.
    if (pack.pieces.some((piece) => piece.version === version)) pack.cuts++;
    assert(pack.cuts < CUTS_MAX, "too many cuts of one pack");
    pack.pieces = kept;
    pack.isCut = true;
  }

  async #readPiece(folder: PackFolder, piece: Piece, from: number, length: number): Promise<Buffer> {
    const key = segmentKey(folder, piece);
    if (piece.isHole) throw systemError(`no object has the bytes from ${piece.offset}`, "read", folder.name);
    if (length === 0) return Buffer.alloc(0);
    for (let isAgain = false; ; isAgain = true) {
      try {
        return await this.#bucket.get(key, from - piece.offset, length);
      } catch (error) {
        if (!CodedError.is(error, "PACK_MISSING")) throw error;
        // Of a pack that is here a part is gone.
        if (isAgain) throw systemError(`object ${key} is gone`, "read", folder.name);
        await this.#clock.sleep(MISSING_AGAIN_MS);
      }
    }
  }

  #versionOf(pack: Pack): number {
    return this.#epoch * CUTS_MAX + pack.cuts;
  }

  async #freeBytes(): Promise<number> {
    if (this.#capacityBytes === Number.MAX_SAFE_INTEGER) return this.#capacityBytes;
    let usedBytes = 0;
    for (const pack of (await this.#known()).values()) usedBytes += sizeOf(pack);
    return Math.max(0, this.#capacityBytes - usedBytes);
  }

  #known(): Promise<Map<string, Pack>> {
    // A failure is not remembered: the next call looks again.
    this.#packs ??= this.#load().catch((error: unknown) => {
      this.#packs = undefined;
      throw error;
    });
    return this.#packs;
  }

  async #load(): Promise<Map<string, Pack>> {
    const epoch = this.#epoch > 0 ? this.#epoch : ((await this.owner())?.epoch ?? 0);
    const found = await findPacks(this.#bucket, epoch);
    return new Map([...found].map(([name, pack]) => [name, packOf(pack)]));
  }

  #writable(): Promise<Map<string, Pack>> {
    assert(this.#epoch > 0, "the prefix is not claimed");
    return this.#known();
  }

  async #find(name: string, operation: string): Promise<Pack> {
    const pack = (await this.#known()).get(name);
    if (!pack) throw systemError("ENOENT", operation, name);
    return pack;
  }
}

function packOf({ folder, pieces, outdated }: FoundPack): Pack {
  const fresh = { tail: [], tailBytes: 0, cuts: 0, isCut: false, isBroken: false, syncing: Promise.resolve() };
  return { folder, pieces, outdated: [...outdated], ...fresh };
}

const sizeOf = (pack: Pack) => endOf(pack.pieces) + pack.tailBytes;

function systemError(code: string, operation: string, name: string): CodedError {
  return packError(Object.assign(new Error(code), { code }), operation, name);
}

function brokenPack(operation: string, name: string): CodedError {
  return new CodedError("PACK_SYNC_FAILED", "the pack is not written to: an earlier write of it failed", {
    facts: { pack: name, operation },
    hint: "Other packs can be written; what the object store has of this one is seen when the node starts again.",
    retry: "elsewhere",
  });
}
