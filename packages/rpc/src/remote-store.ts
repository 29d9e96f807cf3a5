/**
 * A BlockStore on another machine.
 *
 * Puts go through one long-lived stream per scope; everything else is a call. What fails with `later` is tried again a few
 * times within a second or so, enough for a reconnection: every call here is idempotent. Bodies that arrive are checked against
 * their digest and the id asked for, because a wire is a disk too; records against the key or prefix asked for, since a node is not trusted
 * to speak for another key.
 */

import {
  type BlockStore,
  checkRecord,
  digestMatches,
  RECORD_KEY_BYTES_MAX,
  repairedAlone,
  type Scope,
  type SealedBlock,
  type StoredRecord,
} from "@permafrost/blocks";
import { IDS_PER_REQUEST_MAX, MESSAGE_BYTES } from "@permafrost/model";
import { CodedError, equalBytes, mapPool, retry, systemClock, toHex } from "@permafrost/std";
import { inBatches } from "./batches.ts";
import { type ConnectOptions, openChannel } from "./channel.ts";
import { HotBlockServiceDefinition } from "./hot-messages.ts";
import { PUTS_IN_FLIGHT_MAX, STALL_TIMEOUT_MS } from "./limits.ts";
import { PutStream } from "./put-stream.ts";
import { remotePruning } from "./remote-pruning.ts";

export interface RemoteStoreOptions extends ConnectOptions {
  /** Calls in all for what fails with `later`; default 3. */
  readonly attemptsMax?: number;
  /** A stream without progress for so long has failed; default 120,000. */
  readonly stallTimeoutMs?: number;
}

