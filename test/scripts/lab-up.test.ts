/** `lab up` takes only a lab of these files for the lab: what it does with every other, on a Docker that only remembers. */

import { spawnSync } from "node:child_process";
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterEach, beforeEach, expect, it } from "vitest";

const LAB = fileURLToPath(new URL("../lab", import.meta.url));

interface Remembered {
  images: { id: string; tag: string; recipe: string }[];
  container?: { recipe: string; running: boolean; ports: string[] };
  log: string[];
}

/** Answers what `lab` asks, from and into state.json. */
const DOCKER = `#!${process.execPath}
const fs = require("node:fs");
const file = __dirname + "/state.json";
const state = JSON.parse(fs.readFileSync(file, "utf8"));
const args = process.argv.slice(2);
const after = (flag) => args[args.indexOf(flag) + 1];
const all = (flag) => args.flatMap((one, at) => (one === flag ? [args[at + 1]] : []));
const box = state.container;
const end = (code, text = "") => {
  fs.writeFileSync(file, JSON.stringify(state));
  if (text) console.log(text);
  process.exit(code);
};
const did = (what) => state.log.push(what);
switch (args[0] + (args[0] === "image" ? " " + args[1] : "")) {
  case "ps": end(0, box && (args[1] === "-aq" || box.running) ? "c1" : "");
  case "image ls": end(0, state.images.filter((one) => args.at(-1).endsWith("=" + one.recipe)).map((one) => one.id).join("\\n"));
  case "image inspect": {
    const found = args.includes("debian:trixie-slim") ? { recipe: "" } : state.images.find((one) => one.tag === args.at(-1));
    end(found ? 0 : 1, found?.recipe);
  }
  case "inspect":
    if (args.join().includes("PortBindings")) end(0, box.ports.map((one) => one.replace(":", " ")).join("\\n"));
    end(0, box.recipe);
  case "build": {
    const tag = after("-t"), recipe = after("--label").split("=")[1];
    for (const one of state.images) if (one.tag === tag) one.tag = "";
    state.images.push({ id: "image-" + recipe, tag, recipe });
    fs.writeFileSync(after("--iidfile"), "image-" + recipe);
    did("build " + recipe);
    end(0);
  }
  case "run":
    state.container = {
      recipe: state.images.find((one) => one.id === args.at(-1)).recipe,
      running: true,
      ports: all("-p").map((one) => one.split(":").slice(0, 2).join(":")),
    };
    did("run " + args.at(-1));
    end(0);
  case "rm":
    delete state.container;
    did("rm");
    end(0);
  case "start":
    box.running = true;
    did("start");
    end(0);
  default: end(0);
}
`;

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), "permafrost-lab-up-"));
  for (const part of ["lab", "commands", "Dockerfile"])
    cpSync(join(LAB, part), join(directory, "lab", part), { recursive: true });
  mkdirSync(join(directory, "lab/rootfs"));
  mkdirSync(join(directory, "bin"));
  program("docker", DOCKER);
  program("curl", "#!/bin/sh\nprintf 200\n");
  remember({ images: [], log: [] });
});
afterEach(() => rmSync(directory, { recursive: true }));

function program(name: string, text: string): void {
  writeFileSync(join(directory, "bin", name), text);
  chmodSync(join(directory, "bin", name), 0o755);
}

function remember(state: Remembered): void {
  writeFileSync(join(directory, "bin/state.json"), JSON.stringify(state));
}

function remembered(): Remembered {
  return JSON.parse(readFileSync(join(directory, "bin/state.json"), "utf8")) as Remembered;
}

/** What it did, without what it asked. */
function up(...args: string[]): { did: string[]; code: number | null; said: string } {
  remember({ ...remembered(), log: [] });
  const env = { PATH: `${join(directory, "bin")}:${process.env.PATH}`, LAB_NAME: "test-lab", LAB_ADDR: "127.0.0.9" };
  const { status, stderr } = spawnSync(join(directory, "lab/lab"), ["up", ...args], { env, encoding: "utf8" });
  return { did: remembered().log, code: status, said: stderr };
}

function stop(): void {
  const state = remembered();
  if (state.container !== undefined) state.container.running = false;
  remember(state);
}

/** Makes the files of the image other than they were. */
function edit(): void {
  writeFileSync(join(directory, "lab/rootfs/added"), String(remembered().images.length));
}

it("builds, starts, and does neither again", () => {
  const first = up();
  expect(first.code, first.said).toBe(0);
  const { recipe } = remembered().images[0] ?? { recipe: "" };
  expect(first.did).toEqual([`build ${recipe}`, `run image-${recipe}`]);
  expect(remembered().container?.ports.every((one) => one.startsWith("127.0.0.9:"))).toBe(true);
  expect(up().did).toEqual([]);
  stop();
  expect(up().did).toEqual(["start"]);
});

it("builds a stale image anew and says why, and removes the stopped lab that was made of it", () => {
  up();
  stop();
  const [old] = remembered().images;
  edit();
  const { code, did, said } = up();
  const made = remembered().images[1];
  expect(code, said).toBe(0);
  expect(made?.recipe).not.toBe(old?.recipe);
  expect(did).toEqual([`build ${made?.recipe}`, "rm", `run image-${made?.recipe}`]);
  expect(said).toContain(`openstack-lab:latest was built from other files: recipe ${old?.recipe}, these are ${made?.recipe}`);
  expect(said).toMatch(/removing test-lab with its data: it was made of other files/);
});

it("refuses to use or remove a stale lab that runs, unless it is told to", () => {
  up();
  edit();
  const refused = up();
  expect([refused.code, refused.did]).toEqual([1, []]);
  expect(refused.said).toMatch(/test-lab runs, but it was made of other files.*\n.*lab up --fresh/);
  const told = up("--fresh");
  expect(told.code, told.said).toBe(0);
  expect(told.did.map((one) => one.split(" ")[0])).toEqual(["build", "rm", "run"]);
});

it("makes anew what is asked for: the lab, or the image too", () => {
  up();
  expect(up("--fresh").did.map((one) => one.split(" ")[0])).toEqual(["rm", "run"]);
  expect(up("--rebuild").did.map((one) => one.split(" ")[0])).toEqual(["build", "rm", "run"]);
});

it("finds the image of these files under whatever tag, and never one of other files under the right one", () => {
  up();
  const mine = remembered().images[0]?.id;
  const other = { id: "image-other", tag: "openstack-lab:latest", recipe: "0123456789abcdef" };
  remember({ images: [{ ...remembered().images[0], tag: "" } as Remembered["images"][number], other], log: [] });
  expect(up().did).toEqual([`run ${mine}`]);
});

it("removes a stopped lab whose ports are not these", () => {
  up();
  stop();
  const state = remembered();
  state.container?.ports.pop();
  remember(state);
  const { did, said } = up();
  expect(did.map((one) => one.split(" ")[0])).toEqual(["rm", "run"]);
  expect(said).toMatch(/it has other ports than these \(127\.0\.0\.9:\d+\)/);
});
