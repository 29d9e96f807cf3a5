import { chmod, mkdir, mkdtemp, readdir, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryBlockStore } from "@permafrost/blocks";
import { type Clock, fromUtf8, systemClock, utf8 } from "@permafrost/std";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Repository } from "./contract.ts";
import { loadSecret, saveSecret } from "./keyring.ts";
import { initRepository, listRepositoryHeaders, openRepository, readHeader } from "./open.ts";

const PASSPHRASE = { kind: "passphrase", value: "a long passphrase" } as const;
const scopeOf = (repository: Repository, fence = 1n) => ({ repositoryId: repository.id, sessionId: "s", taskId: "t", fence });

describe("opening a repository", () => {
  const store = memoryBlockStore();
  const clock: Clock = { ...systemClock, now: () => 1_700_000_000_000 };
  let repository: Repository;
  let recoveryKey: string;

  beforeAll(async () => {
    ({ repository, recoveryKey } = await initRepository(store, { name: "prod", secret: PASSPHRASE, clock }));
  });

  it("takes the passphrase or the recovery key, and reads what was written", async () => {
    const writer = repository.writer(scopeOf(repository));
    const { root } = await writer.writeDocument({ hello: "world" });
    await writer.finish();
    for (const secret of [PASSPHRASE, { kind: "recovery", value: recoveryKey.toLowerCase() } as const]) {
      const again = await openRepository(store, repository.id, secret);
      expect([again.id, again.name]).toEqual([repository.id, "prod"]);
      expect(await again.reader().readDocument(root)).toEqual({ hello: "world" });
    }
  });

  it("refuses another passphrase, another recovery key, and what is not there", async () => {
    await expect(openRepository(store, repository.id, { ...PASSPHRASE, value: "guess" })).rejects.toMatchObject({
      code: "WRONG_KEY",
    });
    const other = await initRepository(store, {
      name: "other",
      secret: { kind: "key", value: Buffer.alloc(40).toString("base64") },
    });
    await expect(openRepository(store, repository.id, { kind: "recovery", value: other.recoveryKey })).rejects.toMatchObject({
      code: "WRONG_KEY",
    });
    await expect(openRepository(store, "0".repeat(32), PASSPHRASE)).rejects.toMatchObject({ code: "NO_REPOSITORY" });
  });

  it("shows its header to who has no key", async () => {
    expect(await readHeader(store, repository.id)).toMatchObject({
      name: "prod",
      createdAt: "2023-11-14T22:13:20.000Z",
      hash: "blake3",
      slots: [{ kind: "passphrase", derivation: { kdf: "scrypt", N: 32768, r: 8, p: 1 } }, { kind: "recovery" }],
    });
  });

  it("refuses a header that another wrote", async () => {
    const forge = async (change: object, version: bigint) => {
      const header = await readHeader(store, repository.id);
      const body = utf8(JSON.stringify({ ...header, ...change }));
      await store.putRecord(scopeOf(repository), { key: "repository/header", version, body });
      return header;
    };
    const header = await forge({ name: "pwned" }, 2n);
    await expect(openRepository(store, repository.id, PASSPHRASE)).rejects.toMatchObject({ code: "HEADER_FORGED" });
    await forge({ repositoryId: "0".repeat(32) }, 3n);
    await expect(openRepository(store, repository.id, PASSPHRASE)).rejects.toMatchObject({ code: "HEADER_FORGED" });
    await store.putRecord(scopeOf(repository), { key: "repository/header", version: 4n, body: utf8(JSON.stringify(header)) });
    expect((await openRepository(store, repository.id, PASSPHRASE)).name).toBe("prod");
  });

  it("lists what can be read by name, and names what cannot", async () => {
    const all = memoryBlockStore();
    const made = [];
    for (const name of ["b", "c", "a"])
      made.push(await initRepository(all, { name, secret: { kind: "key", value: Buffer.alloc(32).toString("base64") } }));
    const [, broken] = made.map((m) => m.repository) as [Repository, Repository];
    await all.putRecord(scopeOf(broken), { key: "repository/header", version: 2n, body: utf8("junk") });
    const headless = { repositoryId: "f".repeat(32), sessionId: "s", taskId: "t", fence: 0n };
    await all.putRecord(headless, { key: "session/1", version: 1n, body: utf8("x") });
    const unreadable: string[] = [];
    const headers = await listRepositoryHeaders(all, (id, error) => unreadable.push(`${id} ${error.code}`));
    expect(headers.map((header) => header.name)).toEqual(["a", "b"]);
    expect(unreadable.sort()).toEqual([`${broken.id} HEADER_BROKEN`, `${"f".repeat(32)} NO_REPOSITORY`].sort());
    all.failNext(new Error("down"), 1, "getRecord");
    await expect(listRepositoryHeaders(all)).rejects.toThrow("down");
  });
});

