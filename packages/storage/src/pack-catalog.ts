/** The packs this node has, in memory: how far each may be read. Kept by recovery and the writer; read by everyone. */

export interface KnownPack {
  readonly name: string;
  /** What is written and synced; nothing is read beyond. */
  sizeBytes: number;
  sealed: boolean;
  /** The index no longer leads into it; only reads that have begun still need it. */
  isLeaving: boolean;
}

export class PackCatalog {
  readonly #packs = new Map<string, KnownPack>();
  #bytes = 0;

  get storedBytes(): number {
    return this.#bytes;
  }

  get size(): number {
    return this.#packs.size;
  }

  get(name: string): KnownPack | undefined {
    return this.#packs.get(name);
  }

  /** Adds the pack or changes what is known of it. */
  set(name: string, sizeBytes: number, sealed: boolean): void {
    this.#bytes += sizeBytes - (this.#packs.get(name)?.sizeBytes ?? 0);
    this.#packs.set(name, { name, sizeBytes, sealed, isLeaving: false });
  }

  /** A pack that is leaving is not among `all`. */
  setLeaving(name: string, isLeaving: boolean): void {
    const pack = this.#packs.get(name);
    if (pack) pack.isLeaving = isLeaving;
  }

  delete(name: string): void {
    this.#bytes -= this.#packs.get(name)?.sizeBytes ?? 0;
    this.#packs.delete(name);
  }

  all(): KnownPack[] {
    return [...this.#packs.values()].filter((pack) => !pack.isLeaving);
  }
}
