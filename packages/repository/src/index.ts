export { type Secret, secretFromKeyFile } from "@permafrost/crypto";
export type { RepositoryHeader } from "@permafrost/format";
export { type CheckOptions, checkStream } from "./check.ts";
export type { CopyOptions, Extent, Reader, ReadOptions, Records, Repository, WriteOptions, Writer, Written } from "./contract.ts";
export type { CopiedStream } from "./copied-blocks.ts";
export { loadSecret, saveSecret } from "./keyring.ts";
export {
  besideParent,
  compareNames,
  encodeListing,
  LISTING_STREAMS,
  type ListingEntry,
  readListing,
  whileReadable,
} from "./listing.ts";
export {
  type InitializedRepository,
  type InitOptions,
  initRepository,
  listRepositoryHeaders,
  openRepository,
  readHeader,
} from "./open.ts";
export { type Reached, reachBlocks } from "./reach.ts";
