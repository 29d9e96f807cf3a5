import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { memoryBlockStore } from "@permafrost/blocks";
import { Policies, Repositories } from "@permafrost/control";
import { initRepository, saveSecret } from "@permafrost/repository";
import { control } from "@permafrost/rpc";
import { CodedError } from "@permafrost/std";
import { afterEach, beforeEach, expect, it } from "vitest";
import { policyService } from "./policy-service.ts";

const secret = { kind: "passphrase", value: "correct horse" } as const;
let keyring: string;
let service: control.PolicyServiceImplementation;
let nowMs = Date.parse("2026-11-27T12:00:00Z");

beforeEach(async () => {
  keyring = await mkdtemp(join(tmpdir(), "keyring-"));
  const store = memoryBlockStore();
  await initRepository(store, { name: "acme", secret });
  await saveSecret(keyring, "acme", secret);
  const clock = { now: () => nowMs, monotonic: () => nowMs, sleep: async () => undefined };
  service = policyService(new Policies({ repositories: new Repositories(store, keyring), holder: "test", clock }));
});
afterEach(async () => await rm(keyring, { recursive: true }));

const selection = { include: ["cinder.volume"], exclude: ["name=tmp*"] };
const tenant = {
  $case: "tenant" as const,
  value: { cloud: "lab", project: "p", selection, temporaryProject: "ops", maxWindowMs: 90_000n, failBeyondWindow: false },
};
const all = {
  $case: "allProjects" as const,
  value: {
    cloud: "admin",
    domain: "d",
    tags: ["gold"],
    include: ["a*"],
    exclude: ["b"],
    selection,
    atOnce: 5,
    temporaryProject: "ops",
    maxWindowMs: 30_000n,
    failBeyondWindow: true,
  },
};
const policy = (changes: Partial<control.Policy> = {}): control.Policy => ({
  ...{ name: "nightly", backup: tenant, schedule: "0 3 * * *", timeZone: "UTC", keep: undefined, prune: false, pruneGraceMs: 0n },
  ...{ paused: false, repository: "", nextDueAt: undefined, lastDueAt: undefined, lastSessionId: "" },
  ...changes,
});
/** As the other side reads it. */
const received = (sent: control.Policy | undefined) => control.Policy.decode(control.Policy.encode(sent ?? policy()).finish());
const context = {} as never;
const put = async (sent: control.Policy | undefined, repository = "acme") =>
  await service.putPolicy({ repository, policy: sent }, context);

it("gives back every field of what was put", async () => {
  const keep = { last: 1, hourly: 0, daily: 7, weekly: 0, monthly: 0, yearly: 2 };
  for (const sent of [policy(), policy({ name: "all", backup: all, keep, prune: true, pruneGraceMs: 5n })]) {
    const { policy: answered } = await put(sent);
    expect(received(answered as control.Policy)).toEqual({
      ...sent,
      repository: "acme",
      nextDueAt: new Date("2026-11-28T03:00:00Z"),
    });
  }
  const { policies } = await service.listPolicies({ repository: "" }, context);
  expect(policies?.map((one) => one.name)).toEqual(["all", "nightly"]);
});

it("changes the policy of the name, pauses it and deletes it", async () => {
  await put(policy());
  nowMs += 1000;
  await put(policy({ schedule: "0 4 * * *" }));
  const paused = await service.pausePolicy({ repository: "acme", name: "nightly", paused: true }, context);
  expect(received(paused.policy as control.Policy)).toMatchObject({ schedule: "0 4 * * *", paused: true, nextDueAt: undefined });
  await service.deletePolicy({ repository: "acme", name: "nightly" }, context);
  expect((await service.listPolicies({ repository: "acme" }, context)).policies).toEqual([]);
});

it("refuses what is none, and what is not there", async () => {
  const codeOf = async (work: Promise<unknown>) =>
    work.then(
      () => "ok",
      (error: unknown) => CodedError.from(error).code,
    );
  expect(await codeOf(put(undefined))).toBe("REQUEST_INVALID");
  expect(await codeOf(put(policy({ backup: undefined })))).toBe("REQUEST_INVALID");
  expect(await codeOf(put(policy({ schedule: "often" })))).toBe("POLICY_INVALID");
  expect(await codeOf(put(policy(), "nowhere"))).toBe("NO_REPOSITORY");
  for (const name of ["nightly", ""]) {
    expect(await codeOf(service.pausePolicy({ repository: "acme", name, paused: true }, context) as Promise<unknown>)).toBe(
      "POLICY_UNKNOWN",
    );
    expect(await codeOf(service.deletePolicy({ repository: "acme", name }, context) as Promise<unknown>)).toBe("POLICY_UNKNOWN");
  }
});
