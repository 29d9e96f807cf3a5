import { systemRandom } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { deriveRepositoryKeys, deriveSealingKey } from "./key-hierarchy.ts";
import { type KeySlot, unwrapRepositoryKey, wrapRepositoryKey } from "./key-slot.ts";
import { formatRecoveryKey } from "./recovery-key.ts";
import { type Secret, secretFromKeyFile } from "./secret.ts";

const ID = "00112233445566778899aabbccddeeff";
const KEY = systemRandom.bytes(32);
const wrongKey = { code: "WRONG_KEY" };

const SECRETS: readonly Secret[] = [
  { kind: "passphrase", value: "correct horse battery stäple" },
  secretFromKeyFile(systemRandom.bytes(64)),
  { kind: "recovery", value: formatRecoveryKey(systemRandom.bytes(32)) },
];
const OTHERS: readonly Secret[] = [
  { kind: "passphrase", value: "correct horse battery staple" },
  secretFromKeyFile(systemRandom.bytes(64)),
  { kind: "recovery", value: formatRecoveryKey(systemRandom.bytes(32)) },
];

describe("a key slot", () => {
  it.each(SECRETS.map((secret, i) => [secret.kind, secret, OTHERS[i] as Secret] as const))(
    "opens to its %s alone",
    async (_, secret, other) => {
      const slot = await wrapRepositoryKey(KEY, ID, secret, systemRandom);
      expect(Buffer.compare(await unwrapRepositoryKey([slot], ID, secret), KEY)).toBe(0);
      await expect(unwrapRepositoryKey([slot], ID, other)).rejects.toMatchObject(wrongKey);
      await expect(unwrapRepositoryKey([slot], ID.replace("0", "1"), secret)).rejects.toMatchObject(wrongKey);
      expect(JSON.stringify(slot)).not.toContain(secret.value);
      const again = await wrapRepositoryKey(KEY, ID, secret, systemRandom);
      expect(again.wrapped).not.toBe(slot.wrapped);
    },
  );

  it("opens among others of its kind", async () => {
    const [a, b] = [SECRETS[1] as Secret, OTHERS[1] as Secret];
    const slots = [await wrapRepositoryKey(KEY, ID, a, systemRandom), await wrapRepositoryKey(KEY, ID, b, systemRandom)];
    expect(Buffer.compare(await unwrapRepositoryKey(slots, ID, b), KEY)).toBe(0);
  });

  it("opens to a passphrase typed in another Unicode form", async () => {
    const slot = await wrapRepositoryKey(KEY, ID, { kind: "passphrase", value: "st\u00e4ple" }, systemRandom);
    expect(Buffer.compare(await unwrapRepositoryKey([slot], ID, { kind: "passphrase", value: "sta\u0308ple" }), KEY)).toBe(0);
  });

  it("does not open when any part of it was changed", async () => {
    const secret = SECRETS[0] as Secret;
    const slot = await wrapRepositoryKey(KEY, ID, secret, systemRandom);
    const { derivation } = slot;
    if (derivation.kdf !== "scrypt") throw new Error("not scrypt");
    const flip = (hex: string) => (hex[0] === "0" ? "1" : "0") + hex.slice(1);
    const changed: KeySlot[] = [
      { ...slot, wrapped: flip(slot.wrapped) },
      { ...slot, nonce: flip(slot.nonce) },
      { ...slot, wrapped: slot.wrapped.slice(2) },
      { ...slot, derivation: { ...derivation, salt: flip(derivation.salt) } },
      { ...slot, derivation: { ...derivation, N: 2 ** 14 } },
      { ...slot, derivation: { ...derivation, p: 2 } },
    ];
    for (const bad of changed) await expect(unwrapRepositoryKey([bad], ID, secret)).rejects.toMatchObject(wrongKey);
  });

  it("may not ask for costs out of bounds", async () => {
    const secret = SECRETS[0] as Secret;
    const slot = await wrapRepositoryKey(KEY, ID, secret, systemRandom);
    for (const parameters of [{ N: 2 ** 30 }, { N: 3 }, { N: 1 }, { r: 2 ** 20 }, { p: 10_000 }, { p: 0.5 }]) {
      const greedy = { ...slot, derivation: { ...slot.derivation, ...parameters } } as KeySlot;
      await expect(unwrapRepositoryKey([greedy], ID, secret)).rejects.toMatchObject(wrongKey);
    }
  });

  it("needs a key file of 32 bytes", async () => {
    expect(() => secretFromKeyFile(new Uint8Array(31))).toThrow(expect.objectContaining({ code: "KEY_FILE_SHORT" }));
    await expect(wrapRepositoryKey(KEY, ID, { kind: "key", value: "c2hvcnQ=" }, systemRandom)).rejects.toMatchObject({
      code: "KEY_FILE_SHORT",
    });
  });

  it("needs a well-formed recovery key", async () => {
    const slot = await wrapRepositoryKey(KEY, ID, SECRETS[2] as Secret, systemRandom);
    await expect(unwrapRepositoryKey([slot], ID, { kind: "recovery", value: "no" })).rejects.toMatchObject({
      code: "RECOVERY_KEY_MALFORMED",
    });
  });
});

describe("the key hierarchy", () => {
  it("gives known keys, one per purpose and repository", () => {
    const key = Uint8Array.from({ length: 32 }, (_, i) => i);
    const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex");
    const keys = deriveRepositoryKeys(key, ID);
    expect(Object.fromEntries(Object.entries(keys).map(([name, value]) => [name, hex(value)]))).toMatchInlineSnapshot(`
      {
        "cut": "ab9e4fe13ae27899a37418d748553f9c2534e4681406e41181ebd0058e7861ff",
        "data": "3471475cfec0017b1aed838cb8802fee22c6979e59845da299e4b5d30dda2611",
        "header": "0682e7f02af3a3823d2a764f2366d8afd32755467a12a915cd195a8d90634d20",
        "id": "cfeaba3a123517af17b3e6823b066a959c80935c77f2f183b108bc6bc868756c",
        "record": "40446add95ac77834c0c9c3e467a08fd4205274a7afc49dee1409fc18e52643e",
      }
    `);
    expect(hex(deriveSealingKey(keys.data, new Uint8Array(24).fill(9)))).toMatchInlineSnapshot(
      `"b9051eb0c7b6806639595907c4fd9786a23866f500b793a18661130a08bbbd6b"`,
    );
    const all = [...Object.values(keys), ...Object.values(deriveRepositoryKeys(key, ID.replace("0", "1")))].map(hex);
    expect(new Set(all).size).toBe(10);
  });
});
