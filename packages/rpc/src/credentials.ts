/**
 * Who may talk: mutual TLS from PEM files and a bearer token.
 *
 * A server that listens beyond loopback has mutual TLS, or it does not start. Tokens are compared in constant time.
 */

import { createHash, timingSafeEqual } from "node:crypto";
import { readFileSync } from "node:fs";
import { isIP } from "node:net";
import { checkServerIdentity } from "node:tls";
import { ChannelCredentials, type ChannelOptions, ServerCredentials } from "@grpc/grpc-js";
import { checkListen } from "@permafrost/runtime";
import { CodedError } from "@permafrost/std";

/** Paths of PEM files. `caFile` holds the authority that signed the other side's certificate. */
export interface TlsFiles {
  readonly certFile: string;
  readonly keyFile: string;
  readonly caFile: string;
}

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

/** Whether an `authorization` value carries the token; takes the same time wherever they differ. */
export function bearerMatches(authorization: string | undefined, token: string): boolean {
  const digest = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(digest(authorization ?? ""), digest(`Bearer ${token}`));
}

/** The host of `host:port`, without the brackets of IPv6. */
export function hostOf(address: string): string {
  return address.replace(/:\d+$/, "").replace(/^\[(.*)\]$/, "$1");
}

/** Credentials to listen with. Throws LISTEN_NEEDS_TLS for an address beyond loopback without mutual TLS, CONFIG_INVALID for an unreadable file. */
export function serverCredentials(listen: string, tls: TlsFiles | undefined): ServerCredentials {
  checkListen({ listen, ...(tls && { tls }) });
  if (!tls) return ServerCredentials.createInsecure();
  const pair = { cert_chain: readSetting("tls.certFile", tls.certFile), private_key: readSetting("tls.keyFile", tls.keyFile) };
  return ServerCredentials.createSsl(readSetting("tls.caFile", tls.caFile), [pair], true);
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
