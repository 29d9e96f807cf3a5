export {
  type ChildEntry,
  type Chunking,
  decodeManifestPage,
  encodeInnerPage,
  encodeLeafPage,
  FIXED_LEAF_BYTES,
  type InnerPage,
  isLeaf,
  type LeafEntry,
  type LeafPage,
  type ManifestPage,
  PAGE_ENTRIES_MAX,
  PAGE_LEVEL_MAX,
} from "./manifest-page.ts";
export {
  decodeRepositoryHeader,
  encodeRepositoryHeader,
  REPOSITORY_FORMAT,
  REPOSITORY_HEADER_KEY,
  type RepositoryHeader,
  repositoryHeaderAuthenticated,
} from "./repository-header.ts";
export {
  type Codec,
  readSealedBody,
  SEALED_HEADER_BYTES,
  SEALED_TAG_BYTES,
  type SealedHeader,
  type SealedParts,
  sealedBodyBytes,
  writeSealedHeader,
} from "./sealed-body.ts";
