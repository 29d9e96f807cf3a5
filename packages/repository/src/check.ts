/**
 * Checks one stream with the repository's key: all its pages, and either that every block is there or that every block
 * is intact. Goes on past damage and says where it is.
 */

import type { Scope } from "@permafrost/blocks";
import { type BlockId, type CheckResult, type Failure, IDS_PER_REQUEST_MAX, type StreamRoot } from "@permafrost/model";
import { CodedError, fromHex, toHex } from "@permafrost/std";
import type { Extent, Repository } from "./contract.ts";
import { openedParts } from "./opened.ts";
import { located, type PageReader } from "./page-reader.ts";

export interface CheckOptions {
  /** True: every block is fetched and opened. False: the store is asked whether it has enough replicas of it. */
  readonly readData: boolean;
  readonly signal?: AbortSignal;
  /** On whose behalf the store is asked. */
  readonly scope?: Scope;
}

type BlockExtent = Extract<Extent, { kind: "block" }>;

const READ_IDS = 64;
/** More damage than this is counted by its length alone in one last entry. */
const DAMAGED_MAX = 1000;

/** `blocks` and `bytes` count the data blocks looked at (each occurrence) and their plaintext, damaged ones included. */
export async function checkStream(repository: Repository, root: StreamRoot, options: CheckOptions): Promise<CheckResult> {
  const { store, pages } = openedParts(repository);
  const scope = options.scope ?? { repositoryId: repository.id, sessionId: "check", taskId: "check", fence: 0n };
  const damaged: Failure[] = [];
  let blocks = 0;
  let bytes = 0;
  let unlisted = 0;
  const report = (error: CodedError) => {
    if (damaged.length < DAMAGED_MAX) damaged.push(failureOf(error));
    else unlisted++;
  };

  const examine = async (batch: readonly BlockExtent[]): Promise<void> => {
    options.signal?.throwIfAborted();
    const ids = new Map<string, BlockId>(batch.map((extent) => [toHex(extent.id), extent.id]));
    const errors = options.readData ? await readAll(pages, batch) : await confirmAll([...ids.values()]);
    for (const extent of batch) {
      const error = errors.get(toHex(extent.id));
      if (error) report(located(error, extent.offset, extent.length, extent.id, "data"));
      blocks++;
      bytes += extent.length;
    }
  };
  const confirmAll = async (ids: readonly BlockId[]): Promise<Map<string, CodedError>> => {
    const durable = await store.confirm(scope, ids);
    const lacking = ids.filter((_, index) => durable[index] !== true);
    return new Map(lacking.map((id) => [toHex(id), notDurable()]));
  };

  const batchMax = options.readData ? READ_IDS : IDS_PER_REQUEST_MAX;
  let batch: BlockExtent[] = [];
  for await (const item of extentsPastDamage(pages, root, options.signal)) {
    if (item instanceof CodedError) {
      report(item);
      continue;
    }
    batch.push(item);
    if (batch.length < batchMax) continue;
    await examine(batch);
    batch = [];
  }
  if (batch.length > 0) await examine(batch);
  if (unlisted > 0)
    damaged.push({
      code: "BLOCK_CORRUPT",
      message: `${unlisted} more blocks are missing or damaged`,
      facts: { blocks: unlisted },
    });
  return { blocks, bytes, damaged };
}

async function* extentsPastDamage(
  pages: PageReader,
  root: StreamRoot,
  signal: AbortSignal | undefined,
): AsyncGenerator<BlockExtent | CodedError> {
  if (root.form === "empty") return;
  if (root.form === "block") {
    yield { kind: "block", offset: 0, length: root.sizeBytes, id: fromHex(root.id) };
    return;
  }
  for await (const leaf of pages.leaves(root, { signal })) {
    if ("damage" in leaf) {
      yield leaf.damage;
      continue;
    }
    let offset = leaf.offset;
    for (const entry of leaf.page.entries) {
      if (entry.kind === "block") yield { ...entry, offset };
      offset += entry.length;
    }
  }
}

async function readAll(pages: PageReader, batch: readonly BlockExtent[]): Promise<Map<string, CodedError>> {
  const unique = new Map<string, BlockExtent>(batch.map((extent) => [toHex(extent.id), extent]));
  const extents = [...unique.values()];
  const fetched = await pages.fetch(extents.map((extent) => extent.id));
  const errors = new Map<string, CodedError>();
  for (const [index, extent] of extents.entries()) {
    const block = fetched[index];
    const plaintext = block && pages.open("data", extent.id, block, extent.length);
    if (plaintext instanceof CodedError) errors.set(toHex(extent.id), plaintext);
  }
  return errors;
}

function notDurable(): CodedError {
  return new CodedError("BLOCK_MISSING", "the block is not on enough storage nodes", {
    hint: "Check the storage nodes; a repair copies what another storage node still has.",
  });
}

/** A CodedError as a Failure: its facts without undefined members. */
function failureOf(error: CodedError): Failure {
  const facts: Record<string, string | number | boolean> = {};
  for (const [name, value] of Object.entries(error.facts)) if (value !== undefined) facts[name] = value;
  return { code: error.code, message: error.message, facts, ...(error.hint === undefined ? {} : { hint: error.hint }) };
}
