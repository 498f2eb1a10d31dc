/**
 * Builds what the server serves: `commonroom/http/static/client.js` (a module) and
 * `client.iife.js` (for a plain <script>: global `Commonroom`), and `dist/` for npm.
 *
 *     node build.mjs           writes them, and the digest of their sources to CLIENT_BUILD
 *     node build.mjs --check   exit 1 if what is committed differs
 */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { buildSync } from "esbuild";
import { minify } from "terser";

const here = dirname(fileURLToPath(import.meta.url));
const target = join(here, "..", "commonroom", "http", "static");

/** What a page loads, gzipped, codec and all. */
const BUDGET = 8 * 1024;

/**
 * Members that modules of the client call on each other and nobody else: shortened in the
 * built files. None may be a field of the protocol or a name of the public surface.
 */
const INTERNAL = [
  "accepted", "answered", "backoff", "broken", "cancelAnswer", "cancelLife", "closed", "connected", "disconnected", "done", "drop", "emit", "env", "failed", "fallback", "fields",
  "head", "helloRefused", "maxBytes", "next", "notBefore", "oneWay", "plan", "pump", "read", "ready", "received", "rejoin", "renewed", "reset", "rest", "roundTrip", "silent", "tell", "transmit",
  "wantedAt", "write",
];

const SURFACE = ["protocol.gen.ts", "types.ts", "environment.ts", "errors.ts"];

/** esbuild bundles and shortens names of members; terser finds some more to leave out. */
async function build(entry, format) {
  const { outputFiles } = buildSync({
    stdin: { contents: entry, resolveDir: join(here, "src") },
    bundle: true,
    minify: true,
    write: false,
    format,
    target: "es2022",
    legalComments: "none",
    mangleProps: new RegExp(`^(${INTERNAL.join("|")})$`),
  });
  const { code } = await minify(outputFiles[0].text, { module: format === "esm", ecma: 2020, compress: { passes: 3, ecma: 2020 } });
  return Buffer.from(code);
}

/** sha256 over names and contents of src/** and the lock file: a test compares it without Node. */
function digest() {
  const files = readdirSync(join(here, "src"), { recursive: true })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => `src/${name}`);
  const hash = createHash("sha256");
  for (const name of [...files, "package-lock.json", "build.mjs"].sort()) {
    hash.update(`${name}\0`);
    hash.update(readFileSync(join(here, name)));
    hash.update("\0");
  }
  return hash.digest("hex");
}

function clashes() {
  const text = SURFACE.map((name) => readFileSync(join(here, "src", name), "utf8")).join("\n");
  return INTERNAL.filter((name) => new RegExp(`^\\s*(readonly )?"?${name}"?\\??[:(]|[{,] ${name}:`, "m").test(text));
}

const names = readFileSync(join(here, "src", "index.ts"), "utf8")
  .split("\n")
  .filter((line) => line.startsWith("export {"))
  .flatMap((line) => line.slice(line.indexOf("{") + 1, line.indexOf("}")).split(","))
  .map((name) => name.trim());

const files = {
  "client.js": await build('export * from "./index.ts";', "esm"),
  "client.iife.js": await build(`import { ${names} } from "./index.ts"; globalThis.Commonroom = { ${names} };`, "iife"),
  CLIENT_BUILD: Buffer.from(`${digest()}\n`),
};

const problems = clashes().map((name) => `"${name}" is internal and public at once`);
for (const name of ["client.js", "client.iife.js"]) {
  const size = gzipSync(files[name], { level: 9 }).length;
  console.log(`${name}: ${files[name].length} bytes, ${size} gzipped of ${BUDGET}`);
  if (size > BUDGET) problems.push(`${name} is over its budget`);
}

const check = process.argv.includes("--check");
for (const [name, contents] of Object.entries(files)) {
  if (!check) writeFileSync(join(target, name), contents);
  else if (!readFileSync(join(target, name)).equals(contents)) problems.push(`${name} is stale: npm run build`);
}
if (!check) {
  mkdirSync(join(here, "dist"), { recursive: true });
  writeFileSync(join(here, "dist", "client.js"), files["client.js"]);
}

problems.forEach((problem) => console.error(problem));
process.exitCode = problems.length ? 1 : 0;
