/**
 * Making a declared object, once: intent in the ledger, request with our mark, journal, then the mark gives way to what was captured.
 * Interleavings it must survive: death or silence between any two of these, and a zombie of the same task.
 */

import type { ApiObject, Cloud } from "@permafrost/openstack";
import { CodedError, type Json, type JsonObject, retry } from "@permafrost/std";
import { ifThere } from "../if-there.ts";
import type { TemporaryKind } from "../ledger.ts";
import type { Context, RestoreInput, TemporaryContext } from "../resource-type.ts";
import { isLike } from "./comparable.ts";
import type { Declaration, DeclaredDocument } from "./declaration.ts";
import { isOwned, keyOf, listQuery } from "./plan-declared.ts";
import { requestBody } from "./request-body.ts";

type ContentDetail = { readonly like: JsonObject; readonly before: readonly string[] };

const BUSY_ATTEMPTS_MAX = 30;
const BUSY_DELAY_MS = 1_000;
const GONE_POLLS_MAX = 600;
const GONE_DELAY_MS = 500;

/** The object's id in the target, in the journal and without our mark. `dropped`: paths of references that found no target. */
export async function makeDeclared(
  declaration: Declaration,
  context: Context,
  input: RestoreInput<DeclaredDocument>,
): Promise<{ readonly id: string; readonly dropped: readonly string[] }> {
  const { cloud, journal, ledger } = context;
  const { type, mark, hooks } = declaration;
  const collection = cloud.collection(declaration.collection);
  const sourceId = input.resource.id;
  const plain = await requestBody(declaration, cloud, input, declaration.create);
  const body = (await hooks?.body?.(context, input, plain.body)) ?? plain.body;
  const noted = await journal.find(type, sourceId);
  const known = noted === undefined ? undefined : await ifThere(collection.get(noted));
  const id =
    known !== undefined && noted !== undefined
      ? noted
      : await ledger.obtain(
          type,
          sourceId,
          async (name) => {
            const marked = mark === "content" ? body : { ...body, [mark]: name };
            const object = await (hooks?.create?.(collection, marked, context) ?? collection.create(marked));
            return String(object[keyOf(declaration)]);
          },
          mark === "content" ? await contentDetail(declaration, context, sourceId, body) : undefined,
        );
  await hooks?.settled?.(context, id);
  await journal.note(type, sourceId, id);
  if (mark === "content") {
    const detail = (await ledger.detailOf(type, sourceId)) as ContentDetail | undefined;
    if (detail !== undefined && !detail.before.includes(id))
      await ledger.amend(type, sourceId, { ...detail, before: [...detail.before, id] });
  } else {
    const object = known ?? (await collection.get(id));
    // What had none gets an empty one, unless the declaration says that null may be sent.
    const real = body[mark] === undefined ? "" : body[mark];
    if (object[mark] !== real) {
      await collection.update(id, { [mark]: real });
      await hooks?.settled?.(context, id);
    }
  }
  return { id, dropped: plain.dropped };
}

/** What tells ours from equal ones that were there before. An earlier attempt's intent wins: it looked before it asked. */
async function contentDetail(declaration: Declaration, context: Context, subject: string, like: JsonObject): Promise<Json> {
  const known = await context.ledger.detailOf(declaration.type, subject);
  if (known !== undefined) return known;
  const plain = withoutSecrets(declaration, like);
  const before = (await alike(declaration, context.cloud, plain)).map((o) => String(o[keyOf(declaration)]));
  return { like: plain, before };
}

function withoutSecrets({ secrets }: Declaration, body: JsonObject): JsonObject {
  return Object.fromEntries(Object.entries(body).filter(([name]) => secrets?.includes(name) !== true));
}

async function alike(declaration: Declaration, cloud: Cloud, like: JsonObject): Promise<ApiObject[]> {
  const found: ApiObject[] = [];
  for await (const object of cloud.collection(declaration.collection).list(listQuery(declaration, cloud))) {
    if (!isOwned(declaration, object, cloud)) continue;
    const same = (await declaration.hooks?.alike?.({ cloud }, object, like)) ?? isLike(declaration, object, like);
    if (same) found.push(object);
  }
  return found;
}

/** How the ledger finds and removes what is half made. */
export function declaredTemporary(declaration: Declaration, { cloud, clock, signal }: TemporaryContext): TemporaryKind {
  const collection = cloud.collection(declaration.collection);
  return {
    kind: declaration.type,
    order: 0,
    find: async (name, detail) => {
      const objects: ApiObject[] = [];
      if (declaration.mark === "content") {
        const { like, before } = detail as ContentDetail;
        const found = await alike(declaration, cloud, like);
        objects.push(...found.filter((o) => !before.includes(String(o[keyOf(declaration)]))));
      } else {
        const query = { ...listQuery(declaration, cloud), [declaration.mark]: name };
        for await (const object of collection.list(query)) if (object[declaration.mark] === name) objects.push(object);
      }
      return objects.map((o) => ({ id: String(o[keyOf(declaration)]), usable: !/ERROR|DELET/i.test(statusOf(o)) }));
    },
    remove: (id) => removeDeclared(declaration, { cloud, clock, signal }, id),
  };
}

/** Removes an object and waits until it is gone. What still uses it may be going at this moment, so a refusal is tried again for a while. */
export async function removeDeclared(
  declaration: Declaration,
  { cloud, clock, signal }: TemporaryContext,
  id: string,
): Promise<void> {
  const collection = cloud.collection(declaration.collection);
  await retry(
    async () => {
      const object = await ifThere(collection.get(id));
      if (object === undefined) return;
      await declaration.hooks?.beforeRemove?.({ cloud }, object);
      await collection.delete(id);
    },
    {
      attemptsMax: BUSY_ATTEMPTS_MAX,
      delayMs: BUSY_DELAY_MS,
      delayMsMax: 2 * BUSY_DELAY_MS,
      shouldRetry: (e) => CodedError.is(e, "CONFLICT") || (CodedError.is(e) && e.retry === "later"),
      clock,
      signal,
    },
  );
  for (let poll = 1; (await ifThere(collection.get(id))) !== undefined; poll++) {
    if (poll >= GONE_POLLS_MAX)
      throw new CodedError("RESOURCE_STATE", `${declaration.noun} ${id} does not go`, {
        facts: { id, type: declaration.type },
        hint: "Look at its state in the cloud; a stuck one needs its administrator.",
      });
    await clock.sleep(GONE_DELAY_MS, signal);
  }
}

/** `status`, or Octavia's `provisioning_status`. */
function statusOf(object: ApiObject): string {
  const status = object.provisioning_status ?? object.status;
  return typeof status === "string" ? status : "";
}
