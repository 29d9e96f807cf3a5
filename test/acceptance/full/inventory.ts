/**
 * Every resource of a project as its APIs give it (test/lab/tenants/full/inventory.py, with openstacksdk): raw bodies, nothing renamed.
 *
 * What belongs to another object and says so only in its URL has that object's id in a field that starts with `of_`.
 */

export type Row = Readonly<Record<string, unknown>>;

export interface Bytes {
  readonly sha256: string;
  readonly bytes: number;
  /** Of a disk: number → hash of every MiB that is not all zeros. */
  readonly mib?: Readonly<Record<string, string>>;
}

export interface FullInventory {
  readonly projectId: string;
  /** By type, such as `neutron.network`. */
  readonly resources: Readonly<Record<string, readonly Row[]>>;
  /** By type, then id; of an object `container/name`. Absent when only fields were read. */
  readonly data?: Readonly<Record<string, Readonly<Record<string, Bytes>>>>;
}
