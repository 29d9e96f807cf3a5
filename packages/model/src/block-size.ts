/** Sizes every layer agrees on. */

/** The fixed, offset-aligned block of disks and images. */
export const DISK_BLOCK_BYTES = 64 * 1024;
/** No plaintext block is larger: content-defined blocks and manifest pages stay below it. */
export const BLOCK_BYTES_MAX = 1024 * 1024;
/** A sealed block is at most this much larger than its plaintext (incompressible data is stored raw). */
export const SEAL_OVERHEAD_BYTES_MAX = 256;
/** Target size of one gRPC message that carries many blocks. */
export const MESSAGE_BYTES = 1024 * 1024;
/** Ids asked in one Reserve, Confirm or Get. */
export const IDS_PER_REQUEST_MAX = 1024;
