/** What `deploy/compose.yaml` says of its services, as far as this project uses Compose; anything else in it is an error. */

import { readFile } from "node:fs/promises";
import { parse } from "yaml";

export interface ComposeService {
  readonly image: string;
  readonly restart?: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  /** `SOURCE:TARGET[:ro]`; a source without a slash is a named volume. */
  readonly volumes?: readonly string[];
}

const KNOWN = ["image", "build", "restart", "depends_on", "entrypoint", "command", "environment", "volumes", "profiles"];

export async function readComposeFile(file: string): Promise<ReadonlyMap<string, ComposeService>> {
  const { services } = parse(await readFile(file, "utf8"), { merge: true }) as { services: Record<string, ComposeService> };
  for (const [name, service] of Object.entries(services)) {
    const unknown = Object.keys(service).filter((key) => !KNOWN.includes(key));
    if (unknown.length > 0) throw new Error(`${file}: ${name} has ${unknown.join(", ")}, which the test does not know`);
  }
  return new Map(Object.entries(services));
}
