/** A certificate authority and what it signs, made with the openssl command for one test run; valid for a day. */

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { TlsFiles } from "../src/credentials.ts";

/** Makes an authority in `folder` and returns what makes certificates under it, for 127.0.0.1 and localhost unless told otherwise. */
export function testAuthority(folder: string, name = "ca"): (subject: string, hosts?: string) => TlsFiles {
  const openssl = (...args: string[]) => execFileSync("openssl", args, { cwd: folder, stdio: "pipe", timeout: 20_000 });
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];
  openssl("req", "-x509", ...key, "-keyout", `${name}.key`, "-out", `${name}.pem`, "-days", "1", "-subj", `/CN=${name}`);
  return (subject, hosts = "IP:127.0.0.1,DNS:localhost") => {
    openssl("req", "-new", ...key, "-keyout", `${subject}.key`, "-out", `${subject}.csr`, "-subj", `/CN=${subject}`);
    writeFileSync(join(folder, `${subject}.ext`), `subjectAltName=${hosts}\n`);
    const signed = ["-CA", `${name}.pem`, "-CAkey", `${name}.key`, "-CAcreateserial", "-days", "1", "-extfile", `${subject}.ext`];
    openssl("x509", "-req", "-in", `${subject}.csr`, ...signed, "-out", `${subject}.pem`);
    return {
      certFile: join(folder, `${subject}.pem`),
      keyFile: join(folder, `${subject}.key`),
      caFile: join(folder, `${name}.pem`),
    };
  };
}
