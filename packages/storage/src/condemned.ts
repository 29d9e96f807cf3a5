/**
 * What a node's prunes have condemned, per repository and cycle, and which cycle has begun.
 *
 * Sparing takes effect in memory at once, before anything is awaited, so that it and the choice of what to delete (`choose`) are never
 * interleaved; it is durable when `spare` resolves. A crash may only lose what is condemned, never what was spared: a file that cannot be
 * read whole is forgotten, and one that could not be appended to spares nothing any more until the node starts again. Blocks that are gone
 * stay among the condemned until their file is made anew: should one come back, that it was put is then noted like any sparing.
 */

import { type BlockId, IDS_PER_REQUEST_MAX, type RepositoryId } from "@permafrost/model";
import type { PackStore } from "@permafrost/packs";
import { CodedError, toHex } from "@permafrost/std";
import { appendSpared, readCondemned, sealCondemned, writeUnsealed } from "./condemned-file.ts";
import { storeReadOnly } from "./errors.ts";
import { IdSet } from "./id-set.ts";

interface CondemnedSet {
  readonly name: string;
  readonly cycle: number;
  readonly ids: IdSet;
  sizeBytes: number;
  /** Settles when all that was spared so far is durable. */
  appended: Promise<void>;
  failure: CodedError | undefined;
  /** Its file counts as none, durably; what it said is said elsewhere. */
  isVoid: boolean;
}

/** `<repository>-<cycle>`: the cycle has begun. `<repository>-<cycle>-<number>`: condemned ids. */
const NAME = /^([0-9a-f]{32})-(\d{1,16})(?:-(\d{1,9}))?$/;

export class Condemned {
  readonly #files: PackStore;
  readonly #sets = new Map<RepositoryId, CondemnedSet[]>();
  readonly #begun = new Map<RepositoryId, number>();
  /** `<repository>` and hex id of blocks whose deletion is being written. */
  readonly #leaving = new Set<string>();
  #lastNumber = 0;
  #beginning: Promise<void> = Promise.resolve();

  private constructor(files: PackStore) {
    this.#files = files;
  }

  /** Reads what is there; owns `files` from here on. What is not whole is removed. */
  static async open(files: PackStore): Promise<Condemned> {
    const condemned = new Condemned(files);
    const listed = await files.list();
    for (const { name, sizeBytes } of listed) {
      const [, repositoryId, cycle, number] = NAME.exec(name) ?? [];
      if (repositoryId === undefined || cycle === undefined) continue;
      if (number === undefined) {
        condemned.#begun.set(repositoryId, Math.max(Number(cycle), condemned.begun(repositoryId)));
        continue;
      }
      condemned.#lastNumber = Math.max(condemned.#lastNumber, Number(number));
      const ids = await readCondemned(files, name, sizeBytes);
      if (!ids || ids.size === 0) {
        await files.delete(name);
        continue;
      }
      // What was spared just before a crash may so far be in memory only.
      await files.sync(name);
      condemned.#keep(repositoryId, { name, cycle: Number(cycle), ids, sizeBytes });
    }
    if (listed.length > 0) await files.syncDirectory();
    return condemned;
  }

  /** The highest cycle begun; 0: none. */
  begun(repositoryId: RepositoryId): number {
    return this.#begun.get(repositoryId) ?? 0;
  }

