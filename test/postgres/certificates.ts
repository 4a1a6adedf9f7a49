/** Certificates of the tests' own: an authority, and what it vouches for. */
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A certificate and its key, as files and as texts. */
interface Certificate {
  readonly file: string;
  readonly keyFile: string;
  readonly text: string;
  readonly key: string;
}

/** An authority with a folder of its own. */
export class Authority implements Disposable {
  readonly #folder = mkdtempSync(join(tmpdir(), "perdure-certificates-"));
  readonly root: Certificate;

  constructor(name: string) {
    const root = this.#files("root");
    openssl("req", "-x509", ...NEW_KEY, "-days", "2", "-subj", `/CN=${name}`, "-keyout", root.key, "-out", root.file);
    this.root = read(root);
  }

  /** A certificate for a server (its names as openssl writes them: `DNS:db.internal`) or a client. */
  issue(commonName: string, ...names: string[]): Certificate {
    const files = this.#files(commonName);
    const [request, extensions] = [`${files.file}.csr`, `${files.file}.ext`];
    writeFileSync(extensions, names.length === 0 ? "" : `subjectAltName=${names.join(",")}\n`);
    openssl("req", ...NEW_KEY, "-subj", `/CN=${commonName}`, "-keyout", files.key, "-out", request);
    const signing = ["-CA", this.root.file, "-CAkey", this.root.keyFile, "-CAcreateserial", "-days", "2"];
    openssl("x509", "-req", "-in", request, ...signing, "-extfile", extensions, "-out", files.file);
    return read(files);
  }

  [Symbol.dispose](): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #files(name: string): { file: string; key: string } {
    return { file: join(this.#folder, `${name}.pem`), key: join(this.#folder, `${name}.key`) };
  }
}

const NEW_KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"];

function openssl(...args: string[]): void {
  execFileSync("openssl", args, { stdio: ["ignore", "ignore", "pipe"] });
}

function read({ file, key }: { readonly file: string; readonly key: string }): Certificate {
  return { file, keyFile: key, text: readFileSync(file, "utf8"), key: readFileSync(key, "utf8") };
}
