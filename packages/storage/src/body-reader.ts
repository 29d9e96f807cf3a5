/**
 * Reads records at places the index names. Neighbours are read in one go; every header and body is checked, and a body
 * that fails is never given out. A read error is a damaged record, not a failed request: others asked with it are served.
 */

import { blake3 } from "@permafrost/crypto";
import {
  decodeRecordHeader,
  type IndexLocation,
  RECORD_HEADER_BYTES,
  type RecordHeader,
  recordBodyMatches,
  recordBytes,
} from "@permafrost/format";
import type { PackStore } from "@permafrost/packs";
import { CodedError, mapPool, toHex } from "@permafrost/std";
import type { PackCatalog } from "./pack-catalog.ts";

export type ReadRecord =
  | { readonly ok: true; readonly header: RecordHeader; readonly body: Buffer; readonly digest: Uint8Array }
  | {
      readonly ok: false;
      readonly reason: string;
      /** Of the body that was there, as far as the header keeps it, if the header is whole. */
      readonly lostDigest?: Uint8Array;
    };

/** One read spans at most this much, gaps included. */
const SPAN_BYTES_MAX = 4 * 1024 * 1024;
const GAP_BYTES_MAX = 64 * 1024;
const READS_AT_ONCE = 4;

interface Wanted {
  readonly location: IndexLocation;
  readonly pack: string;
  readonly at: number;
}

/** The records at `locations`, in that order. Bodies are views of larger buffers. */
export async function readRecords(
  packs: PackStore,
  catalog: PackCatalog,
  locations: readonly IndexLocation[],
): Promise<ReadRecord[]> {
  const results = new Array<ReadRecord>(locations.length);
  const wanted: Wanted[] = [];
  locations.forEach((location, at) => {
    const pack = toHex(location.packId);
    const known = catalog.get(pack);
    if (!known) results[at] = { ok: false, reason: "its pack is missing" };
    else if (endOf(location) > known.sizeBytes) results[at] = { ok: false, reason: "its pack is too short" };
    else wanted.push({ location, pack, at });
  });
  await mapPool(spans(wanted), READS_AT_ONCE, async (span) => {
    for (const [at, result] of await readSpan(packs, span)) results[at] = result;
  });
  return results;
}

function endOf(location: IndexLocation): number {
  return location.offset + RECORD_HEADER_BYTES + location.bodyBytes;
}

/** Groups of neighbours. */
function spans(wanted: Wanted[]): Wanted[][] {
  wanted.sort((a, b) => (a.pack === b.pack ? a.location.offset - b.location.offset : a.pack < b.pack ? -1 : 1));
  const out: Wanted[][] = [];
  let last: Wanted[] = [];
  for (const one of wanted) {
    const first = last[0];
    const before = last.at(-1);
    const joins =
      first?.pack === one.pack &&
      before !== undefined &&
      one.location.offset - endOf(before.location) <= GAP_BYTES_MAX &&
      endOf(one.location) - first.location.offset <= SPAN_BYTES_MAX;
    if (!joins) {
      last = [];
      out.push(last);
    }
    last.push(one);
  }
  return out;
}

async function readSpan(packs: PackStore, span: readonly Wanted[]): Promise<(readonly [at: number, result: ReadRecord])[]> {
  const first = span[0] as Wanted;
  const from = first.location.offset;
  const to = endOf((span.at(-1) as Wanted).location);
  let bytes: Buffer;
  try {
    bytes = await packs.read(first.pack, from, to - from);
  } catch (error) {
    if (!CodedError.is(error, "PACK_IO") && !CodedError.is(error, "PACK_MISSING")) throw error;
    if (span.length === 1) return [[first.at, { ok: false, reason: `it cannot be read: ${error.message}` }]];
    // One bad sector must not condemn its neighbours.
    const each = [];
    for (const one of span) each.push(...(await readSpan(packs, [one])));
    return each;
  }
  return span.map((one) => [one.at, checkedRecord(bytes, one.location.offset - from, one.location)]);
}

function checkedRecord(bytes: Buffer, at: number, location: IndexLocation): ReadRecord {
  const header = decodeRecordHeader(bytes, at, location.packId, location.offset);
  if (!header || header.bodyBytes !== location.bodyBytes) return { ok: false, reason: "its header is damaged" };
  const start = at + RECORD_HEADER_BYTES;
  const body = bytes.subarray(start, start + header.bodyBytes);
  const digest = blake3(body);
  if (body.length !== header.bodyBytes || !recordBodyMatches(header, digest)) {
    return { ok: false, reason: "its body does not match its digest", lostDigest: header.bodyDigest };
  }
  return { ok: true, header, body, digest };
}

/** Bytes a pack must have for `location` to lie in it whole. */
export function locationEndBytes(location: IndexLocation): number {
  return location.offset + recordBytes(location.bodyBytes);
}
