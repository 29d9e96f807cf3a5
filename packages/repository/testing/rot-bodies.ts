/**
 * Every bit of what a repository keeps in a store flipped, one at a time, by a store that vouches for the result with a fresh digest: bodies
 * of blocks and manifest pages, session records, the header. What a reader with the key gets is exact or a coded error.
 *
 * Of the header, the bits of one key slot do not matter to who opens another: they are detected by who has that slot's secret.
 */

import { type BlockStore, memoryBlockStore, type StoredRecord } from "@permafrost/blocks";
import { flipBit, RotFailure, type RotTally } from "@permafrost/blocks/testing";
import { blake3, type Secret } from "@permafrost/crypto";
import { REPOSITORY_HEADER_KEY } from "@permafrost/format";
import type { StreamRoot } from "@permafrost/model";
import { CodedError, equalBytes, toHex, utf8 } from "@permafrost/std";
import type { Repository } from "../src/contract.ts";
import { initRepository, openRepository } from "../src/open.ts";
import { openedParts } from "../src/opened.ts";
import { BLOCK, chunks, KEY_FILE, MIB, noise, readAll } from "./world.ts";

export interface BodiesRun {
  readonly tally: RotTally;
  /** Every so manyth bit, from the bit `first` on. */
  readonly stride: number;
  readonly first: number;
  /** Of a bit that was not handled as it must be. */
  readonly onFailure: (message: string) => void;
}

const RECORD = { key: "session/1", version: 3n, value: utf8('{"state":"committed"}') };
const PASSPHRASE: Secret = { kind: "passphrase", value: "correct horse battery staple" };
/** More than one leaf page. */
const TREE_BYTES = 65 * MIB;

/** Flips the bits and counts what becomes of each. */
export async function rotBodies(run: BodiesRun): Promise<void> {
  const liar = liarOver(memoryBlockStore());
  const { repository, recoveryKey } = await initRepository(liar.store, { name: "rot", secret: KEY_FILE });
  const scope = { repositoryId: repository.id, sessionId: "s1", taskId: "t1", fence: 1n };
  const writer = repository.writer(scope);
  const [raw, text, start] = [noise(700, 1), Buffer.alloc(2000, "compressible "), noise(2 * BLOCK, 2)];
  const { root: rawRoot } = await writer.writeStream(chunks(raw), { chunking: "fixed" });
  const { root: textRoot } = await writer.writeStream(chunks(text), { chunking: "fixed" });
  const { root: treeRoot } = await writer.writeStream(withZeros(start, TREE_BYTES), { chunking: "fixed" });
  await writer.finish();
  await repository.records(scope).put(RECORD.key, RECORD.version, RECORD.value);

  const reading = (root: StreamRoot, expected: Uint8Array) => async () => {
    const got = await readAll(repository.reader().readStream(root, { end: expected.length }));
    if (!equalBytes(got, expected)) throw new RotFailure("other bytes were read");
  };
  const readRecords = async () => {
    const one = await repository.records(scope).get(RECORD.key);
    const [listed] = await repository.records(scope).list("session/");
    for (const got of [one, listed]) {
      if (got?.version !== RECORD.version || !equalBytes(got.value, RECORD.value))
        throw new RotFailure("another record was read");
    }
  };
  await flipAll(run, liar, "bit of a sealed block, raw", hexOf(rawRoot), reading(rawRoot, raw));
  await flipAll(run, liar, "bit of a sealed block, compressed", hexOf(textRoot), reading(textRoot, text));
  await flipAll(run, liar, "bit of a manifest page, inner", hexOf(treeRoot), reading(treeRoot, start));
  await flipAll(run, liar, "bit of a manifest page, leaf", await firstLeaf(repository, treeRoot), reading(treeRoot, start));
  await flipAll(run, liar, "bit of a sealed record", RECORD.key, readRecords);
  await flipAll(run, liar, "bit of a repository's header", REPOSITORY_HEADER_KEY, () =>
    openWithAll(liar.store, repository, [KEY_FILE, { kind: "recovery", value: recoveryKey }]),
  );
  await rotPassphraseCosts(run);
}

