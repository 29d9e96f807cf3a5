/** Error pages as WebOb writes them: Glance's errors, and Cinder's and Glance's 404 for a route nobody has. */

import { Refusal, type Reply } from "./http.ts";

const TITLES: Readonly<Record<number, string>> = {
  400: "Bad Request",
  401: "Unauthorized",
  403: "Forbidden",
  404: "Not Found",
  405: "Method Not Allowed",
  409: "Conflict",
  413: "Request Entity Too Large",
  415: "Unsupported Media Type",
  416: "Request Range Not Satisfiable",
};

/** `explanation` is the first paragraph, `detail` what follows the line break. */
export function page(status: number, explanation: string, detail = "", headers: Record<string, string> = {}): Reply {
  const title = `${status} ${TITLES[status] ?? "Error"}`;
  const body = `<html>\n <head>\n  <title>${title}</title>\n </head>\n <body>\n  <h1>${title}</h1>\n  ${escapeHtml(explanation)}<br /><br />\n${escapeHtml(detail)}\n\n </body>\n</html>`;
  return { status, headers: { "content-type": "text/html; charset=UTF-8", ...headers }, body };
}

export function refuse(status: number, explanation: string, detail = "", headers: Record<string, string> = {}): never {
  throw new Refusal(page(status, explanation, detail, headers));
}

function escapeHtml(text: string): string {
  return text
    .replaceAll("&", "&amp;")
    .replaceAll("<", "&lt;")
    .replaceAll(">", "&gt;")
    .replaceAll("'", "&#x27;")
    .replaceAll('"', "&quot;");
}
