/**
 * The options every command has, after command line and environment: an option wins over its variable, a variable
 * over `client.json` of the data directory, which `up` writes.
 */

import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { CodedError } from "@permafrost/std";
import type { Endpoint, TlsFiles } from "./api.ts";
import type { CliContext } from "./context.ts";
import { usageError } from "./failure.ts";
import { FORMATS, type Format, type RenderOptions } from "./output/render.ts";

/** As commander parses them. */
export interface CommonFlags {
  readonly data?: string;
  readonly address?: string;
  readonly tokenFile?: string;
  readonly tlsCa?: string;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly format?: string;
  readonly json?: boolean;
  readonly column?: readonly string[];
  readonly sortColumn?: string;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
  /** False for `--no-color`. */
  readonly color?: boolean;
}

export interface Settings {
  readonly dataDirectory: string;
  readonly render: RenderOptions;
  readonly quiet: boolean;
  readonly verbose: boolean;
}

export function resolveSettings(flags: CommonFlags, context: CliContext): Settings {
  const format = flags.json === true ? "json" : (flags.format ?? "table");
  if (!isFormat(format)) throw usageError(`No output format ${JSON.stringify(format)}`, `There are: ${FORMATS.join(", ")}`);
  const colour = flags.color !== false && !context.env.NO_COLOR && context.stdout.isTerminal;
  const sort = flags.sortColumn === undefined ? {} : { sortColumn: flags.sortColumn };
  return {
    dataDirectory: dataDirectory(flags, context),
    render: { format, columns: flags.column ?? [], colour, ...sort },
    quiet: flags.quiet === true,
    verbose: flags.verbose === true,
  };
}

function isFormat(text: string): text is Format {
  return (FORMATS as readonly string[]).includes(text);
}

/** `--data`, PERMAFROST_DATA, or the state directory of the user. Absolute. */
export function dataDirectory(flags: Pick<CommonFlags, "data">, context: CliContext): string {
  const { PERMAFROST_DATA, XDG_STATE_HOME } = context.env;
  const named = flags.data ?? (PERMAFROST_DATA || undefined);
  if (named !== undefined) return resolve(context.cwd, named);
  return join(XDG_STATE_HOME || join(context.home, ".local", "state"), "permafrost");
}

/** What `up` writes for its clients. */
export interface ClientFile {
  readonly address: string;
  readonly tokenFile: string;
}

export const CLIENT_FILE = "client.json";

/**
 * The coordinator to talk to, with its token read. Throws NOT_RUNNING when nothing names one, FILE_UNREADABLE when a
 * named file cannot be read.
 */
export async function resolveEndpoint(flags: CommonFlags, context: CliContext): Promise<Endpoint> {
  const { env } = context;
  const tls = {
    ...option("caFile", path(flags.tlsCa ?? env.PERMAFROST_TLS_CA, context)),
    ...option("certFile", path(flags.tlsCert ?? env.PERMAFROST_TLS_CERT, context)),
    ...option("keyFile", path(flags.tlsKey ?? env.PERMAFROST_TLS_KEY, context)),
  };
  const tokenFile = path(flags.tokenFile ?? env.PERMAFROST_TOKEN_FILE, context);
  const address = flags.address ?? (env.PERMAFROST_ADDRESS || undefined);
  if (address !== undefined) {
    if (!/^(\[[^\]]+\]|[^:\s]+):\d{1,5}$/.test(address)) throw usageError(`${JSON.stringify(address)} is not HOST:PORT`);
    const withTls = tlsFor(address, tls);
    return { address, ...(tokenFile === undefined ? {} : { token: await readToken(tokenFile) }), ...withTls };
  }
  const client = await readClientFile(dataDirectory(flags, context));
  return { address: client.address, token: await readToken(tokenFile ?? client.tokenFile), ...tlsFor(client.address, tls) };
}

/**
 * A token must not cross a network in the clear, so beyond loopback mutual TLS is a must, as for the services
 * themselves. Throws USAGE naming what is missing.
 */
function tlsFor(address: string, tls: Partial<TlsFiles>): { readonly tls?: TlsFiles } {
  const { caFile, certFile, keyFile } = tls;
  if (caFile !== undefined && certFile !== undefined && keyFile !== undefined) return { tls: { caFile, certFile, keyFile } };
  const missing = [
    ...(caFile === undefined ? ["--tls-ca"] : []),
    ...(certFile === undefined ? ["--tls-cert"] : []),
    ...(keyFile === undefined ? ["--tls-key"] : []),
  ];
  if (missing.length === 3 && isLoopback(address)) return {};
  throw usageError(`Talking to ${address} needs mutual TLS; missing: ${missing.join(", ")}`);
}

function isLoopback(address: string): boolean {
  return /^(localhost|127\.\d+\.\d+\.\d+|\[::1\]):\d+$/.test(address);
}

async function readClientFile(directory: string): Promise<ClientFile> {
  const file = join(directory, CLIENT_FILE);
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== "ENOENT") throw unreadable(file, cause);
    throw new CodedError("NOT_RUNNING", `No cluster runs on ${directory}`, {
      hint: `Start one with \`permafrost up --data ${directory}\`, or name a coordinator with --address and --token-file.`,
    });
  }
  try {
    const { address, tokenFile } = JSON.parse(text) as Partial<ClientFile>;
    if (typeof address === "string" && typeof tokenFile === "string") return { address, tokenFile };
  } catch {
    // Said below, with the file's name.
  }
  throw new CodedError("CONFIG_INVALID", `${file} is not what \`permafrost up\` writes`, {
    hint: "Start `permafrost up` again.",
  });
}

async function readToken(file: string): Promise<string> {
  try {
    return (await readFile(file, "utf8")).trim();
  } catch (cause) {
    throw unreadable(file, cause);
  }
}

/** FILE_UNREADABLE, with the reason the system gave. */
export function unreadable(file: string, cause: unknown): CodedError {
  const reason = (cause as NodeJS.ErrnoException).code ?? String(cause);
  return new CodedError("FILE_UNREADABLE", `Cannot read ${file}: ${reason}`, { facts: { file, reason }, cause });
}

function path(text: string | undefined, context: CliContext): string | undefined {
  return text ? resolve(context.cwd, text) : undefined;
}

function option<Key extends string>(key: Key, value: string | undefined): { [key in Key]?: string } {
  return value === undefined ? {} : ({ [key]: value } as { [key in Key]?: string });
}
