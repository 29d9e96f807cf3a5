import { mkdir, mkdtemp, readdir, readlink, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { utf8 } from "@permafrost/std";
import { describe, expect, it } from "vitest";
import { packStoreSuite } from "../testing/suite.ts";
import { openDiskPacks, partsAfter } from "./disk.ts";
import { packError } from "./errors.ts";

async function fresh(openFilesMax = 64) {
  const directory = await mkdtemp(join(tmpdir(), "permafrost-packs-"));
  const packs = await openDiskPacks(directory, { openFilesMax });
  return { directory, packs, release: () => rm(directory, { recursive: true, force: true }) };
}

packStoreSuite("disk", () => fresh());

describe("disk packs", () => {
  it("keeps few files open, whatever the number of packs and calls at once", async () => {
    const { packs, release, directory } = await fresh(4);
    for (let i = 0; i < 20; i++) await packs.create(`p${i}`);
    await Promise.all(Array.from({ length: 20 }, (_, i) => packs.append(`p${i}`, 0, [utf8(`content ${i}`)])));
    const read = await Promise.all(Array.from({ length: 20 }, (_, i) => packs.read(`p${i}`, 0, 50)));
    expect(read.map(String)).toEqual(Array.from({ length: 20 }, (_, i) => `content ${i}`));
    for (let i = 0; i < 20; i++) await packs.read(`p${i}`, 0, 1);
    const mine: string[] = [];
    for (const fd of await readdir("/proc/self/fd")) {
      const target = await readlink(`/proc/self/fd/${fd}`).catch(() => "");
      if (target.startsWith(directory)) mine.push(target);
    }
    expect(mine.length).toBeLessThanOrEqual(5);
    await packs.quarantine("p3");
    expect(await readdir(directory)).toContain("p3.bad");
    await packs.close();
    await release();
  });

  it("refuses a name that could leave the directory", async () => {
    const { packs, release } = await fresh();
    await expect(packs.create("../x")).rejects.toMatchObject({ code: "ASSERTION" });
    await release();
  });

  it("does not sync the directory again after that failed once", async () => {
    const { packs, release, directory } = await fresh();
    await rm(directory, { recursive: true });
    await expect(packs.syncDirectory()).rejects.toMatchObject({ code: "PACK_SYNC_FAILED" });
    await mkdir(directory);
    await expect(packs.syncDirectory()).rejects.toMatchObject({ code: "PACK_SYNC_FAILED", retry: "elsewhere" });
    await release();
  });

  it("maps the errors of the system", () => {
    const coded = (code: string, operation = "append") =>
      packError(Object.assign(new Error(code), { code }), operation, "p").code;
    expect(["EEXIST", "ENOENT", "ENOSPC", "EDQUOT", "EIO", "EROFS"].map((code) => coded(code))).toEqual([
      "PACK_EXISTS",
      "PACK_MISSING",
      "PACK_NO_SPACE",
      "PACK_NO_SPACE",
      "PACK_IO",
      "PACK_IO",
    ]);
    expect(coded("ENOSPC", "sync")).toBe("PACK_SYNC_FAILED");
  });

  it("goes on after a short write at the right byte", () => {
    const parts = [utf8("abc"), utf8(""), utf8("def"), utf8("g")];
    const rest = (bytes: number) => partsAfter(parts, bytes).map((part) => Buffer.from(part).toString());
    expect(rest(0)).toEqual(["abc", "def", "g"]);
    expect(rest(4)).toEqual(["ef", "g"]);
    expect(rest(7)).toEqual([]);
  });
});
