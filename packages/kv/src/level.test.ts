import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { kvSuite } from "../testing/suite.ts";
import { kvError } from "./errors.ts";
import { destroyLevelKv, openLevelKv } from "./level.ts";

kvSuite("LevelDB", async () => {
  const directory = await mkdtemp(join(tmpdir(), "permafrost-kv-"));
  return { kv: await openLevelKv(join(directory, "kv")), release: () => rm(directory, { recursive: true }) };
});

describe("LevelDB", () => {
  let directory: string;
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "permafrost-kv-"));
  });
  afterEach(() => rm(directory, { recursive: true }));

  it("keeps what it has over a reopening, and lets one owner in", async () => {
    const kv = await openLevelKv(directory);
    await kv.batch([{ type: "put", key: utf8("a"), value: utf8("1") }], { sync: true });
    await expect(openLevelKv(directory)).rejects.toMatchObject({ code: "KV_LOCKED" });
    await expect(destroyLevelKv(directory)).rejects.toMatchObject({ code: "KV_LOCKED" });
    await kv.close();
    const again = await openLevelKv(directory);
    expect(await again.get(utf8("a"))).toEqual(Buffer.from("1"));
    await again.close();
  });

  it("refuses a damaged store, which can then be destroyed", async () => {
    await (await openLevelKv(directory)).close();
    for (const file of await readdir(directory)) {
      if (file.startsWith("MANIFEST")) await writeFile(join(directory, file), "not a manifest, by any means");
    }
    await expect(openLevelKv(directory)).rejects.toMatchObject({ code: "KV_CORRUPT" });
    await destroyLevelKv(directory);
    const kv = await openLevelKv(directory);
    expect(await kv.get(utf8("a"))).toBeUndefined();
    await kv.close();
  });

  it("calls a store damaged whose manifest is gone", async () => {
    await (await openLevelKv(directory)).close();
    for (const file of await readdir(directory)) if (file.startsWith("MANIFEST")) await rm(join(directory, file));
    await expect(openLevelKv(directory)).rejects.toMatchObject({ code: "KV_CORRUPT" });
    await destroyLevelKv(directory);
    await (await openLevelKv(directory)).close();
  });

  it("names other failures KV_FAILED with their reason", async () => {
    const file = join(directory, "file");
    await writeFile(file, "");
    await expect(openLevelKv(join(file, "kv"))).rejects.toMatchObject({
      code: "KV_FAILED",
      facts: { directory: join(file, "kv") },
    });
    expect(kvError(Object.assign(new Error("x"), { code: "LEVEL_DATABASE_NOT_OPEN" }), "d").code).toBe("KV_CLOSED");
  });
});
