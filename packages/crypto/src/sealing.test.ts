import { createDecipheriv, createHmac } from "node:crypto";
import { zstdCompressSync } from "node:zlib";
import { type Random, systemRandom, utf8 } from "@permafrost/std";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { WriterKey, WriterKeyring } from "./aead.ts";
import { blake3Keyed } from "./blake3.ts";
import { compress, decompress } from "./compression.ts";
import { deriveSealingKey } from "./key-hierarchy.ts";
import { blockIdFunction } from "./keyed-id.ts";

const ROOT = new Uint8Array(32).fill(3);
const broken = expect.objectContaining({ code: "SEAL_BROKEN" });
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");

function encrypt(writer: WriterKey, plaintext: Uint8Array, associated: Uint8Array) {
  const counter = writer.next();
  const sealed = new Uint8Array(plaintext.length + 16);
  writer.encryptInto(sealed, 0, counter, plaintext, associated);
  return { counter, sealed };
}

describe("encryption", () => {
  it("opens to its plaintext, and to nothing when any bit of anything differs", () => {
    const writer = new WriterKey(ROOT, systemRandom);
    const readers = new WriterKeyring(ROOT);
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 200 }),
        fc.uint8Array({ minLength: 1, maxLength: 90 }),
        fc.nat(),
        (plaintext, aad, n) => {
          const { counter, sealed } = encrypt(writer, plaintext, aad);
          expect(hex(readers.decrypt(writer.salt, counter, sealed, aad))).toBe(hex(plaintext));
          const flip = (bytes: Uint8Array) => bytes.map((byte, i) => (i === n % bytes.length ? byte ^ (1 << (n % 8)) : byte));
          expect(() => readers.decrypt(writer.salt, counter, flip(sealed), aad)).toThrow(broken);
          expect(() => readers.decrypt(writer.salt, counter, sealed, flip(aad))).toThrow(broken);
          expect(() => readers.decrypt(flip(writer.salt), counter, sealed, aad)).toThrow(broken);
          expect(() => readers.decrypt(writer.salt, counter + 1, sealed, aad)).toThrow(broken);
          expect(() => readers.decrypt(writer.salt, counter, sealed.subarray(0, -1), aad)).toThrow(broken);
        },
      ),
    );
    expect(() => readers.decrypt(writer.salt, 0, new Uint8Array(15), new Uint8Array(0))).toThrow(broken);
  });

  it("never gives the same bytes twice", () => {
    const plaintext = utf8("the same");
    const [a, b] = [new WriterKey(ROOT, systemRandom), new WriterKey(ROOT, systemRandom)];
    const seen = new Set([a, a, b, b].map((writer) => hex(encrypt(writer, plaintext, ROOT).sealed)));
    expect(seen.size).toBe(4);
    expect(hex(a.salt)).not.toBe(hex(b.salt));
  });

  it("is AES-256-GCM under the derived key, the counter as the nonce", () => {
    const writer = new WriterKey(ROOT, systemRandom);
    writer.next();
    const { counter, sealed } = encrypt(writer, utf8("known"), utf8("aad"));
    expect(counter).toBe(1);
    const nonce = Buffer.from("000000000100000000000000", "hex");
    const decipher = createDecipheriv("aes-256-gcm", deriveSealingKey(ROOT, writer.salt), nonce);
    decipher.setAAD(utf8("aad"));
    decipher.setAuthTag(sealed.subarray(5));
    expect(decipher.update(sealed.subarray(0, 5)).toString() + decipher.final("utf8")).toBe("known");
  });

  it("refuses randomness that comes short", () => {
    const short: Random = { ...systemRandom, bytes: () => new Uint8Array(3) };
    expect(() => new WriterKey(ROOT, short)).toThrow(expect.objectContaining({ code: "ASSERTION" }));
  });

  it("forgets the oldest writers' keys and still opens their bodies", () => {
    const readers = new WriterKeyring(ROOT, 2);
    const writers = Array.from({ length: 5 }, () => new WriterKey(ROOT, systemRandom));
    const sealed = writers.map((writer, i) => encrypt(writer, utf8(`${i}`), ROOT).sealed);
    for (const i of [0, 1, 2, 3, 4, 0, 4]) {
      const { salt } = writers[i] as WriterKey;
      expect(hex(readers.decrypt(salt, 0, sealed[i] as Uint8Array, ROOT))).toBe(hex(utf8(`${i}`)));
    }
  });
});

describe("compression", () => {
  it("gives back the plaintext, and does not bother when it does not pay", () => {
    const text = Buffer.from("all work and no play ".repeat(3000));
    const frame = compress(text) as Uint8Array;
    expect(frame.length).toBeLessThan(text.length / 10);
    expect(Buffer.from(decompress(frame, text.length)).equals(text)).toBe(true);
    expect(compress(systemRandom.bytes(65536))).toBeUndefined();
    expect(compress(new Uint8Array(10))).toBeUndefined();
    expect(compress(new Uint8Array(0))).toBeUndefined();
  });

  it("never gives more or less than the length it was told", () => {
    const bomb = zstdCompressSync(new Uint8Array(64 * 1024 * 1024));
    expect(() => decompress(bomb, 65536)).toThrow(broken);
    const frame = zstdCompressSync(new Uint8Array(100));
    expect(() => decompress(frame, 101)).toThrow(broken);
    expect(() => decompress(frame, 99)).toThrow(broken);
    expect(() => decompress(frame, 0)).toThrow(broken);
    expect(() => decompress(frame.subarray(0, -1), 100)).toThrow(broken);
    expect(() => decompress(utf8("no frame"), 100)).toThrow(broken);
  });
});

describe("block ids", () => {
  const key = new Uint8Array(32).fill(9);
  const data = utf8("a block");

  it("are keyed digests of kind and plaintext", () => {
    expect(hex(blockIdFunction("blake3", key)("data", data))).toBe(hex(blake3Keyed(key, Buffer.concat([data, Buffer.of(1)]))));
    expect(hex(blockIdFunction("blake3", key)("page", data))).toBe(hex(blake3Keyed(key, Buffer.concat([data, Buffer.of(2)]))));
    const hmac = createHmac("sha256", key).update(data).update(Buffer.of(1)).digest("hex");
    expect(hex(blockIdFunction("hmac-sha256", key)("data", data))).toBe(hmac);
  });

  it("do not depend on what was named before", () => {
    const id = blockIdFunction("blake3", key);
    const first = hex(id("data", data));
    id("page", utf8("another"));
    expect(hex(id("data", data))).toBe(first);
  });
});
