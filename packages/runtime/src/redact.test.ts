import { CodedError } from "@permafrost/std";
import { expect, it } from "vitest";
import { redact, redactMembers } from "./redact.ts";

it("replaces members that speak of a secret, at any depth and in any case", () => {
  const facts = {
    a: { b: [{ "X-Auth-Token": "s1", adminPass: "s2", note: "kept" }] },
    Authorization: "s3",
    private_key: ["s4"],
    apiKey: { x: "s5" },
    psk: "s6",
    payload: "s7",
  };
  const shown = JSON.stringify(redact(facts));
  expect(shown).not.toMatch(/s[1-7]/);
  expect(shown).toContain("kept");
});

it("keeps what only names a secret or counts it", () => {
  const facts = { tokenFile: "/t", secretBytes: 3, hasToken: true, token: undefined, credentialId: "c" };
  expect(redactMembers(facts)).toEqual(facts);
});

it("hides the value after a header's name in a flat list", () => {
  expect(redact(["accept", "json", "x-auth-token", "s1"])).toEqual(["accept", "json", "x-auth-token", "[redacted]"]);
});

it("shows only plain data: bytes by length, foreign objects by kind", () => {
  const aborter = new AbortController();
  expect(redact({ bytes: new Uint8Array(5), map: new Map(), run: () => 1, big: 5n, aborter })).toEqual({
    bytes: "[5 bytes]",
    map: "[Map]",
    run: "[function]",
    big: "5",
    aborter: "[AbortController]",
  });
});

it("bounds depth, members and text, also of a cycle", () => {
  const cycle: Record<string, unknown> = {};
  cycle.self = cycle;
  expect(JSON.stringify(redact(cycle))).toContain("[deeper]");
  expect(redact(Array.from({ length: 500 }, () => 0))).toHaveLength(100);
  expect((redact("x".repeat(10_000)) as string).length).toBe(4_097);
});

it("shows of an error its code, message, facts, hint and cause, and its stack only when asked", () => {
  const request = Object.assign(new Error("inner"), { code: "ECONNRESET", headers: { "x-auth-token": "s1" } });
  const error = new CodedError("A_CODE", "outer", { facts: { node: "n", token: "s2" }, hint: "do this", cause: request });
  expect(redact(error)).toEqual({
    name: "CodedError",
    code: "A_CODE",
    message: "outer",
    facts: { node: "n", token: "[redacted]" },
    hint: "do this",
    cause: { name: "Error", code: "ECONNRESET", message: "inner" },
  });
  expect(redact(error, { withStack: true })).toHaveProperty("cause.stack");
});
