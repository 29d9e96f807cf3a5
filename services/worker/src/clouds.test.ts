import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { systemClock, systemRandom } from "@permafrost/std";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type FakeCloud, startFakeCloud } from "../../../test/fakes/openstack/index.ts";
import { Clouds } from "./clouds.ts";

let folder: string;
let cloud: FakeCloud;
let clouds: Clouds;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "permafrost-clouds-"));
  cloud = await startFakeCloud();
  clouds = new Clouds({
    environment: { HOME: folder },
    configFile: join(folder, "clouds.yaml"),
    clock: systemClock,
    random: systemRandom,
  });
});
afterEach(async () => {
  await clouds.close();
  await cloud.close();
  await rm(folder, { recursive: true });
});

/** Projects of a user each, as clouds of the same names; answers the users' ids. */
async function seed(...names: string[]): Promise<ReadonlyMap<string, string>> {
  const users = new Map<string, string>();
  const entries = names.map((name) => {
    const { project, user } = cloud.seed.tenant(name, { roles: ["member"] });
    users.set(name, user.id);
    return { cloudName: name, userName: user.name, password: user.password, projectName: project.name };
  });
  await writeFile(join(folder, "clouds.yaml"), cloud.cloudsYaml(...entries), { mode: 0o600 });
  return users;
}

const logins = () => cloud.journal.find({ service: "identity", method: "POST", path: /\/auth\/tokens/ }).length;

describe("the clouds of a worker", () => {
  it("are logged into once each, however many tasks ask, also at once", async () => {
    await seed("one", "two");
    const [first, same, other] = await Promise.all([
      clouds.open({ cloud: "one" }),
      clouds.open({ cloud: "one" }),
      clouds.open({ cloud: "two" }),
    ]);
    expect(same).toBe(first);
    expect(other).not.toBe(first);
    expect(await clouds.open({ cloud: "one" })).toBe(first);
    expect(logins()).toBe(2);
  });

  it("are another for another project", async () => {
    const users = await seed("one", "two");
    cloud.seed.grant("two", users.get("one") ?? "", "member");
    const own = await clouds.open({ cloud: "one" });
    const other = await clouds.open({ cloud: "one", project: "two" });
    expect([own.projectName, other.projectName]).toEqual(["one", "two"]);
    expect(await clouds.open({ cloud: "one", project: "two" })).toBe(other);
  });

  it("that could not be opened are tried again the next time", async () => {
    await expect(clouds.open({ cloud: "one" })).rejects.toMatchObject({ code: "CLOUD_UNKNOWN", facts: { name: "one" } });
    await seed("one");
    const opened = await clouds.open({ cloud: "one" });
    expect(await clouds.open({ cloud: "one" })).toBe(opened);
  });

  it("are closed also when one of them never opened", async () => {
    await seed("one");
    await clouds.open({ cloud: "one" });
    await expect(clouds.open({ cloud: "absent" })).rejects.toMatchObject({ code: "CLOUD_UNKNOWN" });
    await expect(clouds.close()).resolves.toBeUndefined();
  });
});