/** The parameters of a passphrase's derivation: they say how much memory and time a reader is to spend. */
async function rotPassphraseCosts(run: BodiesRun): Promise<void> {
  const liar = liarOver(memoryBlockStore());
  const { repository } = await initRepository(liar.store, { name: "rot", secret: PASSPHRASE });
  const header = Buffer.from((await liar.store.getRecord(repository.id, REPOSITORY_HEADER_KEY))?.body ?? []);
  const from = header.indexOf('"derivation":{"N"');
  const bytes = { from, to: header.indexOf('"salt"', from) };
  await flipAll(
    run,
    liar,
    "bit of a passphrase's costs",
    REPOSITORY_HEADER_KEY,
    () => openWithAll(liar.store, repository, [PASSPHRASE]),
    bytes,
  );
}

/** A store that answers with another body than it was given. */
interface Liar {
  readonly store: BlockStore;
  /** What it kept under the hex id or key. */
  bodyOf(name: string): Uint8Array;
  /** From now on it answers with this for the name, and with the truth for all others. */
  lie(name: string, body: Uint8Array): void;
}

function liarOver(memory: BlockStore): Liar {
  const kept = new Map<string, Uint8Array>();
  let lied: { name: string; body: Uint8Array } | undefined;
  const said = (record: StoredRecord) => (record.key === lied?.name ? { ...record, body: lied.body } : record);
  const store: BlockStore = {
    ...memory,
    async put(scope, blocks) {
      for (const { id, body } of blocks) kept.set(toHex(id), Uint8Array.from(body));
      await memory.put(scope, blocks);
    },
    async putRecord(scope, record) {
      kept.set(record.key, Uint8Array.from(record.body));
      await memory.putRecord(scope, record);
    },
    async get(repositoryId, ids) {
      const blocks = await memory.get(repositoryId, ids);
      return blocks.map((block) => {
        if (!block || !lied || toHex(block.id) !== lied.name) return block;
        return { id: block.id, body: lied.body, digest: blake3(lied.body) };
      });
    },
    async getRecord(repositoryId, key) {
      const record = await memory.getRecord(repositoryId, key);
      return record && said(record);
    },
    listRecords: async (repositoryId, prefix) => (await memory.listRecords(repositoryId, prefix)).map(said),
  };
  return {
    store,
    bodyOf(name) {
      const body = kept.get(name);
      if (!body) throw new Error(`nothing was kept as ${name}`);
      return body;
    },
    lie(name, body) {
      lied = { name, body };
    },
  };
}

/** Flips each bit of the body kept as `name`, or of some of its bytes; `read` must then throw a CodedError. */
async function flipAll(
  run: BodiesRun,
  liar: Liar,
  kind: string,
  name: string,
  read: () => Promise<void>,
  bytes?: { readonly from: number; readonly to: number },
): Promise<void> {
  const body = liar.bodyOf(name);
  const { from, to } = bytes ?? { from: 0, to: body.length };
  liar.lie(name, body);
  await read();
  for (let bit = from * 8 + (run.first % run.stride); bit < to * 8; bit += run.stride) {
    const flipped = Uint8Array.from(body);
    flipBit(flipped, bit);
    liar.lie(name, flipped);
    try {
      const isDetected = await read().then(
        () => false,
        (error: unknown) => {
          if (error instanceof RotFailure || !CodedError.is(error)) throw error;
          return true;
        },
      );
      // It vouches for what it says, so no other replica is asked.
      run.tally.count(kind, { isDetected, isRepaired: undefined, unusedBytes: undefined });
    } catch (error) {
      const why = error instanceof RotFailure ? error.message : error instanceof Error ? error.stack : String(error);
      run.onFailure(`${kind}: bit ${bit} of ${body.length * 8}: ${why}`);
    }
  }
  liar.lie(name, body);
}

/** Opens with every secret; the first error is thrown. */
async function openWithAll(store: BlockStore, { id, name }: Repository, secrets: readonly Secret[]): Promise<void> {
  for (const secret of secrets) {
    const opened = await openRepository(store, id, secret);
    if (opened.id !== id || opened.name !== name) throw new RotFailure("another repository was opened");
  }
}

const hexOf = (root: StreamRoot): string => {
  if (root.form === "empty") throw new Error("the stream is empty");
  return root.id;
};

async function firstLeaf(repository: Repository, root: StreamRoot): Promise<string> {
  for await (const { id } of openedParts(repository).pages.leaves(root)) return toHex(id);
  throw new Error("the stream has no pages");
}

async function* withZeros(start: Uint8Array, sizeBytes: number): AsyncGenerator<Uint8Array> {
  yield* chunks(start);
  const zeros = new Uint8Array(MIB);
  for (let at = start.length; at < sizeBytes; at += zeros.length) yield zeros.subarray(0, Math.min(zeros.length, sizeBytes - at));
}
