import { globSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CodedError, type Retry } from "@permafrost/std";
import { Status } from "nice-grpc-common";
import { describe, expect, it } from "vitest";
import { codeOfStatus, STATUS_BY_CODE, statusOf } from "./error-table.ts";
import { decodeError, encodeError, publicError } from "./error-wire.ts";

const STATUSES = Object.values(Status).filter((value): value is Status => typeof value === "number" && value > 0);

describe("the error table", () => {
  it("gives every code a status that is a failure", () => {
    for (const [code, status] of Object.entries(STATUS_BY_CODE)) {
      expect(code).toMatch(/^[A-Z][A-Z_]+$/);
      expect(STATUSES).toContain(status);
    }
  });

  it("has only codes that are raised somewhere", () => {
    const root = join(import.meta.dirname, "../../..");
    const sources = ["packages", "services"].flatMap((folder) =>
      globSync(`${folder}/*/src/**/*.ts`, { cwd: root })
        .filter((path) => !path.includes(".test.") && !path.endsWith("error-table.ts"))
        .map((path) => readFileSync(join(root, path), "utf8")),
    );
    for (const code of Object.keys(STATUS_BY_CODE))
      expect(
        sources.some((text) => text.includes(`"${code}"`)),
        code,
      ).toBe(true);
  });

  it("takes codes it does not know by whether they may be repeated", () => {
    expect(statusOf({ code: "NEW_CODE", retry: "never" })).toBe(Status.FAILED_PRECONDITION);
    expect(statusOf({ code: "NEW_CODE", retry: "later" })).toBe(Status.UNAVAILABLE);
    expect(statusOf({ code: "NEW_CODE", retry: "elsewhere" })).toBe(Status.UNAVAILABLE);
  });

  it("gives every bare status a code", () => {
    for (const status of STATUSES) expect(codeOfStatus(status).code).toMatch(/^[A-Z][A-Z_]+$/);
    expect(codeOfStatus(Status.UNAVAILABLE)).toEqual({ code: "NODE_UNREACHABLE", retry: "later" });
    expect(codeOfStatus(Status.DEADLINE_EXCEEDED)).toEqual({ code: "DEADLINE", retry: "later" });
    expect(codeOfStatus(Status.CANCELLED)).toEqual({ code: "CANCELLED", retry: "never" });
    expect(codeOfStatus(Status.PERMISSION_DENIED).code).toBe("UNAUTHENTICATED");
    expect(codeOfStatus(Status.UNIMPLEMENTED).code).toBe("METHOD_UNKNOWN");
    expect(codeOfStatus(Status.RESOURCE_EXHAUSTED).code).toBe("MESSAGE_TOO_LARGE");
  });
});

describe("an error on the wire", () => {
  it("arrives as it was sent, for every code of the table and every retry", () => {
    for (const code of [...Object.keys(STATUS_BY_CODE), "NEW_CODE"]) {
      for (const retry of ["never", "later", "elsewhere"] satisfies Retry[]) {
        const sent = new CodedError(code, "what happened", {
          facts: { a: "x", b: 2, c: true, d: undefined },
          hint: "do this",
          retry,
        });
        const got = decodeError(statusOf(sent), sent.message, encodeError(sent), "peer");
        expect(got).toMatchObject({ code, message: "what happened", hint: "do this", retry, facts: { a: "x", b: 2, c: true } });
      }
    }
  });

  it("carries no stack and no cause", () => {
    const text = Buffer.from(encodeError(new CodedError("FENCED", "m", { cause: new Error("secret cause") }))).toString();
    expect(text).not.toContain("secret cause");
    expect(text).not.toContain("error-wire.test");
  });

  it("is bounded", () => {
    const facts = Object.fromEntries(Array.from({ length: 1000 }, (_, i) => [`fact ${i} ${"n".repeat(500)}`, "v".repeat(5000)]));
    const bytes = encodeError(new CodedError("FENCED", "m".repeat(1e6), { facts, hint: "h".repeat(1e6) }));
    expect(bytes.length).toBeLessThan(7000);
    expect(decodeError(Status.ABORTED, "", bytes, "peer").code).toBe("FENCED");
  });

  it("hides what is not ours, and our own mistakes", () => {
    for (const error of [
      new Error("/etc/secret"),
      "text",
      new CodedError("ASSERTION", "x must be y"),
      CodedError.from(new Error("boom")),
    ]) {
      const said = publicError(error);
      expect(said.code).toBe("INTERNAL");
      expect(said.message).not.toMatch(/secret|text|must be|boom/);
      expect(said.cause).toBeUndefined();
    }
  });

  it("falls back to the bare status when the trailer is not one of ours", () => {
    for (const trailer of [undefined, Buffer.from("not json"), Buffer.from("7"), Buffer.from('{"code":1}')]) {
      const error = decodeError(Status.UNAVAILABLE, "connect ECONNREFUSED", trailer, "10.0.0.1:7700");
      expect(error).toMatchObject({ code: "NODE_UNREACHABLE", retry: "later", facts: { peer: "10.0.0.1:7700" } });
      expect(error.message).toContain("10.0.0.1:7700");
      expect(error.hint).toBeDefined();
    }
    const forged = Buffer.from(
      JSON.stringify({ code: "FENCED", message: "m", retry: "never", facts: { a: { deep: 1 }, b: 1 }, hint: 3 }),
    );
    expect(decodeError(Status.ABORTED, "", forged, "p")).toMatchObject({ code: "FENCED", facts: { b: 1 }, hint: undefined });
  });
});
