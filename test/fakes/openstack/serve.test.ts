/** The runner says where it listens, writes a usable clouds.yaml with a seeded tenant, and stops when told. */

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, it } from "vitest";

it("serves a seeded tenant until SIGTERM", async () => {
  const folder = mkdtempSync(join(tmpdir(), "fake-cloud-"));
  const file = join(folder, "clouds.yaml");
  const script = fileURLToPath(new URL("serve.ts", import.meta.url));
  const child = spawn(process.execPath, [script, "--clouds-yaml", file, "--gib-bytes", String(2 ** 20)], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const ended = new Promise<number | null>((resolve) => child.once("exit", (code) => resolve(code)));
  try {
    const line = await new Promise<string>((resolve) => createInterface(child.stdout).once("line", resolve));
    const ready = JSON.parse(line) as { authUrl: string; urls: Record<string, string>; clouds: string[]; cloudsYaml: string };
    expect(ready.clouds).toEqual(["fake-admin", "acme", "restore"]);
    expect(readFileSync(file, "utf8")).toContain(`auth_url: ${ready.authUrl}`);
    const user = { name: "acme-user", domain: { name: "Default" }, password: "acme-pw" };
    const scope = { project: { name: "acme", domain: { name: "Default" } } };
    const body = JSON.stringify({ auth: { identity: { methods: ["password"], password: { user } }, scope } });
    const login = await fetch(`${ready.authUrl}/auth/tokens`, { method: "POST", body });
    expect(login.status).toBe(201);
    const images = await fetch(`${ready.urls.image}/v2/images?sort=name:asc`, {
      headers: { "x-auth-token": login.headers.get("x-subject-token") ?? "" },
    });
    expect(((await images.json()) as { images: { name: string }[] }).images.map((image) => image.name)).toEqual([
      "golden",
      "installer",
    ]);
  } finally {
    child.kill("SIGTERM");
    expect(await ended).toBe(0);
    rmSync(folder, { recursive: true });
  }
});
