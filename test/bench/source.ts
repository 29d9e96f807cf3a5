/**
 * The cloud of the bench, a process of its own so that its CPU time is not counted: a fake OpenStack with one volume whose bytes are
 * read from a file as they are asked for. Started with an IPC channel; a message names the file that the volume's bytes come
 * from now, and is answered when that holds.
 */

import { closeSync, openSync, readSync } from "node:fs";
import { BLOCK_BYTES, startFakeCloud } from "../fakes/openstack/index.ts";

export interface SourceReady {
  readonly cloudsYaml: string;
}

export interface SourceFile {
  readonly file: string;
}

const SOURCE = "bench-source";
const TARGET = "bench-target";

async function main(file: string, sizeGib: number): Promise<void> {
  let fd = openSync(file, "r");
  const fake = await startFakeCloud();
  const block = (index: number): Uint8Array => {
    const out = Buffer.alloc(BLOCK_BYTES);
    readSync(fd, out, 0, BLOCK_BYTES, index * BLOCK_BYTES);
    return out;
  };
  for (const name of [SOURCE, TARGET]) fake.seed.tenant(name, { roles: ["member", "swiftoperator"] });
  fake.seed.volume({ project: SOURCE, name: "disk", size: sizeGib, bytes: { sizeBytes: sizeGib * 2 ** 30, block } });
  const entry = (name: string) => ({ cloudName: name, userName: `${name}-user`, password: `${name}-pw`, projectName: name });
  process.on("message", (message: SourceFile) => {
    closeSync(fd);
    fd = openSync(message.file, "r");
    process.send?.({ done: true });
  });
  process.on("disconnect", () => void fake.close());
  const ready: SourceReady = { cloudsYaml: fake.cloudsYaml(entry(SOURCE), entry(TARGET)) };
  process.send?.(ready);
}

const [file = "", sizeGib = "1"] = process.argv.slice(2);
await main(file, Number(sizeGib));
