/**
 * The parts that configuration files of the services share, as Zod schemas.
 *
 * Every object refuses unknown keys. Secrets are named by file, never written into the configuration. Paths are relative to the file that
 * names them. Absent optional settings are absent in the result, never `undefined`.
 */

import { isAbsolute, resolve } from "node:path";
import { CodedError } from "@permafrost/std";
import { z } from "zod";

let baseDirectory: string | undefined;

/** Runs `parse`, which must not be asynchronous, with relative paths taken from `directory`. */
export function withBaseDirectory<T>(directory: string, parse: () => T): T {
  const outer = baseDirectory;
  baseDirectory = directory;
  try {
    return parse();
  } finally {
    baseDirectory = outer;
  }
}

/** A file or directory; the result is absolute. */
export const pathSetting = z
  .string()
  .min(1, "must name a file or directory")
  .transform((path) => (isAbsolute(path) ? path : resolve(baseDirectory ?? ".", path)));

/** Host and port of `host:port`, `[v6]:port`; undefined when it is neither. */
function splitAddress(address: string): { host: string; port: number } | undefined {
  const match = /^(?:\[([0-9a-fA-F:.%]+)\]|([^\s:/[\]@]+)):(\d{1,5})$/.exec(address);
  const port = Number(match?.[3]);
  const host = match?.[1] ?? match?.[2];
  return host === undefined || port > 65_535 ? undefined : { host, port };
}

/** Where to listen: `host:port`; port 0 takes a free one. */
export const listenSetting = z
  .string()
  .refine((text) => splitAddress(text) !== undefined, "must be host:port, such as 127.0.0.1:7401 or [::1]:7401");

/** Where another process listens: `host:port`. */
export const addressSetting = z
  .string()
  .refine((text) => (splitAddress(text)?.port ?? 0) > 0, "must be host:port, such as storage-1.example.net:7401");

/** Mutual TLS: PEM files, all three. `caFile` holds the authority that signs the other side's certificate. */
export const tlsSetting = z.strictObject({ certFile: pathSetting, keyFile: pathSetting, caFile: pathSetting });

export const natsSetting = z.strictObject({
  /** `host:port` or `nats://host:port` of one or more servers of the cluster. */
  servers: z.array(z.string().min(1)).min(1),
  tokenFile: pathSetting.exactOptional(),
  credsFile: pathSetting.exactOptional(),
  tls: z
    .strictObject({
      caFile: pathSetting.exactOptional(),
      certFile: pathSetting.exactOptional(),
      keyFile: pathSetting.exactOptional(),
    })
    .exactOptional(),
  /** Copies of every stream; 3 for a NATS cluster of three. */
  replicas: z.int().min(1).max(5).default(1),
});

export const nodeSetting = z.strictObject({
  /** 32 hex digits as the node reports it; asked from the node when absent. */
  id: z.string().min(1).exactOptional(),
  address: addressSetting,
  /** Share of the data relative to other nodes. */
  weight: z.number().positive().max(1_000_000).default(1),
  /** Replicas of a block go to different zones as long as there are enough. */
  zone: z.string().min(1).default("default"),
});

export const nodesSetting = z
  .array(nodeSetting)
  .min(1)
  .refine((nodes) => new Set(nodes.map((node) => node.address)).size === nodes.length, "names the same address twice");

export const replicationSetting = z
  .strictObject({
    /** Copies of every block. */
    replicas: z.int().min(1).max(16),
    /** Copies on disk before a block counts as stored. */
    writeQuorum: z.int().min(1).max(16),
  })
  .refine(({ replicas, writeQuorum }) => writeQuorum <= replicas, "writeQuorum is larger than replicas");

export const logSetting = z.strictObject({ level: z.enum(["trace", "debug", "info", "warn", "error"]).default("info") });

/** What every service has: spread it into the service's own `z.strictObject`. */
export const serviceSettings = {
  /** Shown in logs and to other roles. */
  name: z.string().min(1).max(64).exactOptional(),
  listen: listenSetting,
  tls: tlsSetting.exactOptional(),
  /** The token that callers present. */
  tokenFile: pathSetting,
  log: logSetting.default({ level: "info" }),
};

/** What the coordinator and the workers have besides: spread it likewise. */
export const clusterSettings = {
  nats: natsSetting,
  nodes: nodesSetting,
  replication: replicationSetting,
  /** Directory of the repositories' key slots. */
  keyring: pathSetting,
};

/** Other clusters whose storage nodes are read, by a name of one's own: for copies of their restore points. */
export const sitesSetting = z.record(
  z.string().regex(/^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/, "must be named with letters, digits, dots, underscores and dashes"),
  z.strictObject({
    nodes: nodesSetting,
    /** As that cluster has it: it says how many nodes may be away without hiding anything. */
    replication: replicationSetting,
    /** Their `readTokenFile`'s token. */
    tokenFile: pathSetting,
    tls: tlsSetting.exactOptional(),
    /** Directory of the secrets of its repositories. */
    keyring: pathSetting,
  }),
);

/** Whether only this machine can reach the address. */
export function isLoopback(address: string): boolean {
  const host = splitAddress(address)?.host ?? address;
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/** Throws LISTEN_NEEDS_TLS when the service would listen beyond this machine without mutual TLS. */
export function checkListen(config: { readonly listen: string; readonly tls?: z.output<typeof tlsSetting> }): void {
  if (config.tls !== undefined || isLoopback(config.listen)) return;
  const missing = "tls.certFile, tls.keyFile, tls.caFile";
  throw new CodedError("LISTEN_NEEDS_TLS", `listening on ${config.listen} needs mutual TLS; missing: ${missing}`, {
    facts: { listen: config.listen, missing },
    hint: "Set the three files, or listen on 127.0.0.1.",
  });
}
