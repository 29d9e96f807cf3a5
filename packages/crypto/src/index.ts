export { blake3, blake3Keyed, blake3KeyedHasher, DIGEST_BYTES } from "./blake3.ts";
