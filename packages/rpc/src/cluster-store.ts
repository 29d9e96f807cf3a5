/**
 * The storage nodes of a configuration as one replicated BlockStore.
 *
 * Blocks are placed by node id, so an id must never be guessed: it is configured, or the node is asked for it at the start and must answer. A
 * node that answers with another id than the configured one is refused: it would be asked for blocks that it does not have.
 */

import { type BlockStore, type ReplicaEvent, readOnlyStore, replicatedStore, type StoreNode } from "@permafrost/blocks";
import { readTokenFile } from "@permafrost/runtime";
import { type Clock, CodedError } from "@permafrost/std";
import type { TlsFiles } from "./credentials.ts";
import { remoteBlockStore } from "./remote-store.ts";

export interface ClusterStoreOptions {
  readonly nodes: readonly {
    /** 32 hex digits as the node reports it. */
    readonly id?: string;
    readonly address: string;
    readonly weight: number;
    readonly zone: string;
  }[];
  readonly replication: { readonly replicas: number; readonly writeQuorum: number };
  readonly tokenFile?: string;
  readonly tls?: TlsFiles;
  readonly onEvent?: (event: ReplicaEvent) => void;
  readonly clock?: Clock;
  /** Nothing is ever written there, not even the copies that a read finds missing: for the nodes of another site. */
  readonly isReadOnly?: boolean;
}

/**
 * Throws CONFIG_INVALID (numbers that do not fit, wrong or doubled ids), NODE_UNREACHABLE when a node without a configured id does not
 * answer, TOKEN_FILE_*.
 */
export async function clusterStore(options: ClusterStoreOptions): Promise<BlockStore> {
  const { replication, tls, onEvent, clock } = options;
  const token = options.tokenFile === undefined ? undefined : await readTokenFile(options.tokenFile);
  const shared = { ...(token !== undefined && { token }), ...(tls && { tls }), ...(clock && { clock }) };
  const nodes = options.nodes.map((node) => {
    const store = remoteBlockStore({ address: node.address, ...shared });
    return { ...node, store: options.isReadOnly ? readOnlyStore(store) : store };
  });
  try {
    const named = await Promise.all(nodes.map(async (node): Promise<StoreNode> => ({ ...node, id: await idOf(node) })));
    const ids = named.map((node) => node.id);
    const twice = ids.find((id, index) => ids.indexOf(id) !== index);
    if (twice !== undefined) throw invalid(`two addresses lead to the node ${twice}`, { nodeId: twice });
    return replicatedStore({ nodes: named, ...replication, ...(onEvent && { onEvent }), ...(clock && { clock }) });
  } catch (error) {
    await Promise.all(nodes.map((node) => node.store.close()));
    throw error;
  }
}

async function idOf(node: { readonly id?: string; readonly address: string; readonly store: BlockStore }): Promise<string> {
  const { id, address } = node;
  try {
    const [status] = await node.store.status();
    const nodeId = status?.nodeId ?? "";
    if (id !== undefined && id !== nodeId) {
      throw invalid(`the node at ${address} is ${nodeId}, not ${id}`, { address, nodeId, configuredId: id });
    }
    return nodeId;
  } catch (error) {
    const isAway = CodedError.is(error) && error.retry === "later";
    if (!isAway || id === undefined) throw error;
    return id; // it may come back; until then the others do without it
  }
}

function invalid(message: string, facts: Record<string, string>): CodedError {
  return new CodedError("CONFIG_INVALID", message, { facts, hint: "correct `nodes` in the configuration" });
}
