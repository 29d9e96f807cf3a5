/** Barbican's part of the contract. */

import type { Answer, AskOptions, Check, World } from "./contract.ts";

const SECRET_KEYS = "created updated status name secret_type expiration algorithm bit_length mode creator_id secret_ref".split(
  " ",
);
const CONTAINER_KEYS = "created updated status name type creator_id secret_refs consumers container_ref".split(" ");

const at = (world: World, path: string) => `${world.urls["key-manager"].replace(/\/(v1)?$/, "")}/v1${path}`;

/** Asks as a member with Barbican's role `creator`, if nothing else is said. */
async function expect(world: World, status: number, method: string, url: string, options: AskOptions = {}): Promise<Answer> {
  return await world.expect(status, method, url, { as: "creator", ...options });
}

/** Makes a secret that goes when the check ends; its URL. */
async function secret(world: World, json: Record<string, unknown>): Promise<string> {
  const made = await expect(world, 201, "POST", at(world, "/secrets"), { json });
  const url = String(made.json?.secret_ref ?? at(world, "/secrets/none"));
  world.later(async () => await world.ask("DELETE", url, { as: "creator" }));
  return url;
}

async function container(world: World, json: Record<string, unknown>): Promise<string> {
  const made = await expect(world, 201, "POST", at(world, "/containers"), { json });
  const url = String(made.json?.container_ref ?? at(world, "/containers/none"));
  world.later(async () => await world.ask("DELETE", url, { as: "creator" }));
  return url;
}

async function refused(
  world: World,
  method: string,
  url: string,
  status: number,
  description: string,
  options = {},
): Promise<void> {
  const answer = await expect(world, status, method, url, options);
  world.keys("fault", answer.json, ["code", "title", "description"]);
  world.same(`description of ${method} ${status}`, answer.json?.description, description);
}

