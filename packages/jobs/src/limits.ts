/** What names, keys and values may be; the same for every implementation, checked before anything is sent. */

import { CodedError } from "@permafrost/std";

/** Largest job body or table value; nats-server must run with `max_payload` of at least this plus 64 KiB of headers. */
export const VALUE_BYTES_MAX = 8 * 1024 * 1024 - 64 * 1024;
/** A job id is not added twice within this time. */
export const DUPLICATE_WINDOW_MS = 120_000;

const NAME = /^[A-Za-z0-9_-]{1,64}$/;
const KEY = /^[A-Za-z0-9_=/-]+(\.[A-Za-z0-9_=/-]+)*$/;
const PREFIX = /^[A-Za-z0-9_.=/-]*$/;
const JOB_ID = /^[\x21-\x7e]{1,256}$/;

function refuse(what: string, value: string, rule: string): never {
  throw new CodedError("KEY_INVALID", `${JSON.stringify(value.slice(0, 100))} is not a ${what}: ${rule}`, { facts: { what } });
}

/** Name of a queue, table or lease: letters, digits, `_`, `-`; at most 64. */
export function checkName(name: string): void {
  if (!NAME.test(name)) refuse("name", name, "1 to 64 of letters, digits, _ and -");
}

/** A table key: `[A-Za-z0-9_.=/-]`, parts between dots not empty. */
export function checkKey(key: string): void {
  if (!KEY.test(key) || key.length > 512)
    refuse("key", key, "at most 512 of letters, digits, _ . = / and -, no empty part between dots");
}

export function checkPrefix(prefix: string): void {
  if (!PREFIX.test(prefix) || prefix.startsWith(".") || prefix.includes("..")) refuse("prefix", prefix, "the start of a key");
}

export function checkJobId(id: string): void {
  if (!JOB_ID.test(id)) refuse("job id", id, "1 to 256 printable ASCII characters without spaces");
}

/** Throws VALUE_TOO_LARGE when `value` cannot travel in one message. */
export function checkValue(value: Uint8Array, sizeBytesMax: number = VALUE_BYTES_MAX): void {
  if (value.length <= sizeBytesMax) return;
  throw new CodedError("VALUE_TOO_LARGE", `${value.length} bytes do not fit in one message of ${sizeBytesMax} bytes`, {
    facts: { sizeBytes: value.length, sizeBytesMax },
    hint: "Raise max_payload of nats-server (at most 8 MiB are used), or select fewer resources in one session.",
  });
}
