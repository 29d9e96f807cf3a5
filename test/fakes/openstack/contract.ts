/**
 * One list of raw HTTP checks for the fake cloud and for a real one: what both must answer alike.
 *
 * In vitest it runs against the fake (`contract.test.ts`). By hand it runs against any cloud whose admin is in
 * clouds.yaml: `OS_CLIENT_CONFIG_FILE=… node test/fakes/openstack/contract.ts --cloud lab-admin [--only glance]`.
 * It works in a project of its own, named `fake-contract-…`, and deletes it with all it made.
 */

import { readFileSync } from "node:fs";
import { canonicalJson, randomId, systemClock } from "@permafrost/std";
import { CHECKS } from "./contract-checks.ts";
import type { ServiceName } from "./journal.ts";

export interface Login {
  readonly authUrl: string;
  readonly userName: string;
  readonly password: string;
  readonly projectName: string;
}

export interface Answer {
  readonly status: number;
  readonly headers: Headers;
  readonly bytes: Buffer;
  readonly text: string;
  /** The parsed body; undefined when it is not JSON. Checks reach into it freely. */
  // biome-ignore lint/suspicious/noExplicitAny: a contract check reads what a server sent, whose shape is the question
  readonly json: any;
}

export interface AskOptions {
  /** `member` (default), `creator` (a member that Barbican lets work), `admin`, a literal token, or none. */
  readonly as?: "member" | "creator" | "admin" | "nobody" | { readonly token: string };
  readonly headers?: Record<string, string>;
  readonly json?: unknown;
  readonly body?: string | Uint8Array;
}

export interface Check {
  readonly name: string;
  readonly run: (world: World) => Promise<void>;
}

/** A project of a cloud to check in, and ways to ask and to complain. */
export class World {
  readonly login: Login;
  readonly projectId: string;
  readonly userId: string;
  readonly userName: string;
  readonly password = "fake-contract-pw";
  readonly urls: Record<ServiceName, string>;
  readonly tokens: { member: string; creator: string; admin: string };
  readonly creatorId: string;
  readonly #cleanups: (() => Promise<unknown>)[] = [];
  problems: string[] = [];
  /** Why the check could not be made in this cloud. */
  skipped: string | undefined;

  constructor(fields: Pick<World, "login" | "projectId" | "userId" | "creatorId" | "userName" | "urls" | "tokens">) {
    this.login = fields.login;
    this.projectId = fields.projectId;
    this.userId = fields.userId;
    this.creatorId = fields.creatorId;
    this.userName = fields.userName;
    this.urls = fields.urls;
    this.tokens = fields.tokens;
  }

  async ask(method: string, url: string, options: AskOptions = {}): Promise<Answer> {
    const headers: Record<string, string> = { ...options.headers };
    const as = options.as ?? "member";
    if (typeof as === "object") headers["x-auth-token"] = as.token;
    else if (as !== "nobody") headers["x-auth-token"] = this.tokens[as];
    if (options.json !== undefined) headers["content-type"] ??= "application/json";
    const body = options.json === undefined ? options.body : JSON.stringify(options.json);
    // Keystone closes its connections without saying so in time; a fresh one costs little.
    headers.connection = "close";
    const response = await fetch(url, {
      method,
      headers,
      redirect: "manual",
      ...(body === undefined ? {} : { body: typeof body === "string" ? body : new Uint8Array(body) }),
    });
    const bytes = Buffer.from(await response.arrayBuffer());
    const text = bytes.toString("utf8");
    let json: unknown;
    try {
      json = JSON.parse(text);
    } catch {
      json = undefined;
    }
    return { status: response.status, headers: response.headers, bytes, text, json };
  }

  /** Notes a problem unless the values are equal as JSON; a missing value is null. */
  same(what: string, actual: unknown, expected: unknown): void {
    const [a, e] = [canonicalJson(actual ?? null), canonicalJson(expected ?? null)];
    if (a !== e) this.problems.push(`${what}: ${a.slice(0, 300)} instead of ${e.slice(0, 300)}`);
  }

