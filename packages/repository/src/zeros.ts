/** Zeros to compare with and to read from; never written to. */
export const ZEROS: Uint8Array = new Uint8Array(1024 * 1024);
