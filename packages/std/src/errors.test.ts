import { describe, expect, it } from "vitest";
import { assert, CodedError } from "./errors.ts";

describe("CodedError", () => {
  it("carries code, message, facts, hint, retry and cause", () => {
    const cause = new Error("inner");
    const error = new CodedError("A_CODE", "what happened", {
      facts: { node: "n1", count: 2 },
      hint: "do this",
      retry: "later",
      cause,
    });
    expect(error).toBeInstanceOf(Error);
    expect({ ...error, message: error.message, cause: error.cause }).toEqual({
      name: "CodedError",
      code: "A_CODE",
      message: "what happened",
      facts: { node: "n1", count: 2 },
      hint: "do this",
      retry: "later",
      cause,
    });
  });

  it("may not be retried, has no facts, hint or cause unless said", () => {
    const error = new CodedError("A_CODE", "x");
    expect([error.retry, error.facts, error.hint, "cause" in error]).toEqual(["never", {}, undefined, false]);
  });

  it("is recognised with and without a code", () => {
    const error: unknown = new CodedError("A_CODE", "x");
    expect([CodedError.is(error), CodedError.is(error, "A_CODE"), CodedError.is(error, "OTHER")]).toEqual([true, true, false]);
    expect([CodedError.is(new Error("x")), CodedError.is({ code: "A_CODE" }, "A_CODE"), CodedError.is(undefined)]).not.toContain(
      true,
    );
  });

  it("keeps what is one already and wraps everything else once", () => {
    const error = new CodedError("A_CODE", "x");
    expect(CodedError.from(error)).toBe(error);
    const plain = new TypeError("broken");
    expect(CodedError.from(plain)).toMatchObject({ code: "INTERNAL", message: "broken", cause: plain });
    expect(CodedError.from("text")).toMatchObject({ code: "INTERNAL", message: "text", cause: "text" });
  });
});

it("asserts: throws ASSERTION only when false", () => {
  assert(1, "fine");
  for (const value of [false, 0, "", null, undefined]) {
    expect(() => assert(value, "must hold")).toThrow(expect.objectContaining({ code: "ASSERTION", message: "must hold" }));
  }
});
