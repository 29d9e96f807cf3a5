/**
 * ObjectBucket over the S3 protocol: AWS, Ceph RGW, MinIO, OpenStack Swift's s3api.
 *
 * Path-style addresses, whole PUTs with Content-MD5 and a signed SHA-256, no trailers and no checksum headers, which not every store knows.
 * Listings come in pages of 1,000. A call is repeated with growing delays on 5xx, 429, timeouts and broken connections; each of
 * them may be repeated. Keys never appear in errors or logs; what is signed is made anew for each attempt.
 */

import { createHash } from "node:crypto";
import { type Clock, CodedError, isoTime, type Random, retry, systemClock, systemRandom } from "@permafrost/std";
import { AwsV4Signer } from "aws4fetch";
import { Agent, type Dispatcher } from "undici";
import { bucketError, bucketUnfit } from "./errors.ts";
import type { ListedKey, ObjectBucket } from "./object-bucket.ts";

export interface S3BucketOptions {
  /** `https://host[:port][/path]`; the bucket's name is put behind it. */
  readonly endpoint: string;
  readonly region: string;
  readonly bucket: string;
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** PEM of the authority that signed the endpoint's certificate, if the system does not know it. */
  readonly caCertificate?: string;
  /** Calls in all, the first included; default 6. */
  readonly attemptsMax?: number;
  /** Until the answer to a request begins; default 60 s. */
  readonly answerTimeoutMs?: number;
  readonly clock?: Clock;
  readonly random?: Random;
}

interface S3Call {
  readonly operation: string;
  readonly method: "GET" | "PUT" | "HEAD" | "DELETE";
  readonly key: string;
  readonly query?: Readonly<Record<string, string>>;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array;
  /** Status codes that are answers. */
  readonly expect: readonly number[];
}