  /** Durable when it resolves. */
  begin(repositoryId: RepositoryId, cycle: number): Promise<void> {
    const begun = this.#beginning.then(async () => {
      const before = this.begun(repositoryId);
      if (cycle <= before) return;
      await this.#files.create(`${repositoryId}-${cycle}`).catch((error: unknown) => {
        if (!CodedError.is(error, "PACK_EXISTS")) throw error;
      });
      await this.#files.syncDirectory();
      this.#begun.set(repositoryId, cycle);
      // Should the earlier mark stay, it says nothing: the highest counts.
      if (before > 0) await this.#files.delete(`${repositoryId}-${before}`).catch(() => undefined);
    });
    this.#beginning = begun.catch(() => undefined);
    return begun;
  }

  /** The cycle that condemned the block; 0: it is not condemned. */
  condemnedIn(repositoryId: RepositoryId, id: BlockId): number {
    return this.#sets.get(repositoryId)?.find((set) => set.ids.has(id))?.cycle ?? 0;
  }

  isLeaving(repositoryId: RepositoryId, id: BlockId): boolean {
    return this.#leaving.size > 0 && this.#leaving.has(repositoryId + toHex(id));
  }

  /** All that was condemned up to that cycle, in pages. */
  *upTo(repositoryId: RepositoryId, cycle: number): Generator<readonly BlockId[]> {
    for (const set of this.#upTo(repositoryId, cycle)) yield* pages(set.ids);
  }

  /** Condemns ascending ids; durable when it resolves. Nothing if `checkValid`, asked at the last moment, throws. */
  async add(repositoryId: RepositoryId, cycle: number, ids: Buffer, checkValid: () => void): Promise<void> {
    if (ids.length === 0) return;
    const name = `${repositoryId}-${cycle}-${++this.#lastNumber}`;
    try {
      const unsealed = await writeUnsealed(this.#files, name, ids);
      checkValid();
      // In effect before it is durable: who is spared from here on is written behind the seal.
      const set = this.#keep(repositoryId, { name, cycle, ids: new IdSet(ids), sizeBytes: unsealed.sizeBytes });
      set.appended = this.#change(set, set.appended, async () => {
        set.sizeBytes = await sealCondemned(this.#files, name, unsealed);
      });
      await set.appended;
      if (set.failure) throw set.failure;
    } catch (error) {
      await this.#files.delete(name).catch(() => undefined);
      throw error;
    }
  }

  /**
   * Takes the blocks out of the condemned: at once in memory, durably when it resolves. STORE_READ_ONLY if that failed, now or before.
   */
  async spare(repositoryId: RepositoryId, ids: readonly BlockId[]): Promise<void> {
    const sets = this.#sets.get(repositoryId);
    if (!sets) return;
    const written: Promise<void>[] = [];
    for (const set of sets) {
      const spared = ids.filter((id) => set.ids.delete(id));
      if (spared.length > 0) set.appended = this.#append(set, set.appended, spared);
      written.push(set.appended);
      if (set.failure && ids.some((id) => set.ids.held(id))) throw set.failure;
    }
    await Promise.all(written);
    const failed = sets.find((set) => set.failure && ids.some((id) => set.ids.held(id)));
    if (failed?.failure) throw failed.failure;
  }

  /** Of these blocks those condemned up to that cycle, which from now on, until `done`, nobody is told are here. */
  choose(repositoryId: RepositoryId, cycle: number, ids: readonly BlockId[]) {
    const sets = this.#upTo(repositoryId, cycle);
    const chosen = ids.filter((id) => sets.some((set) => set.ids.has(id)));
    const names = chosen.map((id) => repositoryId + toHex(id));
    for (const name of names) this.#leaving.add(name);
    const done = () => {
      for (const name of names) this.#leaving.delete(name);
    };
    return { chosen, done };
  }

  /** Makes the files of cycles up to `cycle` anew where little is left of them: those of a page of ids of which `areHere` says so. */
  async tidy(
    repositoryId: RepositoryId,
    cycle: number,
    areHere: (page: readonly BlockId[]) => Promise<boolean[]>,
  ): Promise<void> {
    for (const set of this.#upTo(repositoryId, cycle)) {
      const left: Buffer[] = [];
      for (const page of pages(set.ids)) {
        const here = await areHere(page);
        left.push(Buffer.concat(page.filter((_, i) => here[i])));
      }
      const ids = Buffer.concat(left);
      if (ids.length * 2 > set.ids.bytes.length || set.failure) continue;
      if (await this.#isReplaced(repositoryId, set, ids)) await this.#remove(repositoryId, set);
    }
  }

  close(): Promise<void> {
    return this.#files.close();
  }

  #upTo(repositoryId: RepositoryId, cycle: number): CondemnedSet[] {
    return (this.#sets.get(repositoryId) ?? []).filter((set) => set.cycle <= cycle);
  }

  #keep(repositoryId: RepositoryId, given: Pick<CondemnedSet, "name" | "cycle" | "ids" | "sizeBytes">): CondemnedSet {
    const set = { ...given, appended: Promise.resolve(), failure: undefined, isVoid: false };
    this.#sets.set(repositoryId, [...(this.#sets.get(repositoryId) ?? []), set]);
    return set;
  }

  /** Writes `ids` in the place of the set; not if one of them was spared meanwhile. */
  async #isReplaced(repositoryId: RepositoryId, set: CondemnedSet, ids: Buffer): Promise<boolean> {
    const spared = new CodedError("SPARED_MEANWHILE", "one of the blocks was spared meanwhile", { retry: "later" });
    try {
      await this.add(repositoryId, set.cycle, ids, () => {
        for (const id of new IdSet(ids)) if (!set.ids.has(id)) throw spared;
      });
      return true;
    } catch (error) {
      if (error === spared) return false;
      throw error;
    }
  }

  /** Makes the file void before it goes: should its name come back after a crash, nothing that was spared since may come back with it. */
  async #remove(repositoryId: RepositoryId, set: CondemnedSet): Promise<void> {
    set.appended = this.#change(set, set.appended, async () => {
      await this.#files.truncate(set.name, 0);
      await this.#files.sync(set.name);
      set.isVoid = true;
    });
    await set.appended;
    if (set.failure) throw set.failure;
    this.#forget(repositoryId, set);
    await this.#files.delete(set.name);
    await this.#files.syncDirectory();
  }

  #forget(repositoryId: RepositoryId, set: CondemnedSet): void {
    const rest = (this.#sets.get(repositoryId) ?? []).filter((other) => other !== set);
    if (rest.length > 0) this.#sets.set(repositoryId, rest);
    else this.#sets.delete(repositoryId);
  }

  #append(set: CondemnedSet, before: Promise<void>, spared: readonly BlockId[]): Promise<void> {
    return this.#change(set, before, async () => {
      if (set.isVoid) return;
      set.sizeBytes = await appendSpared(this.#files, set.name, set.sizeBytes, spared);
    });
  }

  /** One change of a file after the other. Never rejects: the failure is the set's. */
  async #change(set: CondemnedSet, before: Promise<void>, work: () => Promise<void>): Promise<void> {
    await before;
    if (set.failure) return;
    try {
      await work();
    } catch (error) {
      set.failure = storeReadOnly(`that a block is needed again could not be written: ${CodedError.from(error).message}`);
    }
  }
}

function* pages(ids: Iterable<BlockId>): Generator<BlockId[]> {
  let page: BlockId[] = [];
  for (const id of ids) {
    page.push(id);
    if (page.length < IDS_PER_REQUEST_MAX) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}