  /** The cloud does not have what the check is about. */
  skip(why: string): void {
    this.skipped = why;
  }

  /** Between two looks at what takes a real cloud a moment. */
  async pause(): Promise<void> {
    await systemClock.sleep(this.login.authUrl.includes(":5000") ? 500 : 1);
  }

  /** The keys of an object, in any order. */
  keys(what: string, actual: unknown, expected: readonly string[]): void {
    const present = Object.keys((actual ?? {}) as object).sort();
    this.same(`${what} keys`, present, [...expected].sort());
  }

  contains(what: string, text: string, part: string): void {
    if (!text.includes(part)) this.problems.push(`${what}: ${JSON.stringify(text.slice(0, 300))} lacks ${JSON.stringify(part)}`);
  }

  /** Asks and compares the status. */
  async expect(status: number, method: string, url: string, options: AskOptions = {}): Promise<Answer> {
    const answer = await this.ask(method, url, options);
    if (answer.status !== status)
      this.problems.push(`${method} ${url}: ${answer.status} instead of ${status}: ${answer.text.slice(0, 200)}`);
    return answer;
  }

  /** Polls until the resource has one of the states, or is gone (`"404"`). Returns the states seen. */
  async until(url: string, wanted: readonly string[], options: AskOptions = {}): Promise<string[]> {
    const seen: string[] = [];
    const deadline = systemClock.monotonic() + 120_000;
    while (systemClock.monotonic() < deadline) {
      const { status, json } = await this.ask("GET", url, options);
      const body = status === 200 ? (json.volume ?? json.snapshot ?? json.group ?? json.server ?? json) : undefined;
      const state = String(body?.status ?? status);
      if (seen.at(-1) !== state) seen.push(state);
      if (wanted.includes(state)) return seen;
      await systemClock.sleep(url.startsWith(this.urls.image) || this.login.authUrl.includes(":5000") ? 250 : 1);
    }
    this.problems.push(`${url} never became ${wanted.join(" or ")}: ${seen.join(", ")}`);
    return seen;
  }

  /** Runs when the check has ended, or at the end of all if no check runs; last first. */
  later(cleanup: () => Promise<unknown>): void {
    this.#cleanups.push(cleanup);
  }

  /** Runs a check and what it left for later; what it complained of is in `problems`. */
  async check({ run }: Check): Promise<void> {
    this.problems = [];
    this.skipped = undefined;
    const kept = this.#cleanups.length;
    try {
      await run(this);
    } finally {
      for (const cleanup of this.#cleanups.splice(kept).reverse()) await cleanup();
    }
  }

  async close(): Promise<void> {
    for (const cleanup of this.#cleanups.reverse()) await cleanup();
  }
}

async function authenticate(login: Login): Promise<{
  token: string;
  body: { project: { id: string }; catalog: { type: string; endpoints: { interface: string; url: string }[] }[] };
}> {
  const domain = { name: "Default" };
  const identity = { methods: ["password"], password: { user: { name: login.userName, domain, password: login.password } } };
  const response = await fetch(`${login.authUrl}/auth/tokens`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ auth: { identity, scope: { project: { name: login.projectName, domain } } } }),
  });
  if (response.status !== 201) throw new Error(`cannot log in at ${login.authUrl}: ${response.status} ${await response.text()}`);
  return { token: response.headers.get("x-subject-token") ?? "", body: ((await response.json()) as { token: never }).token };
}

