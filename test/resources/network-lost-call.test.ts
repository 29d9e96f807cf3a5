/**
 * Every changing call of a restore of a small network, lost once: before it reaches Neutron, or with its answer. The task is tried again, as
 * the control plane does; nothing is there twice, nothing is missing, and undo leaves nothing.
 */

import { expect, it } from "vitest";
import { applied, planned, type Run, restorePoint, undone } from "./both-ways.ts";
import { picture, seedSmallTenant } from "./network-tenant.ts";
import { TwoProjects } from "./two-projects.ts";

const TYPES = ["neutron.network", "neutron.subnet", "neutron.security-group", "neutron.router", "neutron.port"];
const ATTEMPTS_MAX = 4;

it.each(["before", "after"] as const)(
  "a call lost %s it took effect leaves no duplicate and no gap",
  async (drop) => {
    const projects = await TwoProjects.start();
    try {
      seedSmallTenant(projects);
      const { fake, sourceId, targetId } = projects;
      const plan = await planned(projects, await restorePoint(projects, TYPES));
      const [wanted, empty] = [picture(projects, sourceId), picture(projects, targetId)];
      const run: Run = async (sessionId, work) => {
        for (let attempt = 1; ; attempt++) {
          try {
            return await projects.run(sessionId, work);
          } catch (error) {
            if (attempt === ATTEMPTS_MAX) throw error;
          }
        }
      };
      let calls = 0;
      for (; ; calls++) {
        const lost = fake.faults.add({
          match: { service: "network", when: (call) => call.method !== "GET" },
          after: calls,
          action: { drop },
        });
        const restored = await applied(projects, plan, {}, projects.session(), run);
        const { hits } = lost;
        lost.remove();
        expect(picture(projects, targetId), `call ${calls}`).toEqual(wanted);
        await undone(projects, restored);
        expect(picture(projects, targetId), `undo after call ${calls}`).toEqual(empty);
        if (hits === 0) break;
      }
      expect(calls).toBeGreaterThan(10);
      for (const kind of ["network", "subnet", "port", "router", "security_group"]) expect(fake.journal.leaked(kind)).toEqual([]);
    } finally {
      await projects.close();
    }
  },
  300_000,
);
