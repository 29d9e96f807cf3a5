import { expect, it } from "vitest";
import { defaultDirectories, readEnvironment } from "./environment.ts";

it("gives a copy of the environment that stays as it was", () => {
  process.env.PERMAFROST_ENVIRONMENT_TEST = "before";
  const environment = readEnvironment();
  process.env.PERMAFROST_ENVIRONMENT_TEST = "after";
  expect(environment.PERMAFROST_ENVIRONMENT_TEST).toBe("before");
  delete process.env.PERMAFROST_ENVIRONMENT_TEST;
  expect(Object.isFrozen(environment)).toBe(true);
});

it("follows XDG, with its defaults under the home directory", () => {
  expect(defaultDirectories({ HOME: "/h" })).toEqual({
    config: "/h/.config/permafrost",
    state: "/h/.local/state/permafrost",
    cache: "/h/.cache/permafrost",
  });
  expect(defaultDirectories({ HOME: "/h", XDG_STATE_HOME: "/s", XDG_CONFIG_HOME: "relative" })).toMatchObject({
    config: "/h/.config/permafrost",
    state: "/s/permafrost",
  });
});

it("takes systemd's directories as they are", () => {
  expect(defaultDirectories({ HOME: "/h", STATE_DIRECTORY: "/var/lib/pf:/var/lib/more" }).state).toBe("/var/lib/pf");
});
