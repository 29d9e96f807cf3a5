/**
 * Generates packages/rpc/src/gen from proto/: one command, offline.
 *
 * `protoc` and `ts-proto` are pinned in package.json, so the same sources give the same bytes. Without arguments the
 * folder is replaced; with `--check` nothing is written: the sources are linted (buf) and the command fails when the
 * folder differs from what would be generated.
 */

import { spawnSync } from "node:child_process";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const bin = join(root, "node_modules", ".bin");
const sources = join(root, "proto");
const target = join(root, "packages", "rpc", "src", "gen");

const TS_PROTO_OPTIONS = [
  "esModuleInterop=true",
  "importSuffix=.ts",
  "oneof=unions-value",
  "forceLong=bigint",
  "enumsAsLiterals=true",
  "useOptionals=messages",
  "outputServices=nice-grpc",
  "outputServices=generic-definitions",
  "outputJsonMethods=false",
  "useExactTypes=false",
];

function run(command, args) {
  const done = spawnSync(join(bin, command), args, { cwd: root, encoding: "utf8" });
  if (done.error) throw done.error;
  if (done.status !== 0) {
    process.stderr.write(`${done.stdout}${done.stderr}`);
    process.exit(1);
  }
}

function files(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)))
    .sort();
}

function generate(folder) {
  mkdirSync(folder, { recursive: true });
  run("protoc", [
    `--proto_path=${sources}`,
    `--plugin=protoc-gen-ts_proto=${join(bin, "protoc-gen-ts_proto")}`,
    `--ts_proto_out=${folder}`,
    `--ts_proto_opt=${TS_PROTO_OPTIONS.join(",")}`,
    `--descriptor_set_out=${join(folder, "descriptors.binpb")}`,
    "--include_imports",
    "--include_source_info",
    ...files(sources).filter((name) => name.endsWith(".proto")),
  ]);
}

const work = mkdtempSync(join(tmpdir(), "permafrost-gen-"));
try {
  const fresh = join(work, "gen");
  generate(fresh);
  if (process.argv.includes("--check")) {
    run("buf", ["lint", sources]);
    run("buf", ["format", "--exit-code", "--diff", sources]);
    const names = new Set([...files(fresh), ...files(target)]);
    const differing = [...names].filter((name) => {
      try {
        return !readFileSync(join(fresh, name)).equals(readFileSync(join(target, name)));
      } catch {
        return true; // only on one side
      }
    });
    if (differing.length > 0) {
      process.stderr.write(
        `packages/rpc/src/gen is not what proto/ gives; run "npm run gen". Differs: ${differing.join(", ")}\n`,
      );
      process.exitCode = 1;
    }
  } else {
    rmSync(target, { recursive: true, force: true });
    mkdirSync(dirname(target), { recursive: true });
    try {
      renameSync(fresh, target);
    } catch {
      generate(target); // another file system than the temporary folder
    }
  }
} finally {
  rmSync(work, { recursive: true, force: true });
}
