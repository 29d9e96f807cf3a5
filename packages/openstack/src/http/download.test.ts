/** Downloads that break: the bytes are exact or there is an error, whatever the service does. */

import { createHash } from "node:crypto";
import { CodedError } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  answer,
  cutAfter,
  hangUp,
  InstantClock,
  ranged,
  ScriptedServer,
  type Step,
  steadyRandom,
} from "../../testing/scripted-server.ts";
import type { Cloud } from "../index.ts";

const BYTES = Buffer.from(Array.from({ length: 300_000 }, (_, i) => (i * 7919) >> 3));
const SHA512 = createHash("sha512").update(BYTES).digest("hex");
const MD5 = createHash("md5").update(BYTES).digest("hex");
const OCTETS = { "content-type": "application/octet-stream" };
const FILE = "/image/v2/images/i/file";
const OBJECT = "/v1/AUTH_project-1/c/o";

let server: ScriptedServer;
let clock: InstantClock;
let cloud: Cloud;

beforeEach(async () => {
  server = new ScriptedServer();
  clock = new InstantClock();
  await server.listen();
  cloud = await server.open(clock, steadyRandom, { bodyIdleTimeoutMs: 300 });
});

afterEach(async () => {
  await cloud.close();
  await server.close();
});

async function read(body: AsyncIterable<Uint8Array>): Promise<Buffer> {
  return Buffer.concat(await Array.fromAsync(body, (chunk) => Buffer.from(chunk)));
}

async function failure(work: Promise<unknown>): Promise<CodedError> {
  try {
    await work;
  } catch (error) {
    return CodedError.from(error);
  }
  throw new Error("did not fail");
}

const download = (options: Parameters<Cloud["image"]["download"]>[1] = {}) =>
  read(cloud.image.download("i", { sizeBytes: BYTES.length, ...options }));

describe("a whole body", () => {
  it("is given with its hash checked", async () => {
    server.on(FILE, answer(200, BYTES, OCTETS));
    expect((await download({ hash: { algorithm: "sha512", value: SHA512 } })).equals(BYTES)).toBe(true);
  });

  it("that is another one is HASH_MISMATCH, once read and not asked for again", async () => {
    server.on(FILE, answer(200, BYTES, OCTETS));
    expect((await failure(download({ hash: { algorithm: "sha512", value: "00" } }))).code).toBe("HASH_MISMATCH");
    expect(server.to(FILE)).toHaveLength(1);
  });

  it("of another size is SOURCE_CHANGED", async () => {
    server.on(FILE, answer(200, BYTES, { ...OCTETS, "content-length": String(BYTES.length) }));
    expect((await failure(download({ sizeBytes: BYTES.length + 1 }))).code).toBe("SOURCE_CHANGED");
  });

  it("of HTML is BAD_RESPONSE", async () => {
    server.on(FILE, answer(200, "<html>", { "content-type": "text/html" }));
    expect((await failure(download({ sizeBytes: undefined }))).code).toBe("BAD_RESPONSE");
  });

  it("that is missing (204) is nothing, or DOWNLOAD_TRUNCATED where bytes were announced", async () => {
    server.on(FILE, answer(204));
    expect(await download({ sizeBytes: undefined })).toHaveLength(0);
    expect((await failure(download())).code).toBe("DOWNLOAD_TRUNCATED");
  });

  it("without a length and too long is SOURCE_CHANGED", async () => {
    server.on(FILE, answer(200, Buffer.concat([BYTES, BYTES]), { ...OCTETS, "transfer-encoding": "chunked" }));
    expect((await failure(download())).code).toBe("SOURCE_CHANGED");
  });
});

