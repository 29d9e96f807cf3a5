/** Designate's part of the contract. Zones are made below `<random>.fake-contract.example.`, for their names are one in the whole cloud. */

import { systemClock } from "@permafrost/std";
import type { Answer, Check, World } from "./contract.ts";

const ZONE_KEYS =
  "id pool_id project_id name email description ttl serial shared status action version attributes type masters created_at updated_at transferred_at links".split(
    " ",
  );
const SET_KEYS =
  "id zone_id project_id name zone_name type records description ttl status action version created_at updated_at links".split(
    " ",
  );

const at = (world: World, path: string) => `${world.urls.dns.replace(/\/(v2)?$/, "")}/v2${path}`;
const nameOf = (world: World, label: string) => `${label}.${world.projectId.slice(0, 12)}.fake-contract.example.`;

/** Makes a zone, waits until it is served, and removes it when the check ends. */
async function zone(world: World, json: Record<string, unknown>): Promise<{ answer: Answer; url: string }> {
  const answer = await world.expect(202, "POST", at(world, "/zones"), { json });
  const url = at(world, `/zones/${String(answer.json?.id)}`);
  world.later(async () => {
    await world.ask("DELETE", url);
    await gone(world, url);
  });
  await world.until(url, ["ACTIVE", "ERROR"]);
  return { answer, url };
}

async function gone(world: World, url: string): Promise<void> {
  for (let poll = 0; poll < 300 && (await world.ask("GET", url)).status !== 404; poll++)
    await systemClock.sleep(world.login.authUrl.includes(":5000") ? 250 : 1);
}

async function refused(
  world: World,
  method: string,
  url: string,
  status: number,
  type: string,
  said: unknown,
  json?: unknown,
): Promise<void> {
  const answer = await world.expect(status, method, url, json === undefined ? {} : { json });
  world.same(`type of ${method} ${status}`, [answer.json?.code, answer.json?.type], [status, type]);
  world.same(`${type}`, answer.json?.message ?? answer.json?.errors, said);
}

const wrong = (path: unknown[], message: string, validator: string, validator_value: unknown) => ({
  errors: [{ path, message, validator, validator_value }],
});
const value = (message: string) => `Provided object is not valid. Got a ValueError error with message ${message}`;