/** A new project and member in the admin's cloud. `close` removes both. */
export async function openWorld(login: Login): Promise<World> {
  const admin = await authenticate(login);
  const name = `fake-contract-${randomId().slice(0, 8)}`;
  const manage = async (method: string, path: string, body?: unknown) => {
    const headers = { "x-auth-token": admin.token, "content-type": "application/json" };
    const response = await fetch(`${login.authUrl}${path}`, {
      method,
      headers,
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    return response.status === 204
      ? {}
      : ((await response.json()) as Record<string, { id: string } & { id: string; name: string }[]>);
  };
  const projectId = (await manage("POST", "/projects", { project: { name } })).project?.id ?? "";
  const { roles } = await manage("GET", "/roles");
  const person = async (userName: string, ...names: string[]) => {
    const user = { name: userName, password: "fake-contract-pw" };
    const id = (await manage("POST", "/users", { user })).user?.id ?? "";
    for (const role of roles ?? [])
      if (names.includes(role.name)) await manage("PUT", `/projects/${projectId}/users/${id}/roles/${role.id}`);
    return { id, login: await authenticate({ ...login, userName, password: user.password, projectName: name }) };
  };
  const { id: userId, login: member } = await person(name, "member");
  const creator = await person(`${name}-creator`, "member", "creator");
  const url = (type: string) =>
    member.body.catalog.find((each) => each.type === type)?.endpoints.find((each) => each.interface === "public")?.url ?? "";
  const world = new World({
    login,
    projectId,
    userId,
    creatorId: creator.id,
    userName: name,
    urls: {
      identity: login.authUrl,
      image: url("image"),
      volume: url("volumev3"),
      object: url("object-store"),
      compute: url("compute"),
      "key-manager": url("key-manager"),
      dns: url("dns"),
      "load-balancer": url("load-balancer"),
      network: url("network"),
    },
    tokens: { member: member.token, creator: creator.login.token, admin: admin.token },
  });
  world.later(async () => {
    for (const id of [userId, creator.id]) await manage("DELETE", `/users/${id}`);
    await manage("DELETE", `/projects/${projectId}`);
  });
  return world;
}

/** The part of clouds.yaml this needs: maps by indentation, scalars, no anchors. */
function readCloud(text: string, cloud: string): Login {
  const lines = text.split("\n");
  const start = lines.findIndex((line) => line.trim() === `${cloud}:`);
  const fields: Record<string, string> = {};
  for (const line of lines.slice(start + 1)) {
    if (/^ {0,2}\S/.test(line)) break;
    const [, key, value] = /^\s+(\w+):\s*"?([^"]*)"?\s*$/.exec(line) ?? [];
    if (key !== undefined && value !== undefined && value !== "") fields[key] = value;
  }
  const { auth_url: authUrl, username: userName, password, project_name: projectName } = fields;
  if (start < 0 || authUrl === undefined || userName === undefined || password === undefined || projectName === undefined) {
    throw new Error(`no usable cloud ${cloud} in clouds.yaml`);
  }
  return { authUrl, userName, password, projectName };
}

async function main(args: readonly string[]): Promise<void> {
  const option = (name: string) => args[args.indexOf(name) + 1];
  const cloud = args.includes("--cloud") ? (option("--cloud") ?? "") : "lab-admin";
  const only = args.includes("--only") ? option("--only") : undefined;
  const login = readCloud(readFileSync(process.env.OS_CLIENT_CONFIG_FILE ?? "clouds.yaml", "utf8"), cloud);
  const world = await openWorld(login);
  let failed = 0;
  try {
    for (const check of CHECKS.filter((each) => only === undefined || each.name.startsWith(only))) {
      await world
        .check(check)
        .catch((error: unknown) => world.problems.push(error instanceof Error ? (error.stack ?? error.message) : String(error)));
      failed += world.problems.length > 0 ? 1 : 0;
      const verdict = world.problems.length > 0 ? "FAIL" : world.skipped === undefined ? "ok  " : "skip";
      const why = verdict === "skip" ? `: ${world.skipped}` : "";
      console.log(`${verdict} ${check.name}${why}${world.problems.map((each) => `\n       ${each}`).join("")}`);
    }
  } finally {
    await world.close();
  }
  console.log(failed === 0 ? "all agree" : `${failed} checks failed`);
  process.exitCode = failed === 0 ? 0 : 1;
}

if (import.meta.main) await main(process.argv.slice(2));