describe("a broken body", () => {
  it.each([0, 1, 65_536, 150_000, 299_999])("is resumed by Range after %i bytes", async (sent) => {
    server.on(FILE, cutAfter(200, BYTES, sent, OCTETS), ranged(BYTES, OCTETS));
    const resumed: number[] = [];
    const got = await download({ hash: { algorithm: "sha512", value: SHA512 }, onResume: (received) => resumed.push(received) });
    expect(got.equals(BYTES)).toBe(true);
    expect(resumed).toHaveLength(1);
    expect(server.to(FILE)[1]?.headers.range).toBe(resumed[0] === 0 ? undefined : `bytes=${resumed[0]}-`);
  });

  it("is read over where Range is not honoured", async () => {
    server.on(FILE, cutAfter(200, BYTES, 100_000, OCTETS), answer(200, BYTES, OCTETS));
    expect((await download({ hash: { algorithm: "sha512", value: SHA512 } })).equals(BYTES)).toBe(true);
  });

  it("that is chunked and ends early is resumed too", async () => {
    const short: Step = (_, response) =>
      void response.writeHead(200, { ...OCTETS, "transfer-encoding": "chunked" }).end(BYTES.subarray(0, 1000));
    server.on(FILE, short, ranged(BYTES, OCTETS));
    expect((await download()).equals(BYTES)).toBe(true);
    expect(server.to(FILE)[1]?.headers.range).toBe("bytes=1000-");
  });

  it("is resumed with a new token when the old one has expired meanwhile", async () => {
    server.on(FILE, cutAfter(200, BYTES, 100_000, OCTETS), answer(401), ranged(BYTES, OCTETS));
    expect((await download()).equals(BYTES)).toBe(true);
    expect(server.to(FILE).map((one) => one.headers["x-auth-token"])).toEqual(["token-1", "token-1", "token-2"]);
  });

  it("that falls silent is resumed", async () => {
    const silent: Step = (_, response) => {
      response.writeHead(200, { ...OCTETS, "content-length": String(BYTES.length) });
      response.write(BYTES.subarray(0, 1000));
    };
    server.on(FILE, silent, ranged(BYTES, OCTETS));
    expect((await download()).equals(BYTES)).toBe(true);
  });

  it("that never gets on is DOWNLOAD_TRUNCATED after bounded attempts", async () => {
    server.on(FILE, cutAfter(200, BYTES, 1000, OCTETS), cutAfter(200, BYTES, 0, OCTETS));
    const error = await failure(download());
    expect([error.code, error.facts.received, error.facts.expected, error.retry]).toEqual([
      "DOWNLOAD_TRUNCATED",
      1000,
      BYTES.length,
      "later",
    ]);
    expect(server.to(FILE)).toHaveLength(6);
  });

  it("gives up on a service that only hangs up", async () => {
    server.on(FILE, cutAfter(200, BYTES, 1000, OCTETS), hangUp);
    expect((await failure(download())).code).toBe("DOWNLOAD_TRUNCATED");
  });

  it.each([
    ["another etag", ranged(BYTES, { etag: '"new"' })],
    ["412", answer(412)],
    ["404", answer(404)],
    ["416", answer(416)],
    ["another size", ranged(Buffer.concat([BYTES, BYTES]), { etag: '"old"' })],
    ["another size without Range", answer(200, BYTES.subarray(5), { etag: '"old"', "content-length": String(BYTES.length - 5) })],
  ])("is SOURCE_CHANGED when the rest has %s", async (_, step) => {
    server.on(OBJECT, cutAfter(200, BYTES, 1000, { etag: '"old"' }), step);
    const body = cloud.object.getObject("c", "o").then((got) => read(got.body));
    expect((await failure(body)).code).toBe("SOURCE_CHANGED");
    expect(server.to(OBJECT)[1]?.headers["if-match"]).toBe('"old"');
  });

  it("from the wrong byte is BAD_RESPONSE", async () => {
    server.on(
      FILE,
      cutAfter(200, BYTES, 1000, OCTETS),
      answer(206, BYTES.subarray(5), { ...OCTETS, "content-range": `bytes 5-${BYTES.length - 1}/${BYTES.length}` }),
    );
    expect((await failure(download())).code).toBe("BAD_RESPONSE");
  });
});

describe("a range", () => {
  it("is given exactly and resumed inside", async () => {
    server.on(
      FILE,
      cutAfter(206, BYTES.subarray(1000, 201_000), 70_000, { ...OCTETS, "content-range": `bytes 1000-200999/${BYTES.length}` }),
      ranged(BYTES, OCTETS),
    );
    expect((await download({ range: { start: 1000, end: 201_000 } })).equals(BYTES.subarray(1000, 201_000))).toBe(true);
  });

  it("that is not honoured is BAD_RESPONSE, that has another total SOURCE_CHANGED", async () => {
    server.on(FILE, answer(200, BYTES, OCTETS));
    expect((await failure(download({ range: { start: 1, end: 2 } }))).code).toBe("BAD_RESPONSE");
    server.on(FILE, ranged(BYTES, OCTETS));
    expect((await failure(download({ sizeBytes: 5, range: { start: 1, end: 2 } }))).code).toBe("SOURCE_CHANGED");
  });
});

describe("Swift", () => {
  it("verifies the MD5 of a plain object and not of a large one", async () => {
    server.on(OBJECT, answer(200, BYTES, { etag: "0".repeat(32) }));
    expect((await failure(cloud.object.getObject("c", "o").then((got) => read(got.body)))).code).toBe("HASH_MISMATCH");
    server.on(OBJECT, answer(200, BYTES, { etag: MD5 }));
    expect(await read((await cloud.object.getObject("c", "o")).body)).toHaveLength(BYTES.length);
    server.on(OBJECT, answer(200, BYTES, { etag: "0".repeat(32), "x-static-large-object": "True" }));
    expect(await read((await cloud.object.getObject("c", "o")).body)).toHaveLength(BYTES.length);
  });

  it("says HASH_MISMATCH for 422 and reads a manifest's outcome behind its heartbeat", async () => {
    server.on(OBJECT, answer(422));
    expect((await failure(cloud.object.putObject("c", "o", Buffer.from("x"), { etag: MD5 }))).code).toBe("HASH_MISMATCH");
    server.on(OBJECT, answer(202, `   ${JSON.stringify({ "Response Status": "201 Created", Etag: '"e"', Errors: [] })}`));
    expect(await cloud.object.putManifest("c", "o", Buffer.from("[]"))).toEqual({ etag: "e" });
    server.on(
      OBJECT,
      answer(202, `   ${JSON.stringify({ "Response Status": "400 Bad Request", Errors: [["c/s", "404 Not Found"]] })}`),
    );
    const error = await failure(cloud.object.putManifest("c", "o", Buffer.from("[]")));
    expect([error.code, error.facts.status, error.facts.message]).toEqual(["CLOUD_HTTP", 400, "c/s: 404 Not Found"]);
    server.on(OBJECT, answer(202, "   "));
    expect((await failure(cloud.object.putManifest("c", "o", Buffer.from("[]")))).code).toBe("BAD_RESPONSE");
  });
});
