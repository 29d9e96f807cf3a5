import { chmod, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { control } from "@permafrost/rpc";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createWorld, KEY, type World } from "../testing/world.ts";

const key: control.Secret = { kind: { $case: "key", value: Buffer.from(KEY.value, "base64") } };
const passphrase = (value: string): control.Secret => ({ kind: { $case: "passphrase", value } });
const recovery = (value: string): control.Secret => ({ kind: { $case: "recoveryKey", value } });

let worlds: World[];
let world: World;

/** Another coordinator over the same blocks, with an empty keyring. */
async function another(): Promise<World> {
  const next = await createWorld({ store: world.store });
  worlds.push(next);
  return next;
}

beforeEach(async () => {
  world = await createWorld();
  worlds = [world];
});
afterEach(async () => {
  for (const one of worlds) await one.close();
});

const init = (name: string, secret?: control.Secret) =>
  world.control.repositories.initRepository({ name, ...(secret === undefined ? {} : { secret }) });
const list = async (at: World) => (await at.control.repositories.listRepositories({})).repositories;

describe("making a repository", () => {
  it("gives its recovery key, and keeps only the secret, for its owner alone", async () => {
    const { repository, recoveryKey } = await init("acme.backups", passphrase("correct horse"));
    expect(repository).toMatchObject({ name: "acme.backups", unlocked: true, restorePoints: 0 });
    expect(repository?.id).toMatch(/^[0-9a-f]{32}$/);
    expect(await list(world)).toEqual([repository]);
    const files = await readdir(world.keyring);
    expect(files).toHaveLength(1);
    const kept = await readFile(join(world.keyring, files[0] ?? ""), "utf8");
    expect(kept).toContain("correct horse");
    expect(kept).not.toContain(recoveryKey);
  });

  it.each(["", "-x", "a b", "a/../b", "ü", "x".repeat(65)])("refuses the name %j", async (name) => {
    await expect(init(name, key)).rejects.toMatchObject({ code: "REQUEST_INVALID", facts: { field: "name" } });
    expect(await list(world)).toEqual([]);
  });

  it("refuses a name that is taken, and keeps the secret of the one that has it", async () => {
    await init("acme", key);
    await expect(init("acme", passphrase("other"))).rejects.toMatchObject({
      code: "REPOSITORY_EXISTS",
      facts: { repository: "acme" },
    });
    expect(await list(world)).toMatchObject([{ name: "acme", unlocked: true }]);
    expect(await readdir(world.keyring)).toHaveLength(1);
  });

  it("needs a secret that is one", async () => {
    const invalid = { code: "REQUEST_INVALID", facts: { field: "secret" } };
    await expect(init("acme")).rejects.toMatchObject(invalid);
    await expect(init("acme", passphrase(""))).rejects.toMatchObject(invalid);
    await expect(init("acme", recovery("AAAA-BBBB"))).rejects.toMatchObject(invalid);
    const short: control.Secret = { kind: { $case: "key", value: Buffer.alloc(31) } };
    await expect(init("acme", short)).rejects.toMatchObject({ code: "KEY_FILE_SHORT" });
    expect(await list(world)).toEqual([]);
    expect(await readdir(world.keyring)).toEqual([]);
  });
});

describe("unlocking a repository", () => {
  it("needs its secret; a wrong one changes nothing", async () => {
    await init("acme", passphrase("correct horse"));
    const other = await another();
    expect(await list(other)).toMatchObject([{ name: "acme", unlocked: false, restorePoints: 0 }]);
    const unlock = (secret?: control.Secret) =>
      other.control.repositories.unlockRepository({ repository: "acme", ...(secret === undefined ? {} : { secret }) });
    await expect(unlock(passphrase("wrong horse"))).rejects.toMatchObject({ code: "WRONG_KEY" });
    await expect(unlock(key)).rejects.toMatchObject({ code: "WRONG_KEY" });
    await expect(unlock()).rejects.toMatchObject({ code: "REQUEST_INVALID", facts: { field: "secret" } });
    expect(await readdir(other.keyring)).toEqual([]);
    expect((await unlock(passphrase("correct horse"))).repository).toMatchObject({ name: "acme", unlocked: true });
    expect(await list(other)).toMatchObject([{ unlocked: true }]);
    // A wrong secret later does not put the good one out of place.
    await expect(unlock(passphrase("wrong horse"))).rejects.toMatchObject({ code: "WRONG_KEY" });
    expect((await other.coordinator.start("acme", { kind: "check", pointIds: [], readData: false })).state).toBe("running");
  });

  it("takes the recovery key as it was shown, by name or id", async () => {
    const { repository, recoveryKey } = await init("acme", key);
    await world.startWorker();
    await world.ended(await world.startBackup("acme"));
    const other = await another();
    const unlock = (secret: control.Secret) =>
      other.control.repositories.unlockRepository({ repository: repository?.id ?? "", secret });
    await expect(unlock(recovery("not a recovery key"))).rejects.toMatchObject({ code: "RECOVERY_KEY_MALFORMED" });
    expect((await unlock(recovery(recoveryKey))).repository).toMatchObject({
      id: repository?.id,
      unlocked: true,
      restorePoints: 1,
    });
  });

  it("needs a repository that is there", async () => {
    const unlock = world.control.repositories.unlockRepository({ repository: "nobody", secret: key });
    await expect(unlock).rejects.toMatchObject({ code: "NO_REPOSITORY" });
  });
});

describe("a keyring with one key that cannot be used", () => {
  it.each<[string, (file: string) => Promise<void>]>([
    ["readable by others", (file) => chmod(file, 0o644)],
    ["broken", (file) => writeFile(file, "{")],
  ])("%s locks that repository and no other", async (_, spoil) => {
    for (const name of ["a", "b"]) await world.init(name);
    await spoil(join(world.keyring, "a.json"));
    expect((await list(world)).map((r) => [r.name, r.unlocked])).toEqual([
      ["a", false],
      ["b", true],
    ]);
    await world.startWorker();
    expect(await world.ended(await world.startBackup("b"))).toMatchObject({ state: "succeeded", repository: "b" });
    await expect(world.startBackup("a")).rejects.toMatchObject({ code: expect.stringMatching(/^KEYRING_/) });
  });
});
