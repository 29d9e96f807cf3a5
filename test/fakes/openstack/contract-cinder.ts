/** Cinder's part of the contract: versions, volumes, volume snapshots, types and quotas. */

import type { Check } from "./contract.ts";
import {
  ABSENT,
  at,
  badRequest,
  CREATED,
  drop,
  SHOWN,
  SHOWN_370,
  SNAPSHOT,
  SNAPSHOT_SHOWN,
  url,
  volume,
} from "./contract-cinder-ask.ts";

export const cinderChecks: readonly Check[] = [
  {
    name: "cinder: versions, microversion headers, unauthorized",
    async run(world) {
      const root = new URL(world.urls.volume).origin;
      const versions = await world.expect(300, "GET", `${root}/`, { as: "nobody" });
      world.same("range", [versions.json?.versions?.[0]?.min_version, versions.json?.versions?.[0]?.version], ["3.0", "3.71"]);
      const refused = await world.expect(401, "GET", url(world, "/volumes"), { as: "nobody" });
      world.same("body", refused.json, {
        error: { code: 401, title: "Unauthorized", message: "The request you have made requires authentication." },
      });
      for (const [asked, answered] of [
        ["3.67", "volume 3.67"],
        ["latest", "volume 3.71"],
      ] as const) {
        const answer = await world.expect(200, "GET", url(world, "/volumes"), at(asked));
        world.same(
          asked,
          [answer.headers.get("openstack-api-version"), answer.headers.get("vary")],
          [answered, "OpenStack-API-Version"],
        );
      }
      world.same(
        "default",
        (await world.expect(200, "GET", url(world, "/volumes"))).headers.get("openstack-api-version"),
        "volume 3.0",
      );
      const high = await world.expect(406, "GET", url(world, "/volumes"), at("3.99"));
      world.same("too high", high.json, {
        computeFault: { code: 406, message: "Version 3.99 is not supported by the API. Minimum is 3.0 and maximum is 3.71." },
      });
      await world.expect(406, "GET", url(world, "/volumes"), at("2.0"));
      await world.expect(400, "GET", url(world, "/volumes"), at("junk"));
      await world.expect(200, "GET", `${root}/v3/volumes`, at("3.67"));
      await world.expect(
        400,
        "GET",
        `${root}/v3/${world.projectId.replace(/^./, (first) => (first === "0" ? "1" : "0"))}/volumes`,
      );
      await world.expect(404, "GET", url(world, "/nosuch"));
    },
  },
  {
    name: "cinder: a volume's life",
    async run(world) {
      const made = await world.expect(202, "POST", url(world, "/volumes"), {
        json: { volume: { size: 1, name: "fake-v1", metadata: { k: "v" } } },
      });
      const id = made.json?.volume?.id;
      world.keys("created", made.json?.volume, CREATED);
      world.same(
        "creating",
        [made.json?.volume?.status, made.json?.volume?.updated_at, made.json?.volume?.bootable],
        ["creating", null, "false"],
      );
      const seen = await world.until(url(world, `/volumes/${id}`), ["available", "error"]);
      world.same("ends", seen.at(-1), "available");
      const shown = await world.expect(200, "GET", url(world, `/volumes/${id}`));
      world.keys("shown", shown.json?.volume, SHOWN);
      world.keys(
        "shown at 3.70",
        (await world.expect(200, "GET", url(world, `/volumes/${id}`), at("3.70"))).json?.volume,
        SHOWN_370,
      );
      world.same("time", /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}$/.test(shown.json?.volume?.created_at), true);
      const updated = await world.expect(200, "PUT", url(world, `/volumes/${id}`), {
        json: { volume: { name: "fake-v2", description: "d" } },
      });
      world.keys("updated", updated.json?.volume, CREATED);
      world.same(
        "merged",
        (await world.expect(200, "POST", url(world, `/volumes/${id}/metadata`), { json: { metadata: { m: "n" } } })).json,
        { metadata: { m: "n", k: "v" } },
      );
      world.same(
        "replaced",
        (await world.expect(200, "PUT", url(world, `/volumes/${id}/metadata`), { json: { metadata: { o: "p" } } })).json,
        { metadata: { o: "p" } },
      );
      await world.expect(200, "DELETE", url(world, `/volumes/${id}/metadata/o`));
      await world.expect(404, "DELETE", url(world, `/volumes/${id}/metadata/o`));
      const deleted = await world.expect(202, "DELETE", url(world, `/volumes/${id}`));
      world.same("no body", deleted.text, "");
      await world.until(url(world, `/volumes/${id}`), ["404"]);
      const gone = await world.expect(404, "GET", url(world, `/volumes/${id}`));
      world.same("error", gone.json, { itemNotFound: { code: 404, message: `Volume ${id} could not be found.` } });
    },
  },
  {
    name: "cinder: refused creates",
    async run(world) {
      const create = (wanted: unknown, part: string, status = 400) =>
        badRequest(world, "/volumes", { volume: wanted }, part, status);
      await create({ size: 0 }, "0 is less than the minimum of 1");
      await create({ size: "x" }, "does not match '^[0-9]+$'");
      await create({}, "The server could not comply");
      await create({ size: 1, availability_zone: "nosuch" }, "Availability zone 'nosuch' is invalid.");
      await create({ size: 1, volume_type: "nosuch" }, "Volume type with name nosuch could not be found.", 404);
      await create({ size: 1, imageRef: ABSENT }, "Invalid image identifier or unable to access requested image.");
      await create({ size: 1, snapshot_id: ABSENT }, `Snapshot ${ABSENT} could not be found.`, 404);
      await create({ size: 1, source_volid: ABSENT }, `Volume ${ABSENT} could not be found.`, 404);
      await create({ size: 1, name: "x".repeat(300) }, "name has 300 characters, more than 255.");
      await create({ size: 1, metadata: { a: 1 } }, "1 is not of type 'string'");
      await create({ size: 1, metadata: { é: "x" } }, "does not match any of the regexes");
      await create(
        { size: 5000 },
        "VolumeSizeExceedsAvailableQuota: Requested volume or snapshot exceeds allowed gigabytes quota. Requested 5000G, quota is 2000G and",
        413,
      );
      const over = await world.expect(413, "POST", url(world, "/volumes"), { json: { volume: { size: 5000 } } });
      world.same("retry-after", [over.headers.get("retry-after"), over.json?.overLimit?.retryAfter], ["0", "0"]);
      await badRequest(world, "/volumes", {}, "'volume' is a required property");
      world.same(
        "malformed",
        (
          await world.expect(400, "POST", url(world, "/volumes"), {
            body: "junk",
            headers: { "content-type": "application/json" },
          })
        ).json?.badRequest?.message,
        "Malformed request body",
      );
    },
  },
  {
    name: "cinder: lists and pages",
    async run(world) {
      const a = await volume(world, { size: 1, name: "fake-a", metadata: { n: "1" } });
      const b = await volume(world, { size: 1, name: "fake-b" });
      const page = (await world.expect(200, "GET", url(world, "/volumes?limit=1&sort=name:asc"))).json;
      world.keys("page", page, ["volumes", "volumes_links"]);
      world.keys("row", page?.volumes?.[0], ["id", "name", "links"]);
      world.same("link", page?.volumes_links, [
        { rel: "next", href: `${url(world, "/volumes")}?limit=1&sort=name%3Aasc&marker=${a}` },
      ]);
      const next = (await world.expect(200, "GET", page?.volumes_links?.[0]?.href)).json;
      world.same(
        "next page",
        next?.volumes?.map((each: { id: string }) => each.id),
        [b],
      );
      world.same("limit 0", (await world.expect(200, "GET", url(world, "/volumes?limit=0"))).json, { volumes: [] });
      await world.expect(400, "GET", url(world, "/volumes?limit=-1"));
      await world.expect(400, "GET", url(world, "/volumes?limit=x"));
      await world.expect(404, "GET", url(world, `/volumes?marker=${ABSENT}`));
      const detail = (await world.expect(200, "GET", url(world, "/volumes/detail?name=fake-b"))).json;
      world.keys("detail", detail?.volumes?.[0], SHOWN);
      world.same(
        "by metadata",
        (await world.expect(200, "GET", url(world, `/volumes?metadata=${encodeURIComponent('{"n":"1"}')}`))).json?.volumes
          ?.length,
        1,
      );
      world.same("count", (await world.expect(200, "GET", url(world, "/volumes?with_count=true"), at("3.45"))).json?.count, 2);
      const adminUrl = `${new URL(world.urls.volume).origin}/v3`;
      const all = await world.expect(200, "GET", `${adminUrl}/volumes/detail?all_tenants=1&project_id=${world.projectId}`, {
        as: "admin",
        ...at("3.67"),
      });
      world.same("all tenants", all.json?.volumes?.length, 2);
      world.same("admin sees the host", typeof all.json?.volumes?.[0]?.["os-vol-host-attr:host"], "string");
      await drop(world, "volumes", a);
      await drop(world, "volumes", b);
    },
  },
  {
    name: "cinder: whoever asks for a snapshot of another project's volume has it, and what is made from it",
    async run(world) {
      const root = `${new URL(world.urls.volume).origin}/v3`;
      const ask = { as: "admin" as const, ...at("3.67") };
      const source = await volume(world, { size: 1 });
      const made = await world.expect(202, "POST", `${root}/snapshots`, {
        json: { snapshot: { volume_id: source, name: "fake-elsewhere", force: true } },
        ...ask,
      });
      const id = made.json?.snapshot?.id;
      await world.until(`${root}/snapshots/${id}`, ["available", "error"], ask);
      world.same("not the owner's", (await world.expect(200, "GET", url(world, "/snapshots"))).json, { snapshots: [] });
      await world.expect(404, "GET", url(world, `/snapshots/${id}`));
      const copy = await world.expect(202, "POST", `${root}/volumes`, { json: { volume: { size: 1, snapshot_id: id } }, ...ask });
      const copyId = copy.json?.volume?.id;
      await world.until(`${root}/volumes/${copyId}`, ["available", "error"], ask);
      await world.expect(404, "GET", url(world, `/volumes/${copyId}`));
      // The owner cannot remove the volume before.
      await world.expect(400, "DELETE", url(world, `/volumes/${source}`));
      await world.expect(202, "DELETE", `${root}/volumes/${copyId}`, ask);
      await world.until(`${root}/volumes/${copyId}`, ["404"], ask);
      await world.expect(202, "DELETE", `${root}/snapshots/${id}`, ask);
      await world.until(`${root}/snapshots/${id}`, ["404"], ask);
      await drop(world, "volumes", source);
    },
  },
  {
    name: "cinder: volume snapshots and what is made from them",
    async run(world) {
      const source = await volume(world, { size: 1 });
      const made = await world.expect(202, "POST", url(world, "/snapshots"), {
        json: { snapshot: { volume_id: source, name: "fake-s", metadata: { a: "b" } } },
      });
      const id = made.json?.snapshot?.id;
      world.keys("created", made.json?.snapshot, SNAPSHOT);
      await world.until(url(world, `/snapshots/${id}`), ["available", "error"]);
      world.keys("shown", (await world.expect(200, "GET", url(world, `/snapshots/${id}`))).json?.snapshot, SNAPSHOT_SHOWN);
      world.keys("shown at 3.70", (await world.expect(200, "GET", url(world, `/snapshots/${id}`), at("3.70"))).json?.snapshot, [
        ...SNAPSHOT_SHOWN,
        "group_snapshot_id",
        "user_id",
        "consumes_quota",
      ]);
      world.keys(
        "in a list",
        (await world.expect(200, "GET", url(world, `/snapshots?volume_id=${source}`))).json?.snapshots?.[0],
        SNAPSHOT,
      );
      const blocked = await world.expect(400, "DELETE", url(world, `/volumes/${source}`));
      world.contains("has snapshots", String(blocked.json?.badRequest?.message), "have snapshots, awaiting a transfer");
      await badRequest(world, "/snapshots", { snapshot: {} }, "'volume_id' is a required property");
      await badRequest(world, "/snapshots", { snapshot: { volume_id: "nosuch" } }, "is not valid under any of the given schemas");
      await badRequest(world, "/snapshots", { snapshot: { volume_id: ABSENT } }, `Volume ${ABSENT} could not be found.`, 404);
      const force = await world.expect(400, "POST", url(world, "/snapshots"), {
        ...at("3.66"),
        json: { snapshot: { volume_id: source, force: false } },
      });
      world.contains(
        "force at 3.66",
        String(force.json?.badRequest?.message),
        "Since microversion 3.66 the 'force' flag is invalid",
      );
      await badRequest(
        world,
        "/volumes",
        { volume: { snapshot_id: id, source_volid: source } },
        "May specify only one of backup, imageRef, snapshot, source volume",
      );
      const copy = await volume(world, { snapshot_id: id });
      const clone = await volume(world, { source_volid: source });
      world.same("sources", (await world.expect(200, "GET", url(world, `/volumes/${copy}`))).json?.volume?.snapshot_id, id);
      world.same("sources", (await world.expect(200, "GET", url(world, `/volumes/${clone}`))).json?.volume?.source_volid, source);
      await world.expect(202, "DELETE", url(world, `/snapshots/${id}`));
      await badRequest(
        world,
        "/volumes",
        { volume: { snapshot_id: id } },
        "Originating snapshot status must be one of 'available' values",
      );
      world.same(
        "goes although it has a clone",
        (await world.until(url(world, `/snapshots/${id}`), ["404", "available"])).at(-1),
        "404",
      );
      for (const each of [copy, clone, source]) await drop(world, "volumes", each);
    },
  },
  {
    name: "cinder: types, zones, limits, quotas",
    async run(world) {
      const types = await world.expect(200, "GET", url(world, "/types"));
      world.keys("type", types.json?.volume_types?.[0], [
        "id",
        "name",
        "is_public",
        "description",
        "extra_specs",
        "os-volume-type-access:is_public",
      ]);
      world.same("default", (await world.expect(200, "GET", url(world, "/types/default"))).json?.volume_type?.name, "standard");
      await world.expect(404, "GET", url(world, "/types/nosuch"));
      world.same("zones", (await world.expect(200, "GET", url(world, "/os-availability-zone"))).json, {
        availabilityZoneInfo: [{ zoneName: "nova", zoneState: { available: true } }],
      });
      const limits = await world.expect(200, "GET", url(world, "/limits"));
      world.keys("limits", limits.json?.limits?.absolute, [
        "maxTotalVolumes",
        "maxTotalSnapshots",
        "maxTotalVolumeGigabytes",
        "maxTotalBackups",
        "maxTotalBackupGigabytes",
        "totalVolumesUsed",
        "totalGigabytesUsed",
        "totalSnapshotsUsed",
        "totalBackupsUsed",
        "totalBackupGigabytesUsed",
      ]);
      const quota = await world.expect(200, "GET", url(world, `/os-quota-sets/${world.projectId}?usage=true`));
      world.keys("usage", quota.json?.quota_set?.volumes, ["limit", "in_use", "reserved"]);
      const set = `${new URL(world.urls.volume).origin}/v3/os-quota-sets/${world.projectId}`;
      await world.expect(200, "PUT", set, { as: "admin", ...at("3.67"), json: { quota_set: { volumes: 1, snapshots: 0 } } });
      const id = await volume(world, { size: 1 });
      await badRequest(
        world,
        "/volumes",
        { volume: { size: 1 } },
        "VolumeLimitExceeded: Maximum number of volumes allowed (1) exceeded for quota 'volumes'.",
        413,
      );
      await badRequest(
        world,
        "/snapshots",
        { snapshot: { volume_id: id } },
        "SnapshotLimitExceeded: Maximum number of snapshots allowed (0) exceeded",
        413,
      );
      await drop(world, "volumes", id);
      await world.expect(200, "PUT", set, { as: "admin", ...at("3.67"), json: { quota_set: { volumes: 200, snapshots: 200 } } });
      await world.expect(403, "GET", url(world, "/scheduler-stats/get_pools"));
      await world.expect(404, "GET", url(world, "/group_types"));
      await world.expect(200, "GET", url(world, "/group_types"), at("3.11"));
    },
  },
];
