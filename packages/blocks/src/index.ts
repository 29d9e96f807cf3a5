export type { BlockStore, Scope, SealedBlock, StoredRecord, StoreStatus } from "./block-store.ts";