interface S3Reply {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

const PAGE_KEYS = 1000;
const DELAY_MS = 200;
const DELAY_MS_MAX = 10_000;
const CONNECTIONS_MAX = 32;

export function openS3Bucket(options: S3BucketOptions): ObjectBucket {
  const clock = options.clock ?? systemClock;
  const random = options.random ?? systemRandom;
  const answerTimeoutMs = options.answerTimeoutMs ?? 60_000;
  const base = `${options.endpoint.replace(/\/+$/, "")}/${encodeURIComponent(options.bucket)}`;
  const agent = new Agent({
    connections: CONNECTIONS_MAX,
    pipelining: 1,
    allowH2: false,
    connect: { timeout: 10_000, ...(options.caCertificate === undefined ? {} : { ca: options.caCertificate }) },
  });
  const signingKeys = new Map<string, ArrayBuffer>();

  const attempt = async (call: S3Call): Promise<S3Reply> => {
    const body = call.body ?? new Uint8Array(0);
    const path = call.key === "" ? "" : `/${call.key.split("/").map(encodeURIComponent).join("/")}`;
    const query = new URLSearchParams(call.query).toString();
    const { accessKeyId, secretAccessKey, region } = options;
    const signer = new AwsV4Signer({
      ...{ accessKeyId, secretAccessKey, region, service: "s3", cache: signingKeys },
      method: call.method,
      url: `${base}${path}${query === "" ? "" : `?${query}`}`,
      headers: { ...call.headers, "x-amz-content-sha256": createHash("sha256").update(body).digest("hex") },
      datetime: isoTime(clock.now()).replace(/[:-]|\.\d{3}/g, ""),
    });
    const signed = await signer.sign();
    try {
      const reply = await agent.request({
        origin: signed.url.origin,
        path: `${signed.url.pathname}${signed.url.search}`,
        method: call.method as Dispatcher.HttpMethod,
        headers: Object.fromEntries([...signed.headers].filter(([name]) => name !== "host")),
        body: call.method === "PUT" ? body : null,
        headersTimeout: answerTimeoutMs,
        bodyTimeout: answerTimeoutMs,
      });
      return { status: reply.statusCode, headers: reply.headers, body: Buffer.from(await reply.body.arrayBuffer()) };
    } catch (error) {
      throw bucketError({ ...call, status: undefined, reason: reasonOf(error), cause: error });
    }
  };

  const send = (call: S3Call): Promise<S3Reply> =>
    retry(
      async () => {
        const reply = await attempt(call);
        if (call.expect.includes(reply.status)) return reply;
        throw refusal(call, reply);
      },
      { attemptsMax: options.attemptsMax ?? 6, delayMs: DELAY_MS, delayMsMax: DELAY_MS_MAX, clock, random },
    );

  const put = (operation: string, key: string, body: Uint8Array, more: Readonly<Record<string, string>>, expect: number[]) => {
    const md5 = createHash("md5").update(body).digest();
    const headers = { "content-md5": md5.toString("base64"), "content-type": "application/octet-stream", ...more };
    return send({ operation, method: "PUT", key, headers, body, expect });
  };

  return {
    async put(key, bytes) {
      await put("put", key, bytes, {}, [200, 201, 204]);
    },
    async putNew(key, bytes) {
      const { status } = await put("putNew", key, bytes, { "if-none-match": "*" }, [200, 201, 204, 412, 501]);
      // So answers Swift's s3api up to 2025.1.
      if (status === 501) throw bucketUnfit("the object store does not know If-None-Match: * of a PUT", { status });
      return status !== 412;
    },
    async get(key, offset, length) {
      if (length === 0) return Buffer.alloc(0);
      const headers = { range: `bytes=${offset}-${offset + length - 1}` };
      const { status, body } = await send({ operation: "get", method: "GET", key, headers, expect: [200, 206] });
      // A store may ignore the range.
      const bytes = status === 206 ? body : body.subarray(offset, offset + length);
      if (bytes.length !== length) {
        throw bucketError({ operation: "get", key, status, reason: `gave ${bytes.length} of ${length} bytes` });
      }
      return bytes;
    },
    async sizeBytes(key) {
      const { status, headers } = await send({ operation: "head", method: "HEAD", key, expect: [200, 404] });
      return status === 404 ? undefined : Number(headers["content-length"] ?? 0);
    },
    async *list(prefix) {
      let token: string | undefined;
      do {
        const more = token === undefined ? {} : { "continuation-token": token };
        const query = { "list-type": "2", "max-keys": String(PAGE_KEYS), prefix, ...more };
        const { body } = await send({ operation: "list", method: "GET", key: "", query, expect: [200] });
        const page = parsePage(body.toString("utf8"));
        yield* page.keys;
        token = page.next;
      } while (token !== undefined);
    },
    async delete(key) {
      await send({ operation: "delete", method: "DELETE", key, expect: [200, 202, 204, 404] });
    },
    close: () => agent.destroy(),
  };
}

/** The refusal as one of our codes. Only the store's short code for it is kept: its message may repeat what was signed. */
function refusal(call: S3Call, { status, headers, body }: S3Reply): CodedError {
  const code = /<Code>([A-Za-z0-9.]{1,64})<\/Code>/.exec(body.toString("utf8", 0, 64 * 1024))?.[1] ?? "";
  const requestId = String(headers["x-amz-request-id"] ?? headers["x-trans-id"] ?? "") || undefined;
  if (status >= 300 && status < 400) {
    return bucketError({ ...call, status, reason: "redirects; check endpoint and region", requestId });
  }
  if (code === "NoSuchBucket") {
    return new CodedError("PACK_DENIED", "the bucket is not there", {
      facts: { operation: call.operation, status, requestId },
      hint: "Make the bucket first, or check its name and the endpoint.",
      retry: "elsewhere",
    });
  }
  return bucketError({ ...call, status, reason: code, requestId });
}

function reasonOf(error: unknown): string {
  const { code } = error as { code?: unknown };
  return typeof code === "string" ? code : error instanceof Error ? error.name : "unknown";
}

/** One answer of ListObjectsV2. */
export function parsePage(xml: string): { readonly keys: readonly ListedKey[]; readonly next: string | undefined } {
  const text = (from: string, name: string) => {
    const found = new RegExp(`<${name}>([^<]*)</${name}>`).exec(from)?.[1];
    return found === undefined ? undefined : unescaped(found);
  };
  if (!xml.includes("<ListBucketResult")) {
    throw bucketError({ operation: "list", key: "", status: 200, reason: "the answer is no listing" });
  }
  const keys = [...xml.matchAll(/<Contents>([\s\S]*?)<\/Contents>/g)].map(([, entry = ""]) => ({
    key: text(entry, "Key") ?? "",
    sizeBytes: Number(text(entry, "Size") ?? 0),
  }));
  return { keys, next: text(xml, "IsTruncated") === "true" ? text(xml, "NextContinuationToken") : undefined };
}

function unescaped(text: string): string {
  const named: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
  return text.replace(/&(?:#x([0-9a-fA-F]+)|#(\d+)|(\w+));/g, (all, hex, decimal, name) => {
    if (hex !== undefined) return String.fromCodePoint(Number.parseInt(hex, 16));
    if (decimal !== undefined) return String.fromCodePoint(Number(decimal));
    return named[name] ?? all;
  });
}
