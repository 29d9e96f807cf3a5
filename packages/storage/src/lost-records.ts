/**
 * Records of which it is known that they were stored, but no longer under which key: a pack's footer or a record's
 * header names them, and their bytes cannot be read. A key that may be theirs must not be called absent.
 *
 * In memory only. A pack with such a record stays unsealed for the index, so that every start reads it again and finds
 * them, or finds them readable. A later version of the record makes up for it, or the same one put again. A lost deletion is still known
 * for what it is: all it says but its key's text is the header and the footer. Of a pack that the index never knew and
 * of which a part cannot be read, nothing is known: while there is one, no key can be called absent.
 */

import { blake3 } from "@permafrost/crypto";
import { type IndexLocation, RECORD_TYPE_TOMBSTONE, type RecordType } from "@permafrost/format";
import type { RepositoryId } from "@permafrost/model";
import { toHex } from "@permafrost/std";
import { indexUnavailable } from "./errors.ts";

export interface LostRecord extends IndexLocation {
  readonly version: bigint;
  readonly type: RecordType;
}

export class LostRecords {
  /** By repository and digest of the key. */
  readonly #lost = new Map<string, Map<string, LostRecord>>();
  /** Packs that hold one. */
  readonly #packs = new Set<string>();
  #count = 0;

  readonly #unreadPacks = new Set<string>();

  /** The pack holds records that neither it nor the index names. */
  noteUnread(pack: string): void {
    this.#unreadPacks.add(pack);
  }

  /** INDEX_UNAVAILABLE if something may be here of which nothing is known. */
  checkAllRead(): void {
    const [pack] = this.#unreadPacks;
    if (pack !== undefined) throw indexUnavailable(`the pack ${pack} cannot be read`);
  }

  /** How often one was noted. */
  get count(): number {
    return this.#count;
  }

  note(repositoryId: Uint8Array, keyDigest: Uint8Array, record: LostRecord): void {
    const repository = toHex(repositoryId);
    const ofRepository = this.#lost.get(repository) ?? new Map<string, LostRecord>();
    const known = ofRepository.get(toHex(keyDigest));
    if (known === undefined || known.version < record.version) ofRepository.set(toHex(keyDigest), record);
    this.#lost.set(repository, ofRepository);
    this.#packs.add(toHex(record.packId));
    this.#count++;
  }

  /** Whether the pack must be read again by the next start. */
  isIn(pack: string): boolean {
    return this.#packs.has(pack) || this.#unreadPacks.has(pack);
  }

  /** Those of which something else than a deletion is lost. */
  repositories(): RepositoryId[] {
    const isRecord = ({ type }: LostRecord) => type !== RECORD_TYPE_TOMBSTONE;
    return [...this.#lost].flatMap(([repository, lost]) => ([...lost.values()].some(isRecord) ? [repository] : []));
  }

  /** The lost record of this key, if it is newer than the `version` that is there. */
  newerThan(repositoryId: RepositoryId, key: string, version: bigint | undefined): LostRecord | undefined {
    const lost = this.#lost.get(repositoryId)?.get(digestOf(key));
    return lost !== undefined && (version === undefined || lost.version > version) ? lost : undefined;
  }

  /** Those of a repository, but for deletions, that no record in `there` makes up for; by digest of the key, in hex. */
  remaining(
    repositoryId: RepositoryId,
    there: Iterable<{ readonly key: string; readonly version: bigint }>,
  ): Map<string, LostRecord> {
    const all = [...(this.#lost.get(repositoryId) ?? [])];
    const lost = new Map(all.filter(([, { type }]) => type !== RECORD_TYPE_TOMBSTONE));
    for (const { key, version } of lost.size === 0 ? [] : there) {
      const digest = digestOf(key);
      if ((lost.get(digest)?.version ?? 0n) <= version) lost.delete(digest);
    }
    return lost;
  }
}

const digestOf = (key: string) => toHex(blake3(Buffer.from(key, "latin1")));
