/** Opens the bucket that the configuration names, with secrets from where it says they are. */

import { readFile } from "node:fs/promises";
import { loadCloud, openCloud } from "@permafrost/openstack";
import { type ObjectBucket, openS3Bucket, prefixedBucket } from "@permafrost/packs";
import { readEnvironment, readTokenFile } from "@permafrost/runtime";
import { CodedError, systemClock, systemRandom } from "@permafrost/std";
import type { PacksConfig } from "./config.ts";
import { swiftBucket } from "./swift-bucket.ts";

/** Undefined: packs are on disk. Throws what reading secrets and logging in do. */
export async function openBucket(packs: PacksConfig): Promise<ObjectBucket | undefined> {
  if (packs.kind === "disk") return undefined;
  return prefixedBucket(packs.kind === "s3" ? await openS3(packs) : await openSwift(packs), `${packs.prefix}/`);
}

async function openS3(packs: PacksConfig & { readonly kind: "s3" }): Promise<ObjectBucket> {
  const { endpoint, region, bucket, accessKeyId, caFile } = packs;
  const secretAccessKey = await readTokenFile(packs.secretKeyFile);
  const trust = caFile === undefined ? {} : { caCertificate: await readCertificate(caFile) };
  return openS3Bucket({ endpoint, region, bucket, accessKeyId, secretAccessKey, ...trust });
}

async function openSwift({ cloud, configFile, container }: PacksConfig & { readonly kind: "swift" }): Promise<ObjectBucket> {
  const environment = readEnvironment();
  const env = configFile === undefined ? environment : { ...environment, OS_CLIENT_CONFIG_FILE: configFile };
  const opened = await openCloud(await loadCloud(cloud, { env }), { clock: systemClock, random: systemRandom });
  return swiftBucket(opened, container);
}

async function readCertificate(path: string): Promise<string> {
  return await readFile(path, "utf8").catch((cause: NodeJS.ErrnoException) => {
    throw new CodedError("CONFIG_INVALID", `packs.caFile: ${path} cannot be read (${cause.code})`, {
      facts: { path, reason: cause.code },
      hint: "Check the path, and that this user may read the file.",
      cause,
    });
  });
}
