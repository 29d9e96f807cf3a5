/**
 * A cloud's configuration, found as every OpenStack client finds it (openstacksdk's rules): `OS_CLIENT_CONFIG_FILE`, then
 * `clouds.yaml` in the working directory, `~/.config/openstack` and `/etc/openstack`; the first file found wins. `secure.yaml` is
 * looked for by the same rules and merged over it, a `profile` of `clouds-public.yaml` under it. The variables OS_* form a cloud
 * of their own, `envvars`.
 *
 * The environment is passed in. Errors: CLOUD_UNKNOWN (facts name, known, file), CLOUD_CONFIG_INVALID (facts name, field, file).
 */

import { readFile as readFileFromDisk } from "node:fs/promises";
import { join } from "node:path";
import { CodedError } from "@permafrost/std";
import { parse, YAMLParseError } from "yaml";
import { buildConfig, type RawCloud, type RawValue } from "./build-config.ts";
import type { CloudConfig } from "./cloud-config.ts";
import { cloudFromEnvironment } from "./environment.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface LoadCloudOptions {
  readonly env: Environment;
  /** Default: the process's working directory. */
  readonly cwd?: string;
  /** Default: HOME of `env`. */
  readonly home?: string;
  /** Text of a file, or undefined if there is none. */
  readonly readFile?: (path: string) => Promise<string | undefined>;
}

/** The name of the cloud formed from OS_* variables. */
export const ENVIRONMENT_CLOUD = "envvars";

/**
 * The cloud of that name; without one OS_CLOUD, then `envvars` if OS_AUTH_URL is set, then the only cloud of the file.
 */
export async function loadCloud(name: string | undefined, options: LoadCloudOptions): Promise<CloudConfig> {
  const { env } = options;
  const readFile = options.readFile ?? readOptional;
  const wanted =
    (name === "" ? undefined : name) ?? env.OS_CLOUD ?? (env.OS_AUTH_URL === undefined ? undefined : ENVIRONMENT_CLOUD);
  if (wanted === ENVIRONMENT_CLOUD) {
    const raw = cloudFromEnvironment(env);
    if (raw === undefined) throw unknown(ENVIRONMENT_CLOUD, [], "OS_* variables");
    return await buildConfig(ENVIRONMENT_CLOUD, raw, "OS_* variables", readFile);
  }
  const places = searchPath(options);
  const main = await firstFile(
    places.map((dir) => join(dir, "clouds.yaml")),
    env.OS_CLIENT_CONFIG_FILE,
    readFile,
  );
  const clouds = asMap(main?.content.clouds);
  const known = Object.keys(clouds);
  const chosen = wanted ?? (known.length === 1 ? known[0] : undefined);
  if (chosen === undefined || clouds[chosen] === undefined) throw unknown(chosen, known, main?.path);
  const file = main?.path ?? "clouds.yaml";
  const secure = await firstFile(
    places.map((dir) => join(dir, "secure.yaml")),
    env.OS_CLIENT_SECURE_FILE,
    readFile,
  );
  const profile = await publicProfile(asMap(clouds[chosen]), places, readFile);
  const raw = merge(merge(profile, asMap(clouds[chosen])), asMap(asMap(secure?.content.clouds)[chosen]));
  return await buildConfig(chosen, raw as RawCloud, file, readFile);
}

/** Names of all clouds that `loadCloud` would find. */
export async function listClouds(
  options: LoadCloudOptions,
): Promise<{ readonly names: readonly string[]; readonly file: string | undefined }> {
  const readFile = options.readFile ?? readOptional;
  const main = await firstFile(
    searchPath(options).map((dir) => join(dir, "clouds.yaml")),
    options.env.OS_CLIENT_CONFIG_FILE,
    readFile,
  );
  const names = Object.keys(asMap(main?.content.clouds));
  if (cloudFromEnvironment(options.env) !== undefined) names.push(ENVIRONMENT_CLOUD);
  return { names, file: main?.path };
}

function searchPath(options: LoadCloudOptions): string[] {
  const home = options.home ?? options.env.HOME;
  const user = options.env.XDG_CONFIG_HOME ?? (home === undefined ? undefined : join(home, ".config"));
  return [options.cwd ?? process.cwd(), ...(user === undefined ? [] : [join(user, "openstack")]), "/etc/openstack"];
}

async function publicProfile(cloud: RawCloud, places: readonly string[], readFile: Reader): Promise<RawCloud> {
  const name = cloud.profile ?? cloud.cloud;
  if (typeof name !== "string") return {};
  const file = await firstFile(
    places.map((dir) => join(dir, "clouds-public.yaml")),
    undefined,
    readFile,
  );
  return asMap(asMap(file?.content["public-clouds"])[name]);
}

type Reader = (path: string) => Promise<string | undefined>;

async function firstFile(paths: readonly string[], override: string | undefined, readFile: Reader) {
  for (const path of override === undefined || override === "" ? paths : [override, ...paths]) {
    const text = await readFile(path);
    if (text === undefined) continue;
    try {
      return { path, content: asMap(parse(text)) };
    } catch (cause) {
      const line = cause instanceof YAMLParseError ? cause.linePos?.[0].line : undefined;
      throw new CodedError("CLOUD_CONFIG_INVALID", `${path} is not YAML${line === undefined ? "" : ` (line ${line})`}`, {
        facts: { file: path, line },
        hint: "Correct the file's syntax.",
        // The parser's message quotes the line, which may hold a password.
      });
    }
  }
  return undefined;
}

async function readOptional(path: string): Promise<string | undefined> {
  try {
    return await readFileFromDisk(path, "utf8");
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    if (code === "ENOENT" || code === "ENOTDIR") return undefined;
    throw new CodedError("CLOUD_CONFIG_INVALID", `${path} cannot be read: ${code}`, {
      facts: { file: path },
      hint: "Check the file's owner and mode.",
      cause: error,
    });
  }
}

function asMap(value: unknown): Record<string, RawValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Record<string, RawValue>) : {};
}

/** Members of `over` win; maps are merged. */
function merge(under: Record<string, RawValue>, over: Record<string, RawValue>): Record<string, RawValue> {
  const merged = { ...under };
  for (const [key, value] of Object.entries(over)) {
    const old = merged[key];
    merged[key] = isMap(old) && isMap(value) ? merge(old, value) : value;
  }
  return merged;
}

function isMap(value: RawValue | undefined): value is Record<string, RawValue> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function unknown(name: string | undefined, known: readonly string[], file: string | undefined): CodedError {
  const text = name === undefined ? "no cloud was named" : `there is no cloud ${name}`;
  return new CodedError("CLOUD_UNKNOWN", `${text}${file === undefined ? ": no clouds.yaml was found" : ` in ${file}`}`, {
    facts: { name, known: known.join(", "), file },
    hint:
      known.length > 0
        ? `Use one of: ${known.join(", ")}.`
        : "Write a clouds.yaml, point OS_CLIENT_CONFIG_FILE at one, or set the OS_* variables.",
  });
}
