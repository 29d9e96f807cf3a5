/**
 * The cloud of the bench, a process of its own so that its CPU time is not counted: a fake OpenStack with one volume whose bytes are
 * read from a file as they are asked for. Started with an IPC channel; each request is answered when it is done.
 */

import { createHash } from "node:crypto";
import { closeSync, openSync, readSync } from "node:fs";
import { BLOCK_BYTES, startFakeCloud } from "../fakes/openstack/index.ts";

export interface SourceReady {
  readonly cloudsYaml: string;
}

/** The volume's bytes come from `file` now; or: hash what was restored, and remove it. */
export type SourceRequest = { readonly file: string } | { readonly takeRestored: true };

export interface SourceAnswer {
  readonly sha256?: string;
}

const SOURCE = "bench-source";
const TARGET = "bench-target";

async function main(file: string, sizeBytes: number): Promise<void> {
  let fd = openSync(file, "r");
  // One GiB of the cloud is as large as the image, whatever its size.
  const fake = await startFakeCloud({ bytesPerGib: sizeBytes });
  const block = (index: number): Uint8Array => {
    const out = Buffer.alloc(BLOCK_BYTES);
    readSync(fd, out, 0, BLOCK_BYTES, index * BLOCK_BYTES);
    return out;
  };
  const [source, target] = [SOURCE, TARGET].map((name) => fake.seed.tenant(name, { roles: ["member", "swiftoperator"] }).project);
  if (source === undefined || target === undefined) throw new Error("no projects");
  fake.seed.volume({ project: SOURCE, name: "disk", size: 1, bytes: { sizeBytes, block } });
  const entry = (name: string) => ({ cloudName: name, userName: `${name}-user`, password: `${name}-pw`, projectName: name });
  process.on("message", (request: SourceRequest) => {
    process.send?.("file" in request ? serve(request.file) : takeRestored());
  });
  const serve = (next: string): SourceAnswer => {
    closeSync(fd);
    fd = openSync(next, "r");
    return {};
  };
  const takeRestored = (): SourceAnswer => {
    const [volume] = fake.read.volumes(target.id);
    if (volume === undefined) return {};
    const hash = createHash("sha256");
    for (let at = 0; at < sizeBytes; at += BLOCK_BYTES) hash.update(volume.bytes.read(at, Math.min(BLOCK_BYTES, sizeBytes - at)));
    fake.volumes.volumes.delete(volume.id);
    return { sha256: hash.digest("hex") };
  };
  process.on("disconnect", () => void fake.close());
  const ready: SourceReady = { cloudsYaml: fake.cloudsYaml(entry(SOURCE), entry(TARGET)) };
  process.send?.(ready);
}

const [file = "", sizeBytes = "0"] = process.argv.slice(2);
await main(file, Number(sizeBytes));
