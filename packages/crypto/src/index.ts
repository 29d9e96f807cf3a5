export { SEAL_TAG_BYTES, WriterKey, WriterKeyring } from "./aead.ts";
export { blake3, blake3Keyed, blake3KeyedHasher, DIGEST_BYTES } from "./blake3.ts";
export { compress, decompress } from "./compression.ts";
export { deriveRepositoryKeys, deriveSealingKey, KEY_BYTES, type RepositoryKeys, WRITER_SALT_BYTES } from "./key-hierarchy.ts";
export { type KeySlot, type SlotDerivation, unwrapRepositoryKey, wrapRepositoryKey } from "./key-slot.ts";
export { type BlockKind, blockIdFunction, type IdFunction, type IdHash } from "./keyed-id.ts";
export { formatRecoveryKey, parseRecoveryKey } from "./recovery-key.ts";
export { KEY_FILE_BYTES_MIN, type Secret, secretFromKeyFile } from "./secret.ts";
