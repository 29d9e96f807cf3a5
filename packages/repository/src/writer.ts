/** The Writer of one task: streams that share one uploader. See `contract.ts`. */

import type { BlockStore, Scope } from "@permafrost/blocks";
import type { StreamRoot } from "@permafrost/model";
import { canonicalJson, type Json, utf8 } from "@permafrost/std";
import type { CopyOptions, Repository, WriteOptions, Writer, Written } from "./contract.ts";
import type { PageReader } from "./page-reader.ts";
import type { Sealing } from "./sealing.ts";
import { copyStream } from "./stream-copy.ts";
import { type StreamWriterParts, writeStream } from "./stream-writer.ts";
import { Uploader } from "./uploader.ts";

export class RepositoryWriter implements Writer {
  readonly #parts: StreamWriterParts;

  constructor(store: BlockStore, scope: Scope, sealing: Sealing, reader: PageReader, gear: Int32Array) {
    this.#parts = { sealing, reader, gear, uploader: new Uploader(store, scope, sealing) };
  }

  writeStream(source: AsyncIterable<Uint8Array>, options: WriteOptions): Promise<Written> {
    return writeStream(this.#parts, source, options);
  }

  copyStream(source: Repository, root: StreamRoot, options: CopyOptions): Promise<Written> {
    return copyStream(this.#parts, source, root, options);
  }

  writeDocument(value: Json): Promise<Written> {
    return this.writeStream(once(utf8(canonicalJson(value))), { chunking: "content" });
  }

  finish(): Promise<void> {
    return this.#parts.uploader.finish();
  }
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}