export const barbicanChecks: readonly Check[] = [
  {
    name: "barbican: versions and who may not",
    async run(world) {
      const root = await expect(world, 300, "GET", at(world, "").replace(/v1$/, ""), { as: "nobody" });
      world.same("id", root.json?.versions?.values?.[0]?.id, "v1");
      await expect(world, 401, "GET", at(world, "/secrets"), { as: "nobody" });
      await expect(world, 401, "GET", at(world, "/secrets"), { as: { token: "junk" } });
    },
  },
  {
    name: "barbican: a secret without payload, filled once, byte for byte",
    async run(world) {
      const url = await secret(world, {
        name: " key one ",
        secret_type: "symmetric",
        algorithm: "aes",
        bit_length: 256,
        mode: "cbc",
        expiration: "2099-01-02T03:04:05",
      });
      const empty = await expect(world, 200, "GET", url);
      world.keys("secret", empty.json, SECRET_KEYS);
      const { name, secret_type, algorithm, bit_length, mode, expiration, status, creator_id, secret_ref } = empty.json ?? {};
      world.same(
        "fields",
        { name, secret_type, algorithm, bit_length, mode, expiration, status, creator_id, secret_ref },
        {
          name: "key one",
          secret_type: "symmetric",
          algorithm: "aes",
          bit_length: 256,
          mode: "cbc",
          expiration: "2099-01-02T03:04:05",
          status: "ACTIVE",
          creator_id: world.creatorId,
          secret_ref: url,
        },
      );
      world.same("time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d$/.test(String(empty.json?.created)), true);
      await refused(world, "GET", `${url}/payload`, 404, "Not Found. Sorry but your secret has no payload.");
      await refused(
        world,
        "PUT",
        url,
        415,
        "Unexpected content type. Expected content types are: ['application/octet-stream', 'text/plain']",
        {
          headers: { "content-type": "application/pkcs8" },
          body: "x",
        },
      );
      const bytes = Buffer.from([0, 255, 10, 13, 32, 128, 9]);
      const octets = { "content-type": "application/octet-stream" };
      await expect(world, 204, "PUT", url, { headers: octets, body: bytes });
      await refused(world, "PUT", url, 409, "Secret already has data, cannot modify it.", { headers: octets, body: bytes });
      const filled = await expect(world, 200, "GET", url);
      world.keys("filled", filled.json, [...SECRET_KEYS, "content_types"]);
      world.same("content types", filled.json?.content_types, { default: "application/octet-stream" });
      const read = await expect(world, 200, "GET", `${url}/payload`, { headers: { accept: "application/octet-stream" } });
      world.same("payload", read.bytes.toString("hex"), bytes.toString("hex"));
      const text = await expect(world, 406, "GET", `${url}/payload`, { headers: { accept: "text/plain" } });
      world.same("fault", text.json?.description, "Secret payload retrieval issue seen - Wrong payload content-type.");
      await expect(world, 204, "DELETE", url);
      await refused(world, "GET", url, 404, "Secret not found.");
      await refused(world, "DELETE", url, 404, "Secret not found.");
    },
  },
  {
    name: "barbican: payloads at creation, and what is refused",
    async run(world) {
      const text = await secret(world, { name: "t", payload: " two words\n", payload_content_type: "text/plain; charset=utf-8" });
      const read = await expect(world, 200, "GET", `${text}/payload`, { headers: { accept: "text/plain" } });
      world.same("stripped", read.text, "two words");
      world.same("defaults", (await expect(world, 200, "GET", text)).json?.secret_type, "opaque");
      const key = await secret(world, {
        secret_type: "private",
        payload: "AQID",
        payload_content_type: "application/pkcs8",
        payload_content_encoding: "base64",
      });
      world.same("pkcs8", (await expect(world, 200, "GET", key)).json?.content_types, { default: "application/pkcs8" });
      world.same("no name", (await expect(world, 200, "GET", key)).json?.name, null);
      const secrets = at(world, "/secrets");
      await refused(world, "POST", secrets, 400, "Malformed JSON", {
        body: "{",
        headers: { "content-type": "application/json" },
      });
      await refused(
        world,
        "POST",
        secrets,
        400,
        "Provided object does not match schema 'Secret': If 'payload' is supplied, 'payload_content_type' must also be supplied.. Invalid property: 'payload_content_type'",
        { json: { payload: "x" } },
      );
      await refused(
        world,
        "POST",
        secrets,
        400,
        "Provided object does not match schema 'Secret': 'odd' is not one of ['symmetric', 'passphrase', 'private', 'public', 'certificate', 'opaque']. Invalid property: 'secret_type'",
        { json: { secret_type: "odd" } },
      );
      await refused(
        world,
        "POST",
        secrets,
        400,
        "Provided object does not match schema 'Secret': 'expiration' is before current time. Invalid property: 'expiration'",
        { json: { expiration: "2001-01-01T00:00:00" } },
      );
      await expect(world, 415, "POST", secrets, { body: "{}", headers: { "content-type": "text/plain" } });
      await refused(world, "GET", at(world, "/secrets/not-an-id"), 404, "Not Found. Provided secret id is invalid.");
    },
  },
  {
    name: "barbican: metadata and access lists",
    async run(world) {
      const url = await secret(world, { name: "listed" });
      world.same("none", (await expect(world, 200, "GET", `${url}/metadata`)).json, { metadata: {} });
      const put = await expect(world, 201, "PUT", `${url}/metadata`, { json: { metadata: { Owner: "ann", room: "1" } } });
      world.same("reference", put.json, { metadata_ref: `${url}/metadata` });
      world.same("lower case", (await expect(world, 200, "GET", `${url}/metadata`)).json, {
        metadata: { owner: "ann", room: "1" },
      });
      world.same("default", (await expect(world, 200, "GET", `${url}/acl`)).json, { read: { "project-access": true } });
      const set = await expect(world, 200, "PUT", `${url}/acl`, {
        json: { read: { users: ["5ecb18f341894e94baca9e8c7b6a824a"], "project-access": false } },
      });
      world.same("reference", set.json, { acl_ref: `${url}/acl` });
      const acl = (await expect(world, 200, "GET", `${url}/acl`)).json?.read;
      world.keys("acl", acl, ["project-access", "users", "created", "updated"]);
      world.same("users", [acl?.users, acl?.["project-access"]], [["5ecb18f341894e94baca9e8c7b6a824a"], false]);
      await refused(
        world,
        "PUT",
        `${url}/acl`,
        400,
        "Provided object does not match schema 'ACL': Additional properties are not allowed ('write' was unexpected). Invalid property: 'None'",
        { json: { write: { users: [] } } },
      );
      await expect(world, 200, "DELETE", `${url}/acl`);
      world.same("default again", (await expect(world, 200, "GET", `${url}/acl`)).json, { read: { "project-access": true } });
    },
  },
  {
    name: "barbican: lists in pages",
    async run(world) {
      for (const name of ["p1", "p2", "p3"]) await secret(world, { name });
      const first = await expect(world, 200, "GET", `${at(world, "/secrets")}?limit=2`);
      world.keys("page", first.json, ["secrets", "next", "total"]);
      world.same("size", first.json?.secrets?.length, 2);
      world.same("next", first.json?.next, `${at(world, "/secrets")}?limit=2&offset=2`);
      const second = await expect(world, 200, "GET", `${at(world, "/secrets")}?limit=2&offset=2`);
      world.same("previous", second.json?.previous, `${at(world, "/secrets")}?limit=2&offset=0`);
      const named = await expect(world, 200, "GET", `${at(world, "/secrets")}?name=p2`);
      world.same("by name", [named.json?.total, named.json?.secrets?.[0]?.name], [1, "p2"]);
      const none = await expect(world, 200, "GET", `${at(world, "/secrets")}?name=nothing`);
      world.same("none", none.json, { secrets: [], total: 0 });
    },
  },
  {
    name: "barbican: containers",
    async run(world) {
      const [crt, key] = [await secret(world, { name: "crt" }), await secret(world, { name: "key" })];
      const refs = [
        { name: "certificate", secret_ref: crt },
        { name: "private_key", secret_ref: key },
      ];
      const url = await container(world, { name: "tls", type: "certificate", secret_refs: refs });
      const got = await expect(world, 200, "GET", url);
      world.keys("container", got.json, CONTAINER_KEYS);
      const byName = (list: { name: string }[]) => [...list].sort((a, b) => (a.name < b.name ? -1 : 1));
      world.same("refs", byName(got.json?.secret_refs ?? []), refs);
      world.same(
        "fields",
        [got.json?.name, got.json?.type, got.json?.status, got.json?.consumers],
        ["tls", "certificate", "ACTIVE", []],
      );
      const listed = await expect(world, 200, "GET", `${at(world, "/containers")}?name=tls`);
      world.same("listed", [listed.json?.total, listed.json?.containers?.[0]?.container_ref], [1, url]);
      const containers = at(world, "/containers");
      await refused(
        world,
        "POST",
        containers,
        400,
        "Provided object does not match schema 'Container': only 'private_key', 'certificate' , 'private_key_passphrase',  or 'intermediates' reference names are allowed for Certificate type. Invalid property: 'secret_refs'",
        { json: { type: "certificate", secret_refs: [{ name: "odd", secret_ref: crt }] } },
      );
      await refused(
        world,
        "POST",
        containers,
        400,
        "Provided object does not match schema 'Container': Duplicate secret ids are not allowed. Invalid property: 'secret_refs'",
        {
          json: {
            type: "generic",
            secret_refs: [
              { name: "a", secret_ref: crt },
              { name: "b", secret_ref: crt },
            ],
          },
        },
      );
      const gone = at(world, "/secrets/5ecb18f3-4189-4e94-baca-9e8c7b6a824a");
      await refused(world, "POST", containers, 404, "Secret provided for 'a' doesn't exist.", {
        json: { type: "generic", secret_refs: [{ name: "a", secret_ref: gone }] },
      });
      await refused(world, "POST", containers, 400, "Provided field value is not supported", {
        json: {
          type: "generic",
          secret_refs: [{ name: "a", secret_ref: "http://elsewhere/v1/secrets/5ecb18f3-4189-4e94-baca-9e8c7b6a824a" }],
        },
      });
      const consumer = { name: "lbaas", URL: "http://lb/1" };
      const registered = await expect(world, 200, "POST", `${url}/consumers`, { json: consumer });
      world.same("consumers", registered.json?.consumers, [consumer]);
      const left = await expect(world, 200, "DELETE", `${url}/consumers`, { json: consumer });
      world.same("no consumers", left.json?.consumers, []);
      await expect(world, 204, "DELETE", key);
      world.same("its secret is gone", byName((await expect(world, 200, "GET", url)).json?.secret_refs ?? []), refs.slice(0, 1));
      await expect(world, 204, "DELETE", url);
      await refused(world, "GET", url, 404, "Secrets container not found.");
    },
  },
  {
    name: "barbican: who may not",
    async run(world) {
      const url = await secret(world, { name: "other", payload: "x", payload_content_type: "text/plain" });
      const may = "attempt not allowed - please review your user/project privileges";
      await refused(world, "GET", at(world, "/secrets"), 403, `Secret(s) retrieval ${may}`, { as: "member" });
      await refused(world, "POST", at(world, "/secrets"), 403, `Secret creation ${may}`, { as: "member", json: { name: "x" } });
      await refused(world, "GET", at(world, "/containers"), 403, `Containers(s) retrieval ${may}`, { as: "member" });
      for (const as of ["member", "admin"] as const) {
        await refused(world, "GET", url, 403, `Secret retrieval ${may}`, { as });
        await refused(world, "GET", `${url}/payload`, 403, `Secret payload retrieval ${may}`, {
          as,
          headers: { accept: "text/plain" },
        });
        await refused(world, "DELETE", url, 403, `Secret deletion ${may}`, { as });
      }
      await expect(world, 200, "PUT", `${url}/acl`, { json: { read: { users: [world.userId] } } });
      const headers = { accept: "text/plain" };
      world.same("by the list", (await world.expect(200, "GET", `${url}/payload`, { as: "member", headers })).text, "x");
      await refused(world, "GET", `${url}/acl`, 403, `SecretACL(s) retrieval ${may}`, { as: "member" });
      const listed = await world.expect(200, "GET", `${at(world, "/secrets")}?name=other`, { as: "admin" });
      world.same("not of another project", listed.json?.total, 0);
    },
  },
];
