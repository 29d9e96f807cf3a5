/**
 * Who may talk: mutual TLS from PEM files and a bearer token.
 *
 * A server that listens beyond loopback has mutual TLS, or it does not start. Tokens are compared in constant time and
 * their bytes are in no error.
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import { ChannelCredentials, type ChannelOptions, ServerCredentials } from "@grpc/grpc-js";
import { CodedError } from "@permafrost/std";

/** Paths of PEM files. `caFile` holds the authority that signed the other side's certificate. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

const TOKEN_CHARACTERS_MIN = 16;

function readSetting(setting: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (cause) {
    const reason = (cause as NodeJS.ErrnoException).code ?? "unknown";
    throw new CodedError("CONFIG_INVALID", `${setting}: ${path} cannot be read (${reason})`, {
      facts: { setting, path, reason },
      hint: "check the path and that this user may read the file",
      cause,
    });
  }
}

/** The token in a file, without surrounding white space; CONFIG_INVALID if it is shorter than 16 characters. */
export function readToken(path: string): string {
  const token = readSetting("tokenFile", path).toString("utf8").trim();
  if (token.length < TOKEN_CHARACTERS_MIN || !/^[\x21-\x7e]+$/.test(token)) {
    throw new CodedError(
      "CONFIG_INVALID",
      `tokenFile: ${path} does not hold a token of at least ${TOKEN_CHARACTERS_MIN} printable characters`,
      {
        facts: { setting: "tokenFile", path },
        hint: "make one with: openssl rand -hex 32",
      },
    );
  }
  return token;
}

/** Whether an `authorization` value carries the token; takes the same time wherever they differ. */
export function bearerMatches(authorization: string | undefined, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(authorization ?? ""), digest(`Bearer ${token}`));
}

/** The host of `host:port`, without the brackets of IPv6. */
export function hostOf(address: string): string {
  return address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

/** Whether only this machine can reach the address. */
export function isLoopback(address: string): boolean {
  const host = hostOf(address);
  return host === "localhost" || host === "::1" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/**
 * Credentials to listen with. Throws LISTEN_NEEDS_TLS, naming each missing setting, for an address beyond loopback without all three files,
 * and for some of the three anywhere.
 */
export function serverCredentials(listen: string, tls: Partial<TlsFiles> | undefined): ServerCredentials {
  const missing = (["certFile", "keyFile", "caFile"] as const).filter((name) => !tls?.[name]).map((name) => `tls.${name}`);
  if (missing.length === 3 && isLoopback(listen)) return ServerCredentials.createInsecure();
  const { certFile, keyFile, caFile } = tls ?? {};
  if (!certFile || !keyFile || !caFile) {
    throw new CodedError("LISTEN_NEEDS_TLS", `listening on ${listen} needs mutual TLS; missing: ${missing.join(", ")}`, {
      facts: { listen, missing: missing.join(", ") },
      hint: "set the missing files, or listen on 127.0.0.1",
    });
  }
  const pair = { cert_chain: readSetting("tls.certFile", certFile), private_key: readSetting("tls.keyFile", keyFile) };
  return ServerCredentials.createSsl(readSetting("tls.caFile", caFile), [pair], true);
}

/** Sent as TLS server name to an address that is an IP: Node refuses an IP there, as RFC 6066 does, and grpc-js sends the host as it is. */
const NAME_OF_AN_IP = "ip-address.invalid";

/**
 * Credentials to connect with, and the channel options that go with them: mutual TLS when files are given, else plain text.
 * The certificate must be for the host in `address`, a name or an IP.
 */
export function channelCredentials(
  address: string,
  tls: TlsFiles | undefined,
): { credentials: ChannelCredentials; options: ChannelOptions } {
  if (!tls) return { credentials: ChannelCredentials.createInsecure(), options: {} };
  const host = hostOf(address);
  const isAddress = isIP(host) !== 0;
  const credentials = ChannelCredentials.createSsl(
    readSetting("tls.caFile", tls.caFile),
    readSetting("tls.keyFile", tls.keyFile),
    readSetting("tls.certFile", tls.certFile),
    isAddress ? { checkServerIdentity: (_name, certificate) => checkServerIdentity(host, certificate) } : {},
  );
  return { credentials, options: isAddress ? { "grpc.ssl_target_name_override": NAME_OF_AN_IP } : {} };
}
