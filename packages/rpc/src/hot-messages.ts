/**
 * The two messages that carry bodies, encoded in one allocation and one copy; on the wire the same as generated code writes.
 *
 * ts-proto's writer collects parts, copies them into its buffer and grows it: ten times the CPU per byte. Decoding needs nothing of ours:
 * generated decoders give views of the received message.
 */

import {
  type Block,
  BlockServiceDefinition,
  GetResponse,
  type GetResponse as GetResponseMessage,
  PutRequest,
  type PutRequest as PutRequestMessage,
} from "./gen/permafrost/block/v1/block.ts";

const LENGTH_DELIMITED = 2;
const tagOf = (field: number) => (field << 3) | LENGTH_DELIMITED;
const BLOCKS_OF_PUT_REQUEST = tagOf(3);
const BLOCKS_OF_GET_RESPONSE = tagOf(1);

function varintBytes(value: number): number {
  let bytes = 1;
  for (let rest = value >>> 7; rest > 0; rest >>>= 7) bytes++;
  return bytes;
}

/** A field of bytes, left out when empty, as proto3 does. */
function fieldBytes(bytes: Uint8Array): number {
  return bytes.length === 0 ? 0 : 1 + varintBytes(bytes.length) + bytes.length;
}

class Writer {
  readonly #target: Uint8Array;
  #at = 0;

  constructor(target: Uint8Array) {
    this.#target = target;
  }

  raw(bytes: Uint8Array): void {
    this.#target.set(bytes, this.#at);
    this.#at += bytes.length;
  }

  length(tag: number, length: number): void {
    this.#target[this.#at++] = tag;
    let rest = length;
    while (rest > 0x7f) {
      this.#target[this.#at++] = (rest & 0x7f) | 0x80;
      rest >>>= 7;
    }
    this.#target[this.#at++] = rest;
  }

  field(tag: number, bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    this.length(tag, bytes.length);
    this.raw(bytes);
  }
}

/** `head`, already encoded, and then `blocks` as repeated messages of the field with `tag`. Fields of one byte of tag only. */
function encodeBlocks(head: Uint8Array, tag: number, blocks: readonly Block[]): Buffer<ArrayBuffer> {
  const sizes = blocks.map((block) => fieldBytes(block.id) + fieldBytes(block.body) + fieldBytes(block.digest));
  const total = sizes.reduce((sum, size) => sum + 1 + varintBytes(size) + size, head.length);
  const buffer = Buffer.allocUnsafeSlow(total);
  const writer = new Writer(buffer);
  writer.raw(head);
  blocks.forEach((block, index) => {
    writer.length(tag, sizes[index] ?? 0);
    writer.field(tagOf(1), block.id);
    writer.field(tagOf(2), block.body);
    writer.field(tagOf(3), block.digest);
  });
  return buffer;
}

export function encodePutRequest(message: PutRequestMessage): Buffer<ArrayBuffer> {
  return encodeBlocks(PutRequest.encode({ ...message, blocks: [] }).finish(), BLOCKS_OF_PUT_REQUEST, message.blocks);
}

export function encodeGetResponse(message: GetResponseMessage): Buffer<ArrayBuffer> {
  return encodeBlocks(new Uint8Array(0), BLOCKS_OF_GET_RESPONSE, message.blocks);
}

/** nice-grpc passes what `finish` gives to `Buffer.from`, which copies a view but shares an ArrayBuffer: so the whole ArrayBuffer is given. */
const shared = (buffer: Buffer<ArrayBuffer>) => buffer.buffer as unknown as Uint8Array;

/** BlockService with the hand-written encoders in place. */
export const HotBlockServiceDefinition = {
  ...BlockServiceDefinition,
  methods: {
    ...BlockServiceDefinition.methods,
    put: {
      ...BlockServiceDefinition.methods.put,
      requestType: {
        encode: (message: PutRequestMessage) => ({ finish: () => shared(encodePutRequest(message)) }),
        decode: (input: Uint8Array) => PutRequest.decode(input),
      },
    },
    get: {
      ...BlockServiceDefinition.methods.get,
      responseType: {
        encode: (message: GetResponseMessage) => ({ finish: () => shared(encodeGetResponse(message)) }),
        decode: (input: Uint8Array) => GetResponse.decode(input),
      },
    },
  },
} as const;
