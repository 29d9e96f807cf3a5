/**
 * Makes this machine ready: dependencies as locked, a Node that runs TypeScript, and a nats-server.
 *
 * Plain JavaScript for any Node from 20 on, because it is what brings the right Node. Safe to repeat and silent when
 * nothing is missing (well under 0.3 s). It never touches node_modules when what is installed already matches the lock file,
 * so a developer's own `npm install` counts as prepared. It installs one system package (nats-server), only as root
 * on a system with apt-get, and never starts a service.
 */

import { spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { accessSync, constants, existsSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

export const root = dirname(dirname(fileURLToPath(import.meta.url)));
const binDirectory = join(root, "node_modules", ".bin");
const stampFile = join(root, "node_modules", ".permafrost-lock");
const policyFile = "/usr/sbin/policy-rc.d";
const NODE_MINIMUM = [24, 15];

/** A failure whose message is all the reader needs. */
export class PrepareError extends Error {}

/** PATH with the project's own tools first; Debian keeps servers in sbin, which a user's PATH may lack. */
export function toolPath(path = process.env.PATH ?? "") {
  return [binDirectory, path, "/usr/local/sbin", "/usr/sbin", "/sbin"].join(delimiter);
}

/** The first executable called `name` on `path`. */
export function findExecutable(name, path = toolPath()) {
  for (const directory of path.split(delimiter)) {
    if (directory === "") continue;
    const file = join(directory, name);
    try {
      accessSync(file, constants.X_OK);
      if (statSync(file).isFile()) return file;
    } catch {
      // not here; the next directory may have it
    }
  }
  return undefined;
}

/** True if the version text (`v26.10.0`) is recent enough. */
export function isNodeRecentEnough(version) {
  const [major = 0, minor = 0] = version.replace(/^v/, "").split(".").map(Number);
  return major > NODE_MINIMUM[0] || (major === NODE_MINIMUM[0] && minor >= NODE_MINIMUM[1]);
}

/**
 * Packages of the lock file that `installed` (npm's own record in node_modules) lacks or has in another version.
 * Optional ones may be missing: they are for other platforms.
 */
export function missingPackages(lock, installed) {
  return Object.entries(lock.packages ?? {})
    .filter(([path, entry]) => path !== "" && !entry.link && path.includes("node_modules/"))
    .filter(([path, entry]) => {
      const have = installed.packages?.[path];
      return have === undefined ? !(entry.optional || entry.devOptional || entry.peer) : have.version !== entry.version;
    })
    .map(([path]) => path);
}

function run(command, args, options = {}) {
  const result = spawnSync(command, args, { cwd: root, stdio: ["ignore", "inherit", "inherit"], ...options });
  if (result.error) throw new PrepareError(`${command} did not start: ${result.error.message}`);
  return result.status ?? 1;
}

function say(text) {
  process.stderr.write(`prepare: ${text}\n`);
}

function prepareDependencies() {
  const lockText = readFileSync(join(root, "package-lock.json"), "utf8");
  const digest = createHash("sha256").update(lockText).digest("hex");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === digest) return;
  const installedFile = join(root, "node_modules", ".package-lock.json");
  const isInstalled =
    existsSync(installedFile) &&
    missingPackages(JSON.parse(lockText), JSON.parse(readFileSync(installedFile, "utf8"))).length === 0;
  if (!isInstalled) {
    say("installing dependencies (npm ci)");
    const status = run("npm", ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"]);
    if (status !== 0)
      throw new PrepareError(`npm ci ended with ${status}. Check that the npm registry can be reached, then repeat.`);
  }
  writeFileSync(stampFile, digest);
}

function prepareNode() {
  const candidates = [findExecutable("node", binDirectory), process.execPath, findExecutable("node", process.env.PATH ?? "")];
  for (const file of candidates) {
    if (file === undefined) continue;
    if (file === process.execPath) {
      if (isNodeRecentEnough(process.version)) return file;
      continue;
    }
    const result = spawnSync(file, ["--version"], { encoding: "utf8" });
    if (result.status === 0 && isNodeRecentEnough(result.stdout.trim())) return file;
  }
  throw new PrepareError(
    `Node ${NODE_MINIMUM.join(".")} or later is needed and ${process.version} is here. ` +
      "On Linux x64 and arm64 it comes with the dependencies: delete node_modules and repeat (it needs the library libatomic1). " +
      "Elsewhere install it from nodejs.org.",
  );
}

function prepareNatsServer() {
  const found = findExecutable("nats-server");
  if (found !== undefined) return found;
  const manual =
    "Install nats-server 2.9.10 or later and put it on PATH: `apt-get install nats-server` on Debian and Ubuntu, " +
    "`brew install nats-server` on macOS, or a release from the nats-io/nats-server project.";
  if (findExecutable("apt-get") === undefined || process.getuid?.() !== 0) {
    throw new PrepareError(`nats-server is not on PATH. ${manual}`);
  }
  say("installing nats-server (apt-get)");
  // Debian's switch that keeps a package's service from being started by its installation.
  const ownPolicy = !existsSync(policyFile);
  if (ownPolicy) writeFileSync(policyFile, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", PATH: toolPath() };
    const stdio = ["ignore", "ignore", "inherit"];
    const install = ["-o", "DPkg::Lock::Timeout=600", "install", "-y", "-qq", "--no-install-recommends", "nats-server"];
    // A list of packages that is there but old may name files that are gone: update only when the first try fails.
    let status = run("apt-get", install, { env, stdio: ["ignore", "ignore", "ignore"] });
    if (status !== 0) {
      run("apt-get", ["update", "-qq"], { env, stdio });
      status = run("apt-get", install, { env, stdio });
    }
    const installed = findExecutable("nats-server");
    if (status !== 0 || installed === undefined) {
      throw new PrepareError(`apt-get could not install nats-server (status ${status}). ${manual}`);
    }
    return installed;
  } finally {
    if (ownPolicy) rmSync(policyFile, { force: true });
  }
}

/**
 * Does what is missing. Returns the Node to run TypeScript with, the nats-server, and an environment whose PATH finds both.
 * Throws PrepareError with what to do when this machine cannot be made ready.
 */
export function prepare() {
  prepareDependencies();
  const node = prepareNode();
  const natsServer = prepareNatsServer();
  return { node, natsServer, env: { ...process.env, PATH: toolPath() } };
}

/** Calls `prepare`; on failure prints one message and exits with 1. */
export function prepareOrExit() {
  try {
    return prepare();
  } catch (error) {
    if (!(error instanceof PrepareError)) throw error;
    process.stderr.write(`prepare: ${error.message}\n`);
    process.exit(1);
  }
}

if (process.argv[1] === fileURLToPath(import.meta.url)) prepareOrExit();
