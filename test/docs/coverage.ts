/**
 * The table of resource types in `docs/coverage.md`, made of what each type says of itself in its `coverage`.
 *
 *     npm run docs
 *
 * A test keeps the file up to date.
 */

import { writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { resourceTypes } from "@permafrost/protection";

export const COVERAGE_FILE = fileURLToPath(new URL("../../docs/coverage.md", import.meta.url));

const SERVICES: Readonly<Record<string, string>> = {
  keystone: "Keystone",
  nova: "Nova",
  cinder: "Cinder",
  glance: "Glance",
  neutron: "Neutron",
  octavia: "Octavia (load balancers)",
  vpn: "VPNaaS",
  fwaas: "FWaaS v2",
  barbican: "Barbican",
  designate: "Designate",
  swift: "Swift",
};

export function coverageText(): string {
  const services = new Map<string, string[]>();
  for (const { type, coverage, capture } of resourceTypes) {
    const [service = ""] = type.split(".");
    const { captured, restored, roles, reported } = coverage;
    const reasons = Object.entries(reported).map(([what, why]) => `${code(what)}: ${why}`);
    const row = [
      `\`${type}\`${capture === undefined ? "" : " + data"}`,
      captured.map((c) => (c === "*" ? "the whole object" : code(c))).join(", "),
      restored.map(code).join(", "),
      `${roles.capture} / ${roles.restore}`,
      reasons.join("; "),
    ];
    services.set(service, [...(services.get(service) ?? []), `| ${row.map(cell).join(" | ")} |`]);
  }
  const tables = [...services].map(
    ([service, rows]) =>
      `## ${SERVICES[service] ?? service}\n\n| type | captured | restored | role: capture / restore | reported instead of restored |\n|---|---|---|---|---|\n${rows.join("\n")}\n`,
  );
  return `${HEAD}\n${tables.join("\n")}`;
}

const HEAD = `# What is backed up and restored

${resourceTypes.length} resource types, in the order in which a restore makes them. Made from the code by \`npm run docs\`; a test keeps it so.

- **captured**: attributes in the service's own words. "The whole object" is all that the API gives.
- **restored**: what a restore sets. A reference to another resource is replaced by the one that the restore made, or that the target has.
- **role**: the least roles on the project under default policies. Where a role or an API extension is missing the plan says what is left out.
- **reported**: what cannot be restored, or only by somebody else, and why. It is in the plan's and the resource's warnings.
`;

/** Attribute names look like code, sentences do not. */
function code(text: string): string {
  return /^[a-z][\w:.-]*$/.test(text) && /[_:.]|^[a-z]+$/.test(text) && !text.includes(" ") ? `\`${text}\`` : text;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("\n", " ");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) writeFileSync(COVERAGE_FILE, coverageText());
