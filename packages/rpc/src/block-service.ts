/**
 * BlockService over any BlockStore: the server's side of the data path.
 *
 * A Put stream runs several requests at once, so that the store can commit them as a group, and acknowledges each by its
 * sequence when it is durable. The first failure ends the stream and names the sequence at fault; what else was under way
 * may have become durable, which is harmless. Get reads and sends in slices, so memory is bounded whatever is asked.
 */

import type { BlockStore, Scope } from "@permafrost/blocks";
import { IDS_PER_REQUEST_MAX, MESSAGE_BYTES } from "@permafrost/model";
import { CodedError } from "@permafrost/std";
import { inBatches } from "./batches.ts";
import type { BlockServiceImplementation, PutRequest, Scope as WireScope } from "./gen/permafrost/block/v1/block.ts";
import { HotBlockServiceDefinition } from "./hot-messages.ts";
import { PUTS_IN_FLIGHT_MAX } from "./limits.ts";
import { pruningMethods } from "./pruning-service.ts";
import { type ServiceBinding, serve } from "./server.ts";

/** Ids read from the store at once for a Get: at most 32 MiB of bodies. */
const GET_SLICE_IDS = 32;
/** Not Reserve or Confirm: they keep blocks from a prune. */
const READ_METHODS = ["Get", "GetRecord", "ListRecords", "ListRepositories", "Status"];
const EMPTY = new Uint8Array(0);

/** Serves `store`; the caller keeps it open while the server runs. */
export function blockService(store: BlockStore): ServiceBinding {
  const implementation: BlockServiceImplementation = {
    async reserve(request) {
      const present = await store.reserve(scopeOf(request.scope), request.ids);
      return { present: Uint8Array.from(present, Number) };
    },

    put: (requests) => putAll(store, requests),

    async confirm(request) {
      const durable = await store.confirm(scopeOf(request.scope), request.ids);
      return { durable: Uint8Array.from(durable, Number) };
    },

    async *get({ repositoryId, ids }) {
      if (ids.length > IDS_PER_REQUEST_MAX) await store.get(repositoryId, ids); // its refusal, in its words
      for (let at = 0; at < ids.length; at += GET_SLICE_IDS) {
        const slice = ids.slice(at, at + GET_SLICE_IDS);
        const found = await store.get(repositoryId, slice);
        const blocks = slice.map((id, index) => found[index] ?? { id, body: EMPTY, digest: EMPTY });
        for (const batch of inBatches(blocks, (block) => block.body.length, MESSAGE_BYTES, GET_SLICE_IDS))
          yield { blocks: batch };
      }
    },

    async putRecord({ scope, record }) {
      if (!record) throw new CodedError("REQUEST_INVALID", "a PutRecord needs a record");
      await store.putRecord(scopeOf(scope), record);
      return {};
    },

    async getRecord({ repositoryId, key, withDeleted }) {
      const record = await store.getRecord(repositoryId, key, { withDeleted });
      return record ? { record } : {};
    },

    async *listRecords({ repositoryId, prefix, withDeleted }) {
      const records = await store.listRecords(repositoryId, prefix, { withDeleted });
      for (const batch of inBatches(
        records,
        (record) => record.body.length + record.key.length,
        MESSAGE_BYTES,
        IDS_PER_REQUEST_MAX,
      )) {
        yield { records: batch };
      }
    },

    async deleteRecord({ scope, key, version }) {
      await store.deleteRecord(scopeOf(scope), key, version);
      return {};
    },

    async listRepositories() {
      return { repositoryIds: await store.listRepositories() };
    },

    ...pruningMethods(store),

    async status() {
      const [node] = await store.status();
      if (!node) throw new CodedError("STORE_CLOSED", "the store has no node to speak of", { retry: "later" });
      const { nodeId, blocks, storedBytes, freeBytes, readOnlyReason = "" } = node;
      return {
        nodeId,
        blocks: BigInt(blocks),
        storedBytes: BigInt(storedBytes),
        freeBytes: BigInt(Math.max(0, freeBytes)),
        readOnlyReason,
      };
    },
  };
  // The hot definition differs from the generated one in its encoders only, not in its messages.
  return serve(HotBlockServiceDefinition, implementation as never, READ_METHODS);
}

function scopeOf(scope: WireScope | undefined): Scope {
  if (!scope) throw new CodedError("REQUEST_INVALID", "the request has no scope");
  return scope;
}

type Step =
  | { readonly kind: "request"; readonly result: IteratorResult<PutRequest> }
  | { readonly kind: "stored"; readonly sequence: bigint; readonly error?: unknown };

async function* putAll(store: BlockStore, requests: AsyncIterable<PutRequest>): AsyncGenerator<{ sequence: bigint }> {
  const iterator = requests[Symbol.asyncIterator]();
  const read = () => {
    const next = iterator.next().then((result): Step => ({ kind: "request", result }));
    next.catch(() => undefined); // a connection may break while nobody waits for its next request
    return next;
  };
  const running = new Map<bigint, Promise<Step>>();
  let reading: Promise<Step> | undefined = read();
  let scope: Scope | undefined;
  let last = 0n;

  const start = ({ scope: newScope, sequence, blocks }: PutRequest) => {
    scope = newScope ?? scope;
    const stored = (async () => {
      if (sequence !== last + 1n)
        throw new CodedError("REQUEST_INVALID", "the sequence of a Put stream counts from 1 without gaps");
      last = sequence;
      await store.put(scopeOf(scope), blocks);
    })();
    const step = stored.then(
      (): Step => ({ kind: "stored", sequence }),
      (error: unknown): Step => ({ kind: "stored", sequence, error }),
    );
    running.set(sequence, step);
  };

  try {
    while (reading || running.size > 0) {
      const mayRead = reading && running.size < PUTS_IN_FLIGHT_MAX;
      const step: Step = await Promise.race([...(mayRead && reading ? [reading] : []), ...running.values()]);
      if (step.kind === "stored") {
        running.delete(step.sequence);
        if ("error" in step) throw withSequence(step.error, step.sequence);
        yield { sequence: step.sequence };
      } else if (step.result.done) {
        reading = undefined;
      } else {
        reading = read();
        start(step.result.value);
      }
    }
  } finally {
    await Promise.all(running.values());
  }
}

function withSequence(error: unknown, sequence: bigint): unknown {
  if (!CodedError.is(error)) return error;
  return new CodedError(error.code, error.message, {
    facts: { ...error.facts, sequence: Number(sequence) },
    ...(error.hint !== undefined && { hint: error.hint }),
    retry: error.retry,
    cause: error,
  });
}
