import { CodedError, utf8 } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { objectBucketSuite } from "../testing/bucket-suite.ts";
import { S3_TEST_CREDENTIALS, type S3Server, startS3Server } from "../testing/s3-server.ts";
import { openS3Bucket, parsePage, type S3BucketOptions } from "./s3.ts";

const slept: number[] = [];
const clock = {
  now: () => Date.UTC(2026, 0, 2, 3, 4, 5, 678),
  monotonic: () => 0,
  sleep: async (ms: number) => {
    slept.push(ms);
  },
};
const random = { bytes: (length: number) => new Uint8Array(length), fraction: () => 1 };
const bucketOf = (server: S3Server, more: Partial<S3BucketOptions> = {}) =>
  openS3Bucket({ endpoint: `${server.url}/`, bucket: "bucket", ...S3_TEST_CREDENTIALS, clock, random, ...more });

objectBucketSuite("S3 over HTTP", async () => {
  const server = await startS3Server();
  return { bucket: bucketOf(server), release: () => server.close() };
});

let server: S3Server;
beforeEach(async () => {
  server = await startS3Server();
  slept.length = 0;
});
afterEach(() => server.close());

describe("S3", () => {
  it("lists in pages, and undoes the escapes of XML", async () => {
    for (const name of ["a", "b&c", "d", "e<f", "g"]) server.objects.set(`p/${name}`, Buffer.from(name));
    server.pageKeys = 2;
    const keys = await Array.fromAsync(bucketOf(server).list("p/"));
    expect(keys.map(({ key, sizeBytes }) => `${key} ${sizeBytes}`)).toEqual(["p/a 1", "p/b&c 3", "p/d 1", "p/e<f 3", "p/g 1"]);
    expect(server.seen.length).toBe(3);
    expect(() => parsePage("<html>login</html>")).toThrow(expect.objectContaining({ code: "PACK_IO" }));
  });

  it("is not fit when the store knows no conditional writes", async () => {
    server.fault = (request, response, at) => {
      if (at === "after" || request.headers["if-none-match"] === undefined) return false;
      response.writeHead(501).end("<Error><Code>NotImplemented</Code></Error>");
      return true;
    };
    await expect(bucketOf(server).putNew("owner/1", utf8("me"))).rejects.toMatchObject({
      code: "BUCKET_UNFIT",
      facts: { status: 501 },
    });
    expect(server.objects.size).toBe(0);
  });

  it("repeats what may pass, waiting longer each time, then says PACK_UNREACHABLE", async () => {
    const bucket = bucketOf(server, { attemptsMax: 4 });
    server.fault = (request, response, at) => {
      if (at === "before") return false;
      response.writeHead(503).end("<Error><Code>SlowDown</Code></Error>");
      return request.method === "PUT";
    };
    await expect(bucket.put("a", utf8("a"))).rejects.toMatchObject({ code: "PACK_UNREACHABLE", retry: "later" });
    expect([server.seen.length, slept]).toEqual([4, [200, 400, 800]]);
    for (const status of [429, 500, 502, 504, 408]) {
      let failures = 2;
      server.fault = (_, response, at) => {
        if (at === "after" || failures-- <= 0) return false;
        response.writeHead(status).end();
        return true;
      };
      await bucket.put(`after-${status}`, utf8("x"));
      expect(server.objects.has(`after-${status}`)).toBe(true);
    }
  });

  it("gets over answers that are lost, broken off or do not come", async () => {
    const bucket = bucketOf(server, { answerTimeoutMs: 300 });
    await bucket.put("a", utf8("0123456789"));
    const faults: NonNullable<S3Server["fault"]>[] = [
      (_, response) => !!response.socket?.destroy(),
      (_, response) => {
        response.writeHead(206, { "content-length": "10" }).write("012", () => response.socket?.destroy());
        return true;
      },
      () => true,
    ];
    for (const one of faults) {
      let isDone = false;
      server.fault = (request, response, at) => {
        if (isDone || at === "before") return false;
        isDone = true;
        return one(request, response, at);
      };
      expect((await bucket.get("a", 0, 10)).toString()).toBe("0123456789");
      expect(isDone).toBe(true);
    }
    // Its first attempt was applied: the second finds an object, which is its own.
    let lost = 0;
    server.fault = (_, response, at) => at === "after" && lost++ === 0 && !!response.socket?.destroy();
    expect(await bucket.putNew("new", utf8("mine"))).toBe(false);
    expect(server.objects.get("new")?.toString()).toBe("mine");
  });

  it("sends bytes that were damaged on the way again", async () => {
    let isDamaged = true;
    server.fault = (request, _, at) => {
      if (at === "before" && isDamaged) Object.assign(request, { body: Buffer.from("other") });
      isDamaged = false;
      return false;
    };
    await bucketOf(server).put("a", utf8("right"));
    expect([server.seen.length, server.objects.get("a")?.toString()]).toEqual([2, "right"]);
    let refusals = 1;
    server.fault = (_, response, at) => {
      if (at === "after" || refusals-- <= 0) return false;
      response.writeHead(400).end("<Error><Code>BadDigest</Code></Error>");
      return true;
    };
    await bucketOf(server).put("b", utf8("right"));
    expect(server.objects.get("b")?.toString()).toBe("right");
  });

  it.each([
    [413, "EntityTooLarge", "PACK_NO_SPACE"],
    [507, "XMinioStorageFull", "PACK_NO_SPACE"],
    [403, "QuotaExceeded", "PACK_NO_SPACE"],
    [403, "AccessDenied", "PACK_DENIED"],
    [401, "", "PACK_DENIED"],
    [404, "NoSuchBucket", "PACK_DENIED"],
    [301, "PermanentRedirect", "PACK_IO"],
    [400, "InvalidRequest", "PACK_IO"],
    [501, "NotImplemented", "PACK_IO"],
  ])("maps %i %s to %s", async (status, code, expected) => {
    server.fault = (_, response) => {
      response
        .writeHead(status)
        .end(`<Error><Code>${code}</Code><Message>${S3_TEST_CREDENTIALS.secretAccessKey}</Message></Error>`);
      return true;
    };
    const error = await bucketOf(server, { attemptsMax: 1 })
      .put("a", utf8("a"))
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: expected, facts: { operation: "put", status } });
    const shown = CodedError.is(error) ? JSON.stringify([error.message, error.facts, error.hint, String(error.cause)]) : "";
    for (const secret of Object.values(S3_TEST_CREDENTIALS).slice(0, 2)) expect(shown).not.toContain(secret);
  });

  it("is refused with a wrong secret, and says nothing of it", async () => {
    const error = await bucketOf(server, { secretAccessKey: "a-wrong-one" })
      .sizeBytes("a")
      .catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: "PACK_DENIED" });
    expect(JSON.stringify(error)).not.toContain("a-wrong-one");
    expect(server.seen.length).toBe(1);
  });

  it("cannot reach a port that nobody listens on", async () => {
    await server.close();
    const error = bucketOf(server, { attemptsMax: 2 }).sizeBytes("a");
    await expect(error).rejects.toMatchObject({ code: "PACK_UNREACHABLE", facts: { reason: "ECONNREFUSED" } });
    server = await startS3Server();
  });
});
