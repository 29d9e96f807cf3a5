import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CodedError } from "@permafrost/std";
import { afterEach, describe, expect, it } from "vitest";
import { formatFatal, type ProcessHost, runService } from "./run-service.ts";

function fakeHost() {
  const listeners = new Map<string, (cause: unknown) => void>();
  const exits: number[] = [];
  const written: string[] = [];
  const host: ProcessHost = {
    on: (event, listener) => listeners.set(event, listener),
    exit: (code) => exits.push(code),
    write: (text) => written.push(text),
  };
  return { host, exits, written, raise: (event: string, cause?: unknown) => listeners.get(event)?.(cause) };
}

describe("runService", () => {
  it("stops in reverse and exits with 0 at the first signal", async () => {
    const { host, exits, raise } = fakeHost();
    const stopped: string[] = [];
    await runService(
      async (lifecycle) => {
        await lifecycle.onStop("a", () => stopped.push("a"));
        await lifecycle.onStop("b", () => stopped.push("b"));
        setTimeout(() => raise("SIGTERM"), 5);
      },
      { name: "x", host },
    );
    expect(stopped).toEqual(["b", "a"]);
    expect(exits).toEqual([0]);
  });

  it("exits at once at the second signal", async () => {
    const { host, exits, raise } = fakeHost();
    const release = Promise.withResolvers<void>();
    const running = runService(
      async (lifecycle) => {
        await lifecycle.onStop("slow", () => release.promise);
      },
      { name: "x", host },
    );
    raise("SIGINT");
    raise("SIGINT");
    expect(exits).toEqual([130]);
    release.resolve();
    await running;
  });

  it("stops what had started when the start fails, and says code, message and hint", async () => {
    const { host, exits, written } = fakeHost();
    let isStopped = false;
    await runService(
      async (lifecycle) => {
        await lifecycle.onStop("a", () => {
          isStopped = true;
        });
        throw new CodedError("PORT_IN_USE", "7401 is taken", { hint: "Choose another." });
      },
      { name: "worker", host },
    );
    expect(isStopped).toBe(true);
    expect([exits, written]).toEqual([[1], ["worker: PORT_IN_USE: 7401 is taken\nChoose another.\n"]]);
  });

  it.each(["uncaughtException", "unhandledRejection"])("takes an %s for fatal", async (event) => {
    const { host, exits, written, raise } = fakeHost();
    const running = runService(async () => undefined, { name: "x", host });
    raise(event, new Error("oops"));
    await running;
    expect([exits, written]).toEqual([[1], ["x: INTERNAL: oops\n"]]);
  });

  it("takes a part's failure for fatal, and reports what does not stop", async () => {
    const { host, exits, written } = fakeHost();
    await runService(
      async (lifecycle) => {
        await lifecycle.onStop("part", () => Promise.reject(new Error("stuck")));
        lifecycle.fail(new CodedError("LOST", "gone"));
      },
      { name: "x", host },
    );
    expect(exits).toEqual([1]);
    expect(written).toEqual(["x: LOST: gone\n", "x: STOP_FAILED: part: Error: stuck\n"]);
  });

  it("does not call a start that was interrupted a failure", async () => {
    const { host, exits, written, raise } = fakeHost();
    const running = runService(
      async (lifecycle) => {
        await new Promise<void>((resolve) => lifecycle.signal.addEventListener("abort", () => resolve()));
        lifecycle.signal.throwIfAborted();
      },
      { name: "x", host },
    );
    raise("SIGTERM");
    await running;
    expect([exits, written]).toEqual([[0], []]);
  });
});

describe("formatFatal", () => {
  it("shows a stack only when asked: the cause's, where the fault is", () => {
    const cause = new Error("inner");
    const error = new CodedError("CODE", "outer", { cause });
    expect(formatFatal(error, false)).toBe("CODE: outer\n");
    expect(formatFatal(error, true)).toContain("Error: inner");
    expect(formatFatal("text", false)).toBe("INTERNAL: text\n");
  });
});

describe("a real process", () => {
  const directories: string[] = [];
  afterEach(() => {
    for (const directory of directories.splice(0)) rmSync(directory, { recursive: true });
  });

  async function run(body: string, signal?: NodeJS.Signals) {
    const directory = mkdtempSync(join(tmpdir(), "permafrost-service-"));
    directories.push(directory);
    const file = join(directory, "service.mjs");
    const source = new URL("./run-service.ts", import.meta.url).href;
    writeFileSync(file, `import { runService } from ${JSON.stringify(source)};\n${body}`);
    const child = spawn(process.execPath, [file], { stdio: ["ignore", "pipe", "pipe"] });
    let output = "";
    child.stdout.on("data", (data: Buffer) => {
      output += data;
      if (signal !== undefined && output.includes("started")) child.kill(signal);
    });
    child.stderr.on("data", (data: Buffer) => {
      output += data;
    });
    const code = await new Promise<number | null>((resolve) => child.on("close", resolve));
    return { code, output };
  }

  const SERVICE = `await runService(async (lifecycle) => {
    const timer = setInterval(() => {}, 1000);
    await lifecycle.onStop("timer", () => { console.log("stopped"); });
    console.log("started");
  }, { name: "test" });`;

  it.each(["SIGTERM", "SIGINT"] as const)("ends well at %s though something keeps it alive", async (signal) => {
    const { code, output } = await run(SERVICE, signal);
    expect([code, output]).toEqual([0, "started\nstopped\n"]);
  });

  it("ends with 1 and without a stack when it cannot start", async () => {
    const { code, output } = await run(`await runService(async () => { throw new Error("no"); }, { name: "test" });`);
    expect([code, output]).toEqual([1, "test: INTERNAL: no\n"]);
  });
});
