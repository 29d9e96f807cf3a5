/** How Designate 20 checks the bodies of zones and record sets (designate/objects), and its error bodies. */

import { isIPv4, isIPv6 } from "node:net";
import { json, Refusal, type Reply } from "../http.ts";
import { uuid } from "../ids.ts";
import type { Fields } from "./zones.ts";

const requestId = () => `req-${uuid()}`;

export function fault(code: number, type: string, message?: string): Reply {
  return json(code, { code, type, ...(message === undefined ? {} : { message }), request_id: requestId() });
}

export function refuse(code: number, type: string, message?: string): never {
  throw new Refusal(fault(code, type, message));
}

function complain(path: readonly (string | number)[], message: string, validator: string, validator_value: unknown): never {
  const errors = { errors: [{ path, message, validator, validator_value }] };
  throw new Refusal(json(400, { code: 400, type: "invalid_object", errors, request_id: requestId() }));
}

function notValid(why: string): never {
  refuse(400, "invalid_object", `Provided object is not valid. Got a ValueError error with message ${why}`);
}

function checkKeys(body: Fields, known: readonly string[], resource: string): void {
  const odd = Object.keys(body).filter((key) => !known.includes(key));
  if (odd.length === 0) return;
  const shown = odd.map((key) => `'${key}'`).join(", ");
  refuse(400, "invalid_object", `Provided object does not match schema. Keys [${shown}] are not valid for ${resource}`);
}

function checkCommon(body: Fields): void {
  const { ttl, description } = body;
  if (typeof ttl === "number" && ttl < 0) notValid("Value must be >= 0 for field ttl");
  if (ttl !== undefined && ttl !== null && !Number.isInteger(ttl)) notValid(`'${ttl}' is not an integer`);
  if (typeof description === "string" && description.length > 160) notValid("Value too long for description");
}

const ZONE_CREATE = ["pool_id", "project_id", "name", "email", "description", "ttl", "attributes", "type", "masters"];

export function checkZone(body: Fields): Fields {
  checkKeys(body, ZONE_CREATE, "zone");
  const { name, email, type = "PRIMARY" } = body;
  const masters = (body.masters ?? []) as unknown[];
  if (name !== undefined && !String(name).endsWith(".")) notValid(`Domain ${name} does not end with a dot`);
  if (email !== undefined && email !== null && !/^[^@\s]+@[^@\s]+\.[^@\s]+$/.test(String(email)))
    notValid(`${email} is not an email`);
  if (type !== "PRIMARY" && type !== "SECONDARY") notValid(`Field value ${type} is invalid`);
  checkCommon(body);
  if (type === "PRIMARY") {
    if (masters.length > 0) complain(["type", "masters"], "'masters' has more items than allowed", "maxItems", ["masters"]);
    if (email === undefined || email === null) complain(["type", "email"], "'email' is a required property", "required", "email");
  } else {
    if (masters.length === 0) complain(["type", "masters"], "'masters' is a required property", "required", ["masters"]);
    for (const key of ["email", "ttl"])
      if (key in body) complain(["type"], `'${key}' can't be specified when type is SECONDARY`, "not_allowed", key);
  }
  if (name === undefined) complain(["records", 0, "name"], "'name' is a required property", "required", ["name"]);
  if (String(name).replace(/\.$/, "").split(".").length < 2) refuse(400, "invalid_zone_name", "More than one label is required");
  return { ...body, type };
}

export function checkZoneChange(body: Fields): void {
  checkKeys(body, ["email", "description", "ttl", "masters"], "zone");
  checkCommon(body);
}

const HOST = /^(\*\.|[A-Za-z0-9_-]{1,63}\.)+$|^\.$/;
const FORMS: Readonly<Record<string, (data: string) => boolean>> = {
  A: isIPv4,
  AAAA: isIPv6,
  CNAME: (data) => HOST.test(data),
  NS: (data) => HOST.test(data),
  PTR: (data) => HOST.test(data),
  MX: (data) => /^\d+ \S+\.$/.test(data),
  SRV: (data) => /^\d+ \d+ \d+ \S+\.$/.test(data),
  SOA: (data) => data.split(" ").length === 7,
  TXT: (data) => data !== "",
  SPF: (data) => data !== "",
  CAA: (data) => /^\d+ (issue|issuewild|iodef) \S+/.test(data),
  SSHFP: (data) => /^[1-4] [1-3] [0-9A-Fa-f]+$/.test(data),
  NAPTR: (data) => data.split(" ").length === 6,
  CERT: (data) => data.split(" ").length === 4,
};

export function checkRecordSet(body: Fields): { name: string; type: string; records: string[] } {
  checkKeys(body, ["name", "type", "records", "description", "ttl", "zone_name"], "recordset");
  const { name, type } = body;
  if (name !== undefined && !String(name).endsWith(".")) notValid(`Host name ${name} does not end with a dot`);
  checkCommon(body);
  const records = checkRecords(String(type), body.records);
  if (type === "SRV" && !/^_[\w-]+\._[\w-]+(\.|$)/.test(String(name))) refuse(400, "invalid_object", "name is invalid");
  return { name: String(name), type: String(type), records };
}

export function checkRecordSetChange(type: string, body: Fields): string[] | undefined {
  checkKeys(body, ["records", "description", "ttl"], "recordset");
  checkCommon(body);
  return body.records === undefined ? undefined : checkRecords(type, body.records);
}

function checkRecords(type: string, said: unknown): string[] {
  const form = FORMS[type];
  if (form === undefined) complain(["recordset", "type"], `'${type}' is not a valid record type`, "value", [type]);
  if (said !== undefined && !Array.isArray(said))
    complain(["records"], `'${said}' is not a valid list of records`, "type", ["list"]);
  const records = [...new Set(((said ?? []) as unknown[]).map(String))];
  for (const [at, data] of records.entries())
    if (!form(data)) complain(["records", at], `'${data}' is not a '${type}' Record`, "format", [type]);
  return records;
}
