/**
 * Who this node is: `node.json` in its directory, written once. Packs carry the node's id, so a disk that was put into
 * another node is refused rather than mixed in. A lost node.json is made again from the packs.
 */

import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { CodedError, canonicalJson } from "@permafrost/std";
import { writeWhole } from "./whole-file.ts";

const FILE = "node.json";

/** The node's id (32 hex digits), or undefined if the directory has none yet. NODE_IDENTITY_BAD if the file says none. */
export async function readNodeId(directory: string): Promise<string | undefined> {
  let text: string;
  try {
    text = await readFile(join(directory, FILE), "utf8");
  } catch (error) {
    if (error instanceof Error && "code" in error && error.code === "ENOENT") return undefined;
    throw error;
  }
  const match = /"nodeId":\s*"([0-9a-f]{32})"/.exec(text);
  if (match?.[1]) return match[1];
  throw new CodedError("NODE_IDENTITY_BAD", "node.json does not name a node", {
    facts: { file: join(directory, FILE) },
    hint: "Remove the file; the node takes its id from its packs.",
  });
}

/** Writes the node's id durably; a crash leaves the whole file or none. */
export async function writeNodeId(directory: string, nodeId: string): Promise<void> {
  await writeWhole(directory, FILE, `${canonicalJson({ format: 1, nodeId })}\n`);
}
