import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GetResponse, PutRequest } from "./gen/permafrost/block/v1/block.ts";
import { encodeGetResponse, encodePutRequest } from "./hot-messages.ts";

const bytes = (maxLength: number) => fc.uint8Array({ maxLength });
const block = fc.record({
  id: bytes(40),
  body: fc.oneof(
    bytes(300),
    fc.constantFrom(127, 128, 16_383, 16_384, 65_536, 2_097_152).map((n) => new Uint8Array(n).fill(n % 251)),
  ),
  digest: bytes(40),
});
const scope = fc.record({
  repositoryId: fc.string(),
  sessionId: fc.string(),
  taskId: fc.string(),
  fence: fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
});

describe("the hand-written encoders", () => {
  it("write byte for byte what generated code writes", () => {
    fc.assert(
      fc.property(
        fc.option(scope, { nil: undefined }),
        fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
        fc.array(block, { maxLength: 4 }),
        (whose, sequence, blocks) => {
          const put = { ...(whose && { scope: whose }), sequence, blocks };
          expect(Buffer.compare(encodePutRequest(put), PutRequest.encode(put).finish())).toBe(0);
          expect(Buffer.compare(encodeGetResponse({ blocks }), GetResponse.encode({ blocks }).finish())).toBe(0);
        },
      ),
      { numRuns: 100, seed: 20261123 },
    );
  });

  it("decode to views, not copies", () => {
    const encoded = encodeGetResponse({
      blocks: [{ id: new Uint8Array(32), body: new Uint8Array(70_000).fill(7), digest: new Uint8Array(32) }],
    });
    const body = GetResponse.decode(encoded).blocks[0]?.body;
    expect(body?.length).toBe(70_000);
    expect(body?.buffer).toBe(encoded.buffer);
  });

  it("fill their allocation exactly, so that it can be shared whole", () => {
    const encoded = encodePutRequest({
      sequence: 1n,
      blocks: [{ id: new Uint8Array(32), body: new Uint8Array(100), digest: new Uint8Array(32) }],
    });
    expect([encoded.byteOffset, encoded.buffer.byteLength]).toEqual([0, encoded.length]);
  });
});
