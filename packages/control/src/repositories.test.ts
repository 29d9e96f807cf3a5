import { memoryBlockStore } from "@permafrost/blocks";
import { initRepository } from "@permafrost/repository";
import { utf8 } from "@permafrost/std";
import { beforeEach, describe, expect, it } from "vitest";
import { Repositories } from "./repositories.ts";

const SECRET = { kind: "key", value: Buffer.alloc(32).toString("base64") } as const;
const OTHER = "f".repeat(32);

describe("a repository that is asked for by name or id", () => {
  let store: ReturnType<typeof memoryBlockStore>;
  let repositories: Repositories;
  let id: string;
  beforeEach(async () => {
    store = memoryBlockStore();
    repositories = new Repositories(store, "/nonexistent");
    id = (await initRepository(store, { name: "prod", secret: SECRET })).repository.id;
  });
  const scope = (repositoryId: string) => ({ repositoryId, sessionId: "s", taskId: "t", fence: 0n });

  it("is found, or is not there", async () => {
    expect((await repositories.header("prod")).repositoryId).toBe(id);
    expect((await repositories.header(id)).name).toBe("prod");
    for (const absent of ["other", OTHER])
      await expect(repositories.header(absent)).rejects.toMatchObject({ code: "NO_REPOSITORY" });
  });

  it("is not called absent while a header cannot be read that may be its own", async () => {
    await store.putRecord(scope(id), { key: "repository/header", version: 2n, body: utf8("junk") });
    for (const asked of ["prod", id]) {
      await expect(repositories.header(asked)).rejects.toMatchObject({
        code: "REPOSITORY_UNREADABLE",
        facts: { repository: asked, unreadable: id, reason: "HEADER_BROKEN" },
      });
    }
    await expect(repositories.header(OTHER)).rejects.toMatchObject({ code: "NO_REPOSITORY" });
  });

  it("is not called absent when its header is gone and its records are not", async () => {
    await store.putRecord(scope(OTHER), { key: "session/1", version: 1n, body: utf8("x") });
    await expect(repositories.header("other")).rejects.toMatchObject({
      code: "REPOSITORY_UNREADABLE",
      retry: "later",
      facts: { unreadable: OTHER, reason: "HEADER_MISSING" },
    });
    expect((await repositories.header("prod")).repositoryId).toBe(id);
  });

  it("is absent when all that is left is a making that failed", async () => {
    const leftover: typeof store = { ...store, listRepositories: async () => [OTHER] };
    await expect(new Repositories(leftover, "/nonexistent").header("other")).rejects.toMatchObject({ code: "NO_REPOSITORY" });
  });

  it("is not called absent by a store that cannot say", async () => {
    for (const method of ["listRepositories", "getRecord"] as const) {
      store.failNext(new Error("rebuilding"), 1, method);
      await expect(repositories.header("prod")).rejects.toThrow("rebuilding");
    }
  });
});
