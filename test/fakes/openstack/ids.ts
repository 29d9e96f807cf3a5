/** Ids and times in the forms the OpenStack services write them. */

import { randomId, systemRandom } from "@permafrost/std";

/** A random UUID, version 4. */
export function uuid(): string {
  const hex = randomId(systemRandom);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20)}`;
}

export const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Cinder's times: no zone, and microseconds that its database has cut to zero. */
export function cinderTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}.000000`;
}

/** Glance's times: whole seconds. */
export function glanceTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}Z`;
}

/** Keystone's times. */
export function keystoneTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}000Z`;
}

/** Swift's X-Timestamp, in 10 microseconds. */
export function swiftTimestamp(ms: number): string {
  return `${Math.floor(ms / 1000)}.${String(Math.floor((ms % 1000) * 100)).padStart(5, "0")}`;
}

/** Swift's `last_modified` in listings. */
export function swiftIso(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 23)}${String(Math.floor((ms * 100) % 100)).padStart(2, "0")}0`;
}

export function httpDate(ms: number): string {
  return new Date(Math.ceil(ms / 1000) * 1000).toUTCString();
}
