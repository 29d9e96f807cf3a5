/** The cloud that OS_* variables describe, in the shape of a clouds.yaml entry. Pure. */

import type { RawCloud, RawValue } from "./build-config.ts";
import type { Environment } from "./load-cloud.ts";

/** Variables of the `auth` section; OS_TENANT_* are the names of Keystone v2 days, which Freezer's blueprint uses, too. */
const AUTH_VARIABLES: readonly (readonly [string, string])[] = [
  ["OS_AUTH_URL", "auth_url"],
  ["OS_USERNAME", "username"],
  ["OS_USER_ID", "user_id"],
  ["OS_PASSWORD", "password"],
  ["OS_TOKEN", "token"],
  ["OS_USER_DOMAIN_NAME", "user_domain_name"],
  ["OS_USER_DOMAIN_ID", "user_domain_id"],
  ["OS_TENANT_NAME", "project_name"],
  ["OS_TENANT_ID", "project_id"],
  ["OS_PROJECT_NAME", "project_name"],
  ["OS_PROJECT_ID", "project_id"],
  ["OS_PROJECT_DOMAIN_NAME", "project_domain_name"],
  ["OS_PROJECT_DOMAIN_ID", "project_domain_id"],
  ["OS_DEFAULT_DOMAIN", "default_domain"],
  ["OS_DOMAIN_NAME", "domain_name"],
  ["OS_DOMAIN_ID", "domain_id"],
  ["OS_SYSTEM_SCOPE", "system_scope"],
  ["OS_APPLICATION_CREDENTIAL_ID", "application_credential_id"],
  ["OS_APPLICATION_CREDENTIAL_NAME", "application_credential_name"],
  ["OS_APPLICATION_CREDENTIAL_SECRET", "application_credential_secret"],
];

const CLOUD_VARIABLES: readonly (readonly [string, string])[] = [
  ["OS_AUTH_TYPE", "auth_type"],
  ["OS_REGION_NAME", "region_name"],
  ["OS_ENDPOINT_TYPE", "interface"],
  ["OS_INTERFACE", "interface"],
  ["OS_CACERT", "cacert"],
  ["OS_CERT", "cert"],
  ["OS_KEY", "key"],
];

/** Undefined unless OS_AUTH_URL is set. A later variable wins over an earlier one of the same meaning. */
export function cloudFromEnvironment(env: Environment): RawCloud | undefined {
  if (env.OS_AUTH_URL === undefined || env.OS_AUTH_URL === "") return undefined;
  const pick = (variables: readonly (readonly [string, string])[]) => {
    const section: Record<string, RawValue> = {};
    for (const [variable, key] of variables) {
      const value = env[variable];
      if (value !== undefined && value !== "") section[key] = value;
    }
    return section;
  };
  const cloud = pick(CLOUD_VARIABLES);
  if (env.OS_INSECURE !== undefined && /^(1|true|yes|on)$/i.test(env.OS_INSECURE)) cloud.verify = false;
  return { ...cloud, auth: pick(AUTH_VARIABLES) };
}
