/** How Neutron says no: a `NeutronError` with the name of its exception, its message and an empty detail. */

import { json, Refusal, type Reply } from "../http.ts";

export function neutronError(status: number, type: string, message: string): Reply {
  return json(status, { NeutronError: { type, message, detail: "" } });
}

export function refuse(status: number, type: string, message: string): never {
  throw new Refusal(neutronError(status, type, message));
}

/** webob's `HTTPBadRequest`: what the API layer says before a plugin is asked. */
export function badRequest(message: string): never {
  refuse(400, "HTTPBadRequest", message);
}

/** `InvalidInput`: what a plugin says. */
export function invalidInput(message: string): never {
  refuse(400, "InvalidInput", `Invalid input for operation: ${message}.`);
}

/** `exc.BadRequest(resource=…, msg=…)`. */
export function badResource(resource: string, message: string): never {
  refuse(400, "BadRequest", `Bad ${resource} request: ${message}.`);
}

/** What somebody sees who may not know whether the thing is there. */
export function hidden(): never {
  refuse(404, "HTTPNotFound", "The resource could not be found.");
}

export function noSuchUrl(): Reply {
  return json(404, {
    message: "The resource could not be found.<br /><br />\n\n\n",
    code: "404 Not Found",
    title: "Not Found",
  });
}

export function notAllowed(method: string): Reply {
  return json(405, {
    message: `The method ${method} is not allowed for this resource. <br /><br />\n\n\n`,
    code: "405 Method Not Allowed",
    title: "Method Not Allowed",
  });
}