export const designateChecks: readonly Check[] = [
  {
    name: "designate: versions and who may not",
    async run(world) {
      const root = await world.expect(200, "GET", at(world, "").replace(/v2$/, ""), { as: "nobody" });
      world.same("id", root.json?.versions?.at(-1)?.id, "v2.1");
      await world.expect(401, "GET", at(world, "/zones"), { as: "nobody" });
      await world.expect(401, "GET", at(world, "/zones"), { as: { token: "junk" } });
    },
  },
  {
    name: "designate: a zone from making to removal",
    async run(world) {
      const name = nameOf(world, "one");
      const asked = { name, email: "a@example.com", description: "d", ttl: 7200, attributes: { a: "b" } };
      const { answer, url } = await zone(world, asked);
      world.keys("zone", answer.json, ZONE_KEYS);
      const { status, action, type, masters, shared, updated_at, project_id } = answer.json ?? {};
      world.same(
        "made",
        { status, action, type, masters, shared, updated_at, project_id },
        {
          status: "PENDING",
          action: "CREATE",
          type: "PRIMARY",
          masters: [],
          shared: false,
          updated_at: null,
          project_id: world.projectId,
        },
      );
      const got = await world.expect(200, "GET", url);
      const shown = Object.fromEntries(Object.keys(asked).map((key) => [key, got.json?.[key]]));
      world.same("fields", [shown, got.json?.status, got.json?.action], [asked, "ACTIVE", "NONE"]);
      world.same("time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.000000$/.test(String(got.json?.created_at)), true);
      const changed = await world.expect(202, "PATCH", url, { json: { description: null, ttl: 900 } });
      world.same("changed", [changed.json?.description, changed.json?.ttl, changed.json?.action], [null, 900, "UPDATE"]);
      await refused(
        world,
        "PATCH",
        url,
        400,
        "invalid_object",
        "Provided object does not match schema. Keys ['name'] are not valid for zone",
        { name: "other.example." },
      );
      await refused(world, "POST", at(world, "/zones"), 409, "duplicate_zone", "Duplicate Zone", {
        name,
        email: "a@example.com",
      });
      await world.until(url, ["ACTIVE"]);
      const going = await world.expect(202, "DELETE", url);
      world.same("going", [going.json?.status, going.json?.action], ["PENDING", "DELETE"]);
      await gone(world, url);
      await refused(world, "GET", url, 404, "zone_not_found", "Could not find Zone");
    },
  },
  {
    name: "designate: what a zone may not be",
    async run(world) {
      const zones = at(world, "/zones");
      const name = nameOf(world, "bad");
      const email = "a@example.com";
      const bad = async (said: unknown, json: unknown) => await refused(world, "POST", zones, 400, "invalid_object", said, json);
      await bad(value(`Domain ${name.slice(0, -1)} does not end with a dot`), { name: name.slice(0, -1), email });
      await bad(value("junk is not an email"), { name, email: "junk" });
      await bad(value("Value must be >= 0 for field ttl"), { name, email, ttl: -1 });
      await bad(value("Field value ODD is invalid"), { name, email, type: "ODD" });
      await bad(wrong(["type", "email"], "'email' is a required property", "required", "email"), { name });
      await bad("Provided object does not match schema. Keys ['odd'] are not valid for zone", { name, email, odd: 1 });
      await bad(wrong(["type", "masters"], "'masters' is a required property", "required", ["masters"]), {
        name,
        type: "SECONDARY",
        masters: [],
      });
      await bad(wrong(["type"], "'email' can't be specified when type is SECONDARY", "not_allowed", "email"), {
        name,
        email,
        type: "SECONDARY",
        masters: ["192.0.2.1"],
      });
      await refused(world, "POST", zones, 400, "invalid_zone_name", "More than one label is required", {
        name: "example.",
        email,
      });
      await refused(world, "GET", `${zones}/junk`, 400, "invalid_uuid", "Invalid UUID zone_id: junk");
      await refused(world, "GET", `${zones}?odd=1`, 400, "bad_request", "Invalid filters odd");
    },
  },
  {
    name: "designate: record sets",
    async run(world) {
      const name = nameOf(world, "sets");
      const { url } = await zone(world, { name, email: "a@example.com" });
      const sets = `${url}/recordsets`;
      const apex = await world.expect(200, "GET", sets);
      world.same("apex", apex.json?.recordsets?.map((each: { type: string }) => each.type).sort(), ["NS", "SOA"]);
      const made = await world.expect(202, "POST", sets, {
        json: { name: `www.${name}`, type: "A", records: ["192.0.2.2", "192.0.2.1"], ttl: 300, description: "x" },
      });
      world.keys("record set", made.json, SET_KEYS);
      world.same("sorted", [made.json?.records, made.json?.ttl, made.json?.action], [["192.0.2.1", "192.0.2.2"], 300, "CREATE"]);
      const one = `${sets}/${String(made.json?.id)}`;
      const changed = await world.expect(202, "PUT", one, { json: { records: ["192.0.2.9"], ttl: null } });
      world.same("changed", [changed.json?.records, changed.json?.ttl, changed.json?.description], [["192.0.2.9"], null, "x"]);
      for (const [type, records] of [
        ["MX", ["10 mail.example."]],
        ["TXT", ['"v=spf1 -all"', "plain"]],
        ["AAAA", ["2001:db8::1"]],
        ["NS", ["ns.other.example."]],
        ["CAA", ['0 issue "ca.example"']],
      ] as const)
        await world.expect(202, "POST", sets, { json: { name: `${type.toLowerCase()}.${name}`, type, records } });
      const srv = { type: "SRV", records: ["0 1 5060 sip.example."] };
      await world.expect(202, "POST", sets, { json: { ...srv, name: `_sip._tcp.${name}` } });
      await refused(world, "POST", sets, 400, "invalid_object", "name is invalid", { ...srv, name: `srv.${name}` });
      await world.expect(201, "POST", sets, { json: { name: `empty.${name}`, type: "A", records: [] } });
      const bad = async (status: number, type: string, said: unknown, json: unknown) =>
        await refused(world, "POST", sets, status, type, said, json);
      const www = `www.${name}`;
      await bad(409, "duplicate_recordset", "Duplicate RecordSet", { name: www, type: "A", records: ["192.0.2.3"] });
      await bad(400, "invalid_object", wrong(["records", 0], "'junk' is not a 'A' Record", "format", ["A"]), {
        name: `a.${name}`,
        type: "A",
        records: ["junk"],
      });
      await bad(400, "invalid_object", wrong(["recordset", "type"], "'ODD' is not a valid record type", "value", ["ODD"]), {
        name: `a.${name}`,
        type: "ODD",
        records: ["junk"],
      });
      await bad(400, "invalid_object", value("Host name www does not end with a dot"), {
        name: "www",
        type: "A",
        records: ["192.0.2.3"],
      });
      const place = "invalid_recordset_location";
      await bad(400, place, "RecordSet is not contained within it's parent zone", {
        name: "www.elsewhere.example.",
        type: "A",
        records: ["192.0.2.3"],
      });
      await bad(400, place, "CNAME recordsets may not share a name with any other records", {
        name: www,
        type: "CNAME",
        records: ["a.example."],
      });
      await world.expect(202, "DELETE", one);
      await gone(world, one);
      await refused(world, "GET", one, 404, "recordset_not_found", "Could not find RecordSet");
    },
  },
  {
    name: "designate: zones inside zones, lists and pages",
    async run(world) {
      const name = nameOf(world, "outer");
      const outer = await zone(world, { name, email: "a@example.com", description: "outer one" });
      await zone(world, { name: `in.${name}`, email: "a@example.com" });
      await refused(world, "DELETE", outer.url, 400, "zone_has_sub_zone", "Please delete any subzones before deleting this zone");
      await refused(
        world,
        "POST",
        `${outer.url}/recordsets`,
        400,
        "invalid_recordset_location",
        `RecordSet belongs in a child zone: in.${name}`,
        { name: `a.in.${name}`, type: "A", records: ["192.0.2.3"] },
      );
      const named = await world.expect(200, "GET", `${at(world, "/zones")}?name=${name}`);
      world.keys("list", named.json, ["zones", "links", "metadata"]);
      world.same("named", [named.json?.zones?.length, named.json?.metadata], [1, { total_count: 1 }]);
      const described = await world.expect(200, "GET", `${at(world, "/zones")}?description=outer%20one`);
      world.same("described", described.json?.zones?.length, 1);
      const first = await world.expect(200, "GET", `${at(world, "/zones")}?limit=1`);
      const id = first.json?.zones?.[0]?.id;
      world.same("next", first.json?.links?.next, `${at(world, "/zones")}?limit=1&marker=${id}`);
      const second = await world.expect(200, "GET", String(first.json?.links?.next));
      world.same("second", second.json?.zones?.length, 1);
    },
  },
  {
    name: "designate: what another project has",
    async run(world) {
      const name = nameOf(world, "mine");
      const { url } = await zone(world, { name, email: "a@example.com" });
      const zones = at(world, "/zones");
      world.same("unseen", (await world.expect(404, "GET", url, { as: "admin" })).json?.type, "zone_not_found");
      const email = "a@example.com";
      const twin = await world.expect(409, "POST", zones, { as: "admin", json: { name, email } });
      world.same("twin", twin.json?.message, "Zone already exists, owned by a different tenant");
      const child = await world.expect(403, "POST", zones, { as: "admin", json: { name: `x.${name}`, email } });
      world.same(
        "child",
        [child.json?.type, child.json?.message],
        ["illegal_child", "Unable to create subzone in another tenants zone"],
      );
      const secondary = await zone(world, { name: nameOf(world, "second"), type: "SECONDARY", masters: ["192.0.2.10"] });
      world.same("secondary", [secondary.answer.json?.ttl, secondary.answer.json?.serial], [3600, 1]);
      const set = { name: `a.${nameOf(world, "second")}`, type: "A", records: ["192.0.2.3"] };
      world.same(
        "its records",
        (await world.expect(403, "POST", `${secondary.url}/recordsets`, { json: set })).json?.type,
        "forbidden",
      );
    },
  },
];
