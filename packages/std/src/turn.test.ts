import { expect, it } from "vitest";
import { nextTurn } from "./turn.ts";

it("lets what is ready run first", async () => {
  const order: string[] = [];
  setImmediate(() => order.push("ready"));
  await nextTurn();
  order.push("after");
  expect(order).toEqual(["ready", "after"]);
});