describe("records", () => {
  const store = memoryBlockStore();
  let repository: Repository;
  beforeAll(async () => {
    ({ repository } = await initRepository(store, {
      name: "r",
      secret: { kind: "key", value: Buffer.alloc(32).toString("base64") },
    }));
  });

  it("are kept, listed, versioned and deleted, and never lie open", async () => {
    const records = repository.records(scopeOf(repository));
    await records.put("session/a", 1n, utf8("secret one"));
    await records.put("session/a", 2n, utf8("secret two"));
    await records.put("session/b", 1n, utf8("secret three"));
    const value = await records.get("session/a");
    expect([value?.version, fromUtf8(value?.value as Uint8Array)]).toEqual([2n, "secret two"]);
    expect((await records.list("session/")).map((r) => [r.key, r.version, fromUtf8(r.value)])).toEqual([
      ["session/a", 2n, "secret two"],
      ["session/b", 1n, "secret three"],
    ]);
    for (const stored of await store.listRecords(repository.id, "session/"))
      expect(fromUtf8(stored.body)).not.toContain("secret");
    await expect(records.put("session/a", 2n, utf8("other"))).rejects.toMatchObject({ code: "RECORD_CONFLICT" });
    await expect(records.put("session/a", 1n, utf8("secret one"))).rejects.toMatchObject({ code: "RECORD_CONFLICT" });
    await records.put("session/a", 2n, utf8("secret two")); // a repeat
    await records.delete("session/b", 2n);
    expect(await records.get("session/b")).toBeUndefined();
    expect(await records.get("session/none")).toBeUndefined();
    store.failNext(new Error("down"), 1, "putRecord");
    await expect(records.put("session/c", 1n, utf8("x"))).rejects.toThrow("down");
  });

  it("do not open under another key or version", async () => {
    const records = repository.records(scopeOf(repository));
    await records.put("ledger/x", 1n, utf8("intent"));
    const stored = await store.getRecord(repository.id, "ledger/x");
    if (!stored) throw new Error("not stored");
    await store.putRecord(scopeOf(repository), { ...stored, key: "ledger/y" });
    await expect(records.get("ledger/y")).rejects.toMatchObject({
      code: "SEAL_BROKEN",
      facts: { key: "ledger/y", version: "1" },
    });
    await store.putRecord(scopeOf(repository), { ...stored, version: 9n });
    await expect(records.get("ledger/x")).rejects.toMatchObject({ code: "SEAL_BROKEN" });
    await expect(records.list("ledger/")).rejects.toMatchObject({ code: "SEAL_BROKEN" });
    const short = utf8("junk");
    await store.putRecord(scopeOf(repository), { key: "ledger/z", version: 1n, body: short });
    await expect(records.get("ledger/z")).rejects.toMatchObject({ code: "SEAL_BROKEN" });
  });
});

describe("the keyring", () => {
  let directory: string;
  beforeAll(async () => {
    directory = join(await mkdtemp(join(tmpdir(), "keyring-")), "keys");
  });
  afterAll(() => rm(join(directory, ".."), { recursive: true }));

  it("keeps a secret per repository and one for all others", async () => {
    const missing = await loadSecret(directory, { name: "prod" }).catch((error: unknown) => error);
    expect(missing).toMatchObject({ code: "KEY_NOT_IN_KEYRING", hint: expect.stringContaining("prod.json") });
    await saveSecret(directory, "prod", PASSPHRASE);
    await saveSecret(directory, "../odd/näme", { kind: "recovery", value: "X" });
    await expect(loadSecret(directory, { name: "stage" })).rejects.toMatchObject({ code: "KEY_NOT_IN_KEYRING" });
    await saveSecret(directory, undefined, { kind: "key", value: "AA==" });
    expect(await loadSecret(directory, { name: "prod" })).toEqual(PASSPHRASE);
    expect(await loadSecret(directory, { name: "../odd/näme" })).toEqual({ kind: "recovery", value: "X" });
    expect(await loadSecret(directory, { name: "stage" })).toEqual({ kind: "key", value: "AA==" });
    const files = await readdir(directory);
    expect(files).toHaveLength(3);
    for (const file of files) expect((await stat(join(directory, file))).mode & 0o777).toBe(0o600);
    expect((await stat(directory)).mode & 0o777).toBe(0o700);
    await saveSecret(directory, "prod", { kind: "passphrase", value: "new" });
    expect((await loadSecret(directory, { name: "prod" })).value).toBe("new");
  });

  it("refuses a file that others may read", async () => {
    await saveSecret(directory, "open", PASSPHRASE);
    for (const mode of [0o640, 0o604, 0o620]) {
      await chmod(join(directory, "open.json"), mode);
      await expect(loadSecret(directory, { name: "open" })).rejects.toMatchObject({
        code: "KEYRING_EXPOSED",
        hint: expect.stringContaining("chmod 600"),
      });
    }
  });

  it("refuses what is not a key, without quoting it", async () => {
    for (const text of [
      "hunter2",
      "null",
      "{}",
      '{"kind":"password","value":"hunter2"}',
      '{"kind":"key","value":7}',
      `"${"x".repeat(1024 * 1024)}"`,
    ]) {
      await writeFile(join(directory, "bad.json"), text, { mode: 0o600 });
      const error = await loadSecret(directory, { name: "bad" }).catch((e: unknown) => e);
      expect(error).toMatchObject({ code: "KEYRING_BROKEN" });
      expect(String(error) + JSON.stringify(error)).not.toContain("hunter2");
    }
  });

  it("says what the file system says, and leaves no part behind", async () => {
    await mkdir(join(directory, "folder.json"));
    await expect(saveSecret(directory, "folder", PASSPHRASE)).rejects.toMatchObject({ code: "EISDIR" });
    expect((await readdir(directory)).filter((name) => name.endsWith(".tmp"))).toEqual([]);
    await expect(loadSecret(join(directory, "bad.json"), { name: "x" })).rejects.toMatchObject({ code: "ENOTDIR" });
  });
});
