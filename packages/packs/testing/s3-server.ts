/**
 * A small S3 over node:http for tests: objects in memory, path style, ListObjectsV2 in pages. It computes every request's signature (AWS
 * Signature Version 4) by its own means and refuses what does not match, as it does bodies other than their digests say.
 */

import { createHash, createHmac } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export const S3_TEST_CREDENTIALS = {
  accessKeyId: "AKIDTEST",
  secretAccessKey: "a-secret/for+tests",
  region: "region-1",
} as const;

export interface S3Request {
  readonly method: string;
  readonly url: string;
  readonly headers: IncomingMessage["headers"];
  readonly body: Buffer;
}

export interface S3Server {
  readonly url: string;
  readonly objects: Map<string, Buffer>;
  readonly seen: S3Request[];
  /** Keys on one page of a listing. */
  pageKeys: number;
  /** Answers the request in the server's place if it returns true. */
  fault: ((request: S3Request, response: ServerResponse, at: "before" | "after") => boolean) | undefined;
  close(): Promise<void>;
}

/** A server with the bucket `bucket`. */
export async function startS3Server(): Promise<S3Server> {
  const objects = new Map<string, Buffer>();
  const seen: S3Request[] = [];
  const state: Pick<S3Server, "pageKeys" | "fault"> = { pageKeys: 1000, fault: undefined };
  const serve = async (raw: IncomingMessage, response: ServerResponse) => {
    const parts: Buffer[] = [];
    for await (const part of raw) parts.push(part as Buffer);
    const request = { method: raw.method ?? "", url: raw.url ?? "", headers: raw.headers, body: Buffer.concat(parts) };
    seen.push(request);
    if (state.fault?.(request, response, "before")) return;
    const answer = answerTo(request, objects, state.pageKeys);
    if (state.fault?.(request, response, "after")) return;
    response.writeHead(answer.status, { "x-amz-request-id": `r${seen.length}`, ...answer.headers });
    response.end(request.method === "HEAD" ? undefined : answer.body);
  };
  const server = createServer((request, response) => void serve(request, response).catch(() => request.destroy()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const close = async () => {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  };
  return Object.assign(state, { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, objects, seen, close });
}

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer | string;
}

const error = (status: number, code: string): Answer => ({ status, body: `<Error><Code>${code}</Code></Error>` });

function answerTo(request: S3Request, objects: Map<string, Buffer>, pageKeys: number): Answer {
  const { pathname, searchParams } = new URL(request.url, "http://any");
  const wrong = signatureFault(request, pathname, searchParams);
  if (wrong !== undefined) return error(403, wrong);
  const [, bucket, ...rest] = pathname.split("/").map(decodeURIComponent);
  if (bucket !== "bucket") return error(404, "NoSuchBucket");
  const key = rest.join("/");
  if (key === "") return list(objects, searchParams, pageKeys);
  const found = objects.get(key);
  if (request.method === "PUT") {
    const { body, headers } = request;
    if (headers["if-none-match"] === "*" && found) return error(412, "PreconditionFailed");
    if (headers["content-md5"] !== createHash("md5").update(body).digest("base64")) return error(400, "BadDigest");
    objects.set(key, body);
    return { status: 200, headers: { etag: `"${createHash("md5").update(body).digest("hex")}"` } };
  }
  if (request.method === "DELETE") {
    objects.delete(key);
    return { status: 204 };
  }
  if (!found) return error(404, "NoSuchKey");
  if (request.method === "HEAD") return { status: 200, headers: { "content-length": String(found.length) } };
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "") ?? [];
  if (from === undefined) return { status: 200, body: found };
  if (Number(from) >= found.length) return error(416, "InvalidRange");
  return { status: 206, body: found.subarray(Number(from), Number(to) + 1) };
}

function list(objects: Map<string, Buffer>, query: URLSearchParams, pageKeys: number): Answer {
  const after = Buffer.from(query.get("continuation-token") ?? "", "base64").toString();
  const all = [...objects.keys()].sort().filter((key) => key.startsWith(query.get("prefix") ?? "") && key > after);
  const page = all.slice(0, Math.min(pageKeys, Number(query.get("max-keys"))));
  const escaped = (text: string) => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
  const contents = page.map(
    (key) => `<Contents><Key>${escaped(key)}</Key><Size>${objects.get(key)?.length}</Size><Owner><ID>x</ID></Owner></Contents>`,
  );
  const isCut = page.length < all.length;
  const next = isCut ? `<NextContinuationToken>${Buffer.from(page.at(-1) ?? "").toString("base64")}</NextContinuationToken>` : "";
  const body = `<?xml version="1.0"?><ListBucketResult><IsTruncated>${isCut}</IsTruncated>${next}${contents.join("")}</ListBucketResult>`;
  return { status: 200, body };
}

/** The code of the refusal, or undefined: https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html */
function signatureFault(request: S3Request, pathname: string, query: URLSearchParams): string | undefined {
  const { accessKeyId, secretAccessKey, region } = S3_TEST_CREDENTIALS;
  const match =
    /^AWS4-HMAC-SHA256 Credential=([^/]+)\/(\d{8})\/([^/]+)\/s3\/aws4_request, SignedHeaders=([^,]+), Signature=(\w+)$/.exec(
      request.headers.authorization ?? "",
    );
  if (!match) return "AccessDenied";
  const [, id, day, inRegion, names = "", signature] = match;
  if (id !== accessKeyId || inRegion !== region) return "InvalidAccessKeyId";
  const payload = String(request.headers["x-amz-content-sha256"]);
  if (createHash("sha256").update(request.body).digest("hex") !== payload) return "XAmzContentSHA256Mismatch";
  const encode = (text: string) =>
    encodeURIComponent(text).replace(/[!'()*]/g, (c) => `%${c.charCodeAt(0).toString(16).toUpperCase()}`);
  const path = pathname
    .split("/")
    .map((part) => encode(decodeURIComponent(part)))
    .join("/");
  const pairs = [...query].map(([name, value]) => `${encode(name)}=${encode(value)}`).sort();
  const headers = names.split(";").map((name) => `${name}:${String(request.headers[name]).trim()}\n`);
  const canonical = [request.method, path, pairs.join("&"), headers.join(""), names, payload].join("\n");
  const scope = `${day}/${region}/s3/aws4_request`;
  const date = String(request.headers["x-amz-date"]);
  const text = ["AWS4-HMAC-SHA256", date, scope, createHash("sha256").update(canonical).digest("hex")].join("\n");
  const hmac = (key: string | Buffer, data: string) => createHmac("sha256", key).update(data).digest();
  const signingKey = [day ?? "", region, "s3", "aws4_request"].reduce<string | Buffer>(hmac, `AWS4${secretAccessKey}`);
  const expected = createHmac("sha256", signingKey).update(text).digest("hex");
  return expected === signature && names.includes("host") ? undefined : "SignatureDoesNotMatch";
}
