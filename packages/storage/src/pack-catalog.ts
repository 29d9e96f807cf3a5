/** The packs this node has, in memory: how far each may be read. Kept by recovery and the writer; read by everyone. */

export interface KnownPack {
  readonly name: string;
  /** What is written and synced; nothing is read beyond. */
  sizeBytes: number;
  sealed: boolean;
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
    this.#packs.set(name, { name, sizeBytes, sealed });
  }

  all(): KnownPack[] {
    return [...this.#packs.values()];
  }
}
