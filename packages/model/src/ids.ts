/** Identifiers and their text forms. */

/** Keyed digest of a block's plaintext: 32 bytes. Also the address of manifest pages and documents. */
export type BlockId = Uint8Array;
export const BLOCK_ID_BYTES = 32;

/** 16 random bytes as 32 lower-case hex digits. */
export type RepositoryId = string;
/** Time-ordered: `YYYYMMDDTHHMMSSZ-` and 8 hex digits, so that a listing sorts by start. */
export type SessionId = string;
/** Unique in its session: `<task kind>-<number>`, the same number for the same resource when a session is resumed. */
export type TaskId = string;

/** A resource is named by its type and its id in the source cloud. */
export interface ResourceKey {
  /** Such as `glance.image`, `cinder.volume`, `swift.container`, `input.stream`, `input.tree`. */
  readonly type: string;
  readonly id: string;
}

export function resourceKeyText(key: ResourceKey): string {
  return `${key.type}/${key.id}`;
}
