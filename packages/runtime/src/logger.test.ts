import { Writable } from "node:stream";
import { CodedError } from "@permafrost/std";
import { expect, it } from "vitest";
import { createLogger, type LogLevel } from "./logger.ts";

function capture(level: LogLevel = "info", isPretty = false) {
  let written = "";
  const output = new Writable({
    write(chunk, _encoding, done) {
      written += String(chunk);
      done();
    },
  });
  const logger = createLogger({ name: "worker-1", level, output, isPretty });
  return { logger, text: () => written };
}

it("writes one JSON object per line with time, level, name, facts and message", () => {
  const { logger, text } = capture();
  logger.info({ session: "s", count: 3 }, "began");
  logger.debug("not shown");
  const [line, ...rest] = text().trim().split("\n");
  expect(rest).toEqual([]);
  expect(JSON.parse(line ?? "")).toMatchObject({ level: "info", name: "worker-1", session: "s", count: 3, msg: "began" });
  expect((JSON.parse(line ?? "") as { time: string }).time).toMatch(/^\d{4}-\d\d-\d\dT.*Z$/);
});

it.each(["token", "password", "secret", "authorization", "x-auth-token"])("never writes a %s, wherever it is", (name) => {
  const { logger, text } = capture("trace");
  logger.info({ [name]: "s1", a: { [name]: "s2", b: { [name]: "s3", c: { [name]: "s4", d: [{ [name]: "s5" }] } } } }, "facts");
  logger.child({ [name]: "s6", a: { b: { c: { [name]: "s7" } } } }).warn("child");
  logger.error({ err: Object.assign(new Error("failed"), { [name]: "s8" }) }, "error");
  logger.error(new CodedError("CODE", "failed", { facts: { [name]: "s9" } }));
  const written = text();
  expect(written).not.toMatch(/s[1-9]"/);
  expect(written.split("[redacted]").length).toBe(9);
});

it("shows stacks only at debug", () => {
  const info = capture("info");
  info.logger.error({ err: new Error("failed") }, "x");
  expect(info.text()).not.toContain("logger.test.ts");
  const debug = capture("debug");
  debug.logger.error({ err: new Error("failed") }, "x");
  expect(debug.text()).toContain("logger.test.ts");
});

it("writes readable lines for a terminal", () => {
  const { logger, text } = capture("info", true);
  logger.info({ session: "s" }, "began");
  const written = text();
  expect(written).toContain("began");
  expect(() => JSON.parse(written) as unknown).toThrow();
});