/** Connects when first used. `close` ends streams and the connection; unacknowledged puts fail. */
export function remoteBlockStore(options: RemoteStoreOptions): BlockStore {
  const { address, attemptsMax = 3, clock = systemClock, stallTimeoutMs = STALL_TIMEOUT_MS } = options;
  const channel = openChannel(options);
  const client = channel.client(HotBlockServiceDefinition);
  const streams = new Map<string, PutStream>();
  let closed = false;

  const call = <T>(work: () => Promise<T>): Promise<T> =>
    retry(
      () => {
        if (closed) throw new CodedError("STORE_CLOSED", "the store is closed", { facts: { peer: address } });
        return work();
      },
      { attemptsMax, delayMs: 200, delayMsMax: 1_000, clock },
    );

  const streamOf = (scope: Scope): PutStream => {
    const key = `${scope.repositoryId}\n${scope.sessionId}\n${scope.taskId}\n${scope.fence}`;
    const open = streams.get(key);
    if (open) return open;
    const stream: PutStream = new PutStream({
      address,
      scope,
      clock,
      stallTimeoutMs,
      call: (requests, callOptions) => client.put(requests, callOptions),
      onEnd: () => {
        if (streams.get(key) === stream) streams.delete(key);
      },
    });
    streams.set(key, stream);
    return stream;
  };

  const mismatch = (what: string, facts: Record<string, string | number>) =>
    new CodedError("BLOCK_CORRUPT", what, {
      facts: { peer: address, ...facts },
      hint: "another replica may be intact",
      retry: "elsewhere",
    });

  const answers = (bytes: Uint8Array, ids: readonly Uint8Array[]): boolean[] => {
    if (bytes.length !== ids.length) {
      throw new CodedError("REMOTE_FAILED", `${address} answered ${bytes.length} of ${ids.length} ids`, {
        facts: { peer: address },
      });
    }
    return Array.from(bytes, (byte) => byte === 1);
  };

  const wrongRecord = (what: string, record: StoredRecord, cause?: unknown) =>
    new CodedError("RECORD_CORRUPT", `${address} answered with ${what}`, {
      facts: { peer: address, found: record.key.slice(0, RECORD_KEY_BYTES_MAX) },
      hint: "another replica may be intact",
      retry: "elsewhere",
      cause,
    });

  const checkedRecord = ({ deleted, ...record }: StoredRecord, withDeleted: boolean): StoredRecord => {
    if (deleted && (!withDeleted || record.body.length > 0))
      throw wrongRecord("a deletion that is none or was not asked for", record);
    try {
      checkRecord(record);
      return deleted ? { ...record, deleted } : record;
    } catch (error) {
      throw wrongRecord("what is no record", record, error);
    }
  };

  const getOnce = async (repositoryId: string, ids: readonly Uint8Array[]): Promise<(SealedBlock | undefined)[]> => {
    const found: (SealedBlock | undefined)[] = [];
    for await (const { blocks } of client.get({ repositoryId, ids: [...ids] }, { timeoutMs: stallTimeoutMs })) {
      for (const block of blocks) {
        const id = ids[found.length];
        if (!id || !equalBytes(id, block.id))
          throw mismatch("the node answered with a block that was not asked for", { block: toHex(block.id) });
        if (block.body.length > 0 && !digestMatches(block)) {
          throw mismatch("the block was damaged on its way", { block: toHex(id), bodyBytes: block.body.length });
        }
        found.push(block.body.length === 0 ? undefined : block);
      }
    }
    if (found.length !== ids.length) {
      throw new CodedError("REMOTE_FAILED", `${address} answered ${found.length} of ${ids.length} blocks`, {
        facts: { peer: address },
        retry: "later",
      });
    }
    return found;
  };

  return {
    reserve: (scope, ids) => call(async () => answers((await client.reserve({ scope, ids: [...ids] })).present, ids)),

    async put(scope, blocks) {
      const messages = inBatches(blocks, (block) => block.body.length, MESSAGE_BYTES, IDS_PER_REQUEST_MAX);
      await mapPool(messages, PUTS_IN_FLIGHT_MAX, (message) => call(() => streamOf(scope).send(message)));
    },

    confirm: (scope, ids) => call(async () => answers((await client.confirm({ scope, ids: [...ids] })).durable, ids)),

    get: (repositoryId, ids) => call(() => getOnce(repositoryId, ids)),

    putRecord: (scope, record) =>
      call(async () => {
        await client.putRecord({ scope, record: { ...record, deleted: false } });
      }),

    getRecord: (repositoryId, key, { withDeleted = false } = {}) =>
      call(async () => {
        const { record } = await client.getRecord({ repositoryId, key, withDeleted });
        if (record && record.key !== key) throw wrongRecord(`another record than ${key}`, record);
        return record && checkedRecord(record, withDeleted);
      }),

    listRecords: (repositoryId, prefix, { withDeleted = false } = {}) =>
      call(async () => {
        const records: StoredRecord[] = [];
        for await (const message of client.listRecords({ repositoryId, prefix, withDeleted }, { timeoutMs: stallTimeoutMs })) {
          for (const record of message.records) {
            const before = records.at(-1);
            if (!record.key.startsWith(prefix)) throw wrongRecord(`a record outside of ${prefix}`, record);
            if (before && record.key <= before.key) throw wrongRecord("a record twice or out of order", record);
            records.push(checkedRecord(record, withDeleted));
          }
        }
        return records;
      }),

    deleteRecord: (scope, key, version) =>
      call(async () => {
        await client.deleteRecord({ scope, key, version });
      }),

    repairBlocks: (scope, ids) =>
      call(async () => repairedAlone(ids, answers((await client.confirm({ scope, ids: [...ids] })).durable, ids))),

    repairRecords: async () => 0,

    listRepositories: () => call(async () => (await client.listRepositories({})).repositoryIds),

    status: () =>
      call(async () => {
        const { nodeId, blocks, storedBytes, freeBytes, readOnlyReason } = await client.status({});
        return [
          {
            nodeId,
            blocks: Number(blocks),
            storedBytes: Number(storedBytes),
            freeBytes: Number(freeBytes),
            ...(readOnlyReason !== "" && { readOnlyReason }),
          },
        ];
      }),

    pruning: () =>
      call(async () => {
        const { nodeId } = await client.status({});
        return [remotePruning({ nodeId, address, client, call })];
      }),

    async close() {
      closed = true;
      for (const stream of [...streams.values()]) stream.close();
      channel.close();
    },
  };
}
