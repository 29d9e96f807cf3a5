import { deriveRepositoryKeys } from "@permafrost/crypto";
import { systemRandom, utf8 } from "@permafrost/std";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Sealing } from "./sealing.ts";

const ID = "00".repeat(16);
const KEY = systemRandom.bytes(32);
const sealingOf = (repositoryId: string, key = KEY) =>
  new Sealing(repositoryId, deriveRepositoryKeys(key, repositoryId), "blake3", systemRandom);
const coded = (code: string) => expect.objectContaining({ code });

describe("sealing", () => {
  const sealing = sealingOf(ID);
  const content = fc.oneof(
    fc.uint8Array({ maxLength: 3000 }),
    fc.nat(300_000).map((n) => new Uint8Array(n).fill(n)),
  );

  it("opens to what was sealed, by any who has the key", () => {
    fc.assert(
      fc.property(content, (plaintext) => {
        const id = sealing.id("data", plaintext);
        const { body } = sealing.sealBlock(id, plaintext);
        expect(body.length).toBeLessThanOrEqual(plaintext.length + 56);
        for (const reader of [sealing, sealingOf(ID)])
          expect(Buffer.compare(reader.openBlock("data", id, body), plaintext)).toBe(0);
      }),
    );
  });

  it("breaks with any bit of the body", () => {
    for (const plaintext of [utf8("short"), Buffer.alloc(500, "compressible")]) {
      const id = sealing.id("data", plaintext);
      const { body } = sealing.sealBlock(id, plaintext);
      for (let bit = 0; bit < body.length * 8; bit++) {
        const bad = Uint8Array.from(body);
        bad[bit >> 3] = (bad[bit >> 3] as number) ^ (1 << (bit & 7));
        expect(() => sealing.openBlock("data", id, bad)).toThrow(bit < 8 ? coded("FORMAT_UNKNOWN") : coded("SEAL_BROKEN"));
      }
    }
  });

  it("gives other bytes each time, and other digests", () => {
    const plaintext = utf8("the same");
    const id = sealing.id("data", plaintext);
    const [a, b] = [sealing.sealBlock(id, plaintext), sealing.sealBlock(id, plaintext)];
    expect(Buffer.compare(a.body, b.body)).not.toBe(0);
    expect(Buffer.compare(a.digest, b.digest)).not.toBe(0);
  });

  it("binds a block to its id, its kind and its repository", () => {
    const [one, two] = [utf8("one"), utf8("two")];
    const [idOne, idTwo] = [sealing.id("data", one), sealing.id("data", two)];
    const { body } = sealing.sealBlock(idOne, one);
    expect(() => sealing.openBlock("data", idTwo, body)).toThrow(coded("SEAL_BROKEN"));
    expect(() => sealing.openBlock("page", idOne, body)).toThrow(coded("ID_MISMATCH"));
    expect(() => sealingOf("11".repeat(16)).openBlock("data", idOne, body)).toThrow(coded("SEAL_BROKEN"));
    expect(() => sealingOf(ID, systemRandom.bytes(32)).openBlock("data", idOne, body)).toThrow(coded("SEAL_BROKEN"));
    // A writer that lies about an id is found out by whoever reads.
    const lie = sealing.sealBlock(idTwo, one);
    expect(() => sealing.openBlock("data", idTwo, lie.body)).toThrow(coded("ID_MISMATCH"));
  });

  it("tells a record from a block, and a version from another", () => {
    const value = utf8("value");
    const body = sealing.sealRecord("session/a", 7n, value);
    expect(Buffer.compare(sealing.openRecord("session/a", 7n, body), value)).toBe(0);
    expect(() => sealing.openRecord("session/a", 8n, body)).toThrow(coded("SEAL_BROKEN"));
    expect(() => sealing.openRecord("session/b", 7n, body)).toThrow(coded("SEAL_BROKEN"));
    expect(() => sealing.openBlock("data", sealing.id("data", value), body)).toThrow(coded("SEAL_BROKEN"));
  });
});
