/**
 * A BlockStore that is only read: every call that writes, pins or deletes is refused here, before it reaches the store. For the storage nodes of
 * another site, whatever the token that one has for them may do.
 */

import { CodedError } from "@permafrost/std";
import type { BlockStore } from "./block-store.ts";

/** READ_ONLY_SITE for all but reads and `close`. */
export function readOnlyStore(store: BlockStore): BlockStore {
  const refused = async (): Promise<never> => {
    throw new CodedError("READ_ONLY_SITE", "this storage node belongs to another site, and is only read");
  };
  return {
    get: (repositoryId, ids) => store.get(repositoryId, ids),
    getRecord: (repositoryId, key, options) => store.getRecord(repositoryId, key, options),
    listRecords: (repositoryId, prefix, options) => store.listRecords(repositoryId, prefix, options),
    listRepositories: () => store.listRepositories(),
    status: () => store.status(),
    close: () => store.close(),
    reserve: refused,
    put: refused,
    confirm: refused,
    putRecord: refused,
    deleteRecord: refused,
    repairBlocks: refused,
    repairRecords: refused,
    pruning: refused,
  };
}
