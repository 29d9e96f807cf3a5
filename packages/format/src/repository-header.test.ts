import { canonicalJson, fromUtf8, utf8 } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import {
  decodeRepositoryHeader,
  encodeRepositoryHeader,
  type RepositoryHeader,
  repositoryHeaderAuthenticated,
} from "./repository-header.ts";

const SLOT = {
  kind: "key",
  derivation: { kdf: "hkdf-sha-256", salt: "ab".repeat(32) },
  nonce: "cd".repeat(12),
  wrapped: "ef".repeat(48),
} as const;
const PASSPHRASE_SLOT = {
  ...SLOT,
  kind: "passphrase",
  derivation: { kdf: "scrypt", salt: "ab".repeat(32), N: 32768, r: 8, p: 1 },
} as const;
const HEADER: RepositoryHeader = {
  format: 1,
  repositoryId: "01".repeat(16),
  name: "demo",
  createdAt: "2026-11-23T17:00:00.000Z",
  hash: "blake3",
  slots: [PASSPHRASE_SLOT, SLOT],
  mac: "23".repeat(32),
};

describe("the repository header", () => {
  it("is canonical JSON and comes back", () => {
    const bytes = encodeRepositoryHeader(HEADER);
    expect(fromUtf8(bytes)).toBe(
      `{"createdAt":"2026-11-23T17:00:00.000Z","format":1,"hash":"blake3","mac":"${"23".repeat(32)}","name":"demo","repositoryId":"${"01".repeat(16)}","slots":[` +
        `{"derivation":{"N":32768,"kdf":"scrypt","p":1,"r":8,"salt":"${"ab".repeat(32)}"},"kind":"passphrase","nonce":"${"cd".repeat(12)}","wrapped":"${"ef".repeat(48)}"},` +
        `{"derivation":{"kdf":"hkdf-sha-256","salt":"${"ab".repeat(32)}"},"kind":"key","nonce":"${"cd".repeat(12)}","wrapped":"${"ef".repeat(48)}"}]}`,
    );
    expect(decodeRepositoryHeader(bytes)).toEqual(HEADER);
  });

  it("authenticates all but the slots and the mac itself", () => {
    expect(fromUtf8(repositoryHeaderAuthenticated(HEADER))).toBe(
      `{"createdAt":"2026-11-23T17:00:00.000Z","format":1,"hash":"blake3","name":"demo","repositoryId":"${"01".repeat(16)}"}`,
    );
  });

  it("is refused when a member is wrong", () => {
    const refused = (change: Record<string, unknown>, code = "HEADER_BROKEN") =>
      expect(() => decodeRepositoryHeader(utf8(canonicalJson({ ...HEADER, ...change })))).toThrow(
        expect.objectContaining({ code }),
      );
    refused({ format: 2 }, "FORMAT_UNKNOWN");
    refused({ format: undefined }, "FORMAT_UNKNOWN");
    refused({ repositoryId: "01" });
    refused({ repositoryId: "zz".repeat(16) });
    refused({ name: "" });
    refused({ name: "x".repeat(256) });
    refused({ name: 1 });
    refused({ createdAt: "yesterday" });
    refused({ hash: "md5" });
    refused({ mac: "" });
    refused({ slots: [] });
    refused({ slots: Array.from({ length: 17 }, () => SLOT) });
    refused({ slots: {} });
    refused({ slots: [null] });
    refused({ slots: [{ ...SLOT, kind: "other" }] });
    refused({ slots: [{ ...SLOT, nonce: "cd" }] });
    refused({ slots: [{ ...SLOT, wrapped: "cd" }] });
    refused({ slots: [{ ...SLOT, derivation: null }] });
    refused({ slots: [{ ...SLOT, derivation: { ...SLOT.derivation, salt: "ab" } }] });
    refused({ slots: [{ ...SLOT, derivation: PASSPHRASE_SLOT.derivation }] });
    refused({ slots: [{ ...PASSPHRASE_SLOT, derivation: SLOT.derivation }] });
    refused({ slots: [{ ...PASSPHRASE_SLOT, derivation: { ...PASSPHRASE_SLOT.derivation, N: "32768" } }] });
    for (const text of ["", "{", "null", "[]", "7"]) {
      expect(() => decodeRepositoryHeader(utf8(text))).toThrow(expect.objectContaining({ code: "HEADER_BROKEN" }));
    }
  });

  it("is not written when it could not be read", () => {
    expect(() => encodeRepositoryHeader({ ...HEADER, name: "" })).toThrow(expect.objectContaining({ code: "HEADER_BROKEN" }));
  });
});
