// Builds the page into commonroom/http/static/, with stable names and the same bytes on every machine.
//
//   node build.mjs           write the files
//   node build.mjs --check   exit 1 if what is committed differs from what would be written
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const web = dirname(fileURLToPath(import.meta.url));
const root = dirname(web);
const out = join(root, "commonroom", "http", "static");

/** What the output depends on. tests/web/test_static.py computes the same digest. */
const SOURCES = ["web/src", "client/src", "web/package-lock.json"];

// This build's own files; client.js beside them belongs to the client's build.
const OURS = /^(index\.html|favicon\.svg|app\.(js|css)|theme\.js|[a-z0-9-]+\.woff2?|fonts\.txt|BUILD)$/;

function filesUnder(path) {
  const full = join(root, path);
  const entries = readdirSync(full, { withFileTypes: true, recursive: true });
  return entries.filter((entry) => entry.isFile()).map((entry) => relative(root, join(entry.parentPath ?? entry.path, entry.name)));
}

function digest() {
  const files = SOURCES.flatMap((source) => (source.endsWith(".json") ? [source] : filesUnder(source)));
  const hash = createHash("sha256");
  for (const file of files.sort((a, b) => (a < b ? -1 : 1))) {
    hash.update(`${file}\0`).update(createHash("sha256").update(readFileSync(join(root, file))).digest("hex")).update("\n");
  }
  return `${hash.digest("hex")}\n`;
}

async function bundle() {
  const shared = { bundle: true, minify: true, write: false, target: "es2022", legalComments: "none", outdir: out, absWorkingDir: web };
  const app = await build({
    ...shared,
    entryPoints: { app: "src/main.tsx" },
    format: "esm",
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".woff2": "file", ".woff": "empty" },
    assetNames: "[name]",
  });
  const theme = await build({ ...shared, entryPoints: { theme: "src/theme.ts" }, format: "iife" });
  return [...app.outputFiles, ...theme.outputFiles].map((file) => [basename(file.path), Buffer.from(file.contents)]);
}

const files = new Map(await bundle());
for (const name of ["index.html", "favicon.svg"]) files.set(name, readFileSync(join(web, "src", name)));
// The fonts' licence wants to travel with them.
const licences = ["@fontsource-variable/figtree", "@fontsource/young-serif"].map((font) => readFileSync(join(web, "node_modules", font, "LICENSE"), "utf8"));
files.set("fonts.txt", Buffer.from(licences.join("\n\n")));
files.set("BUILD", Buffer.from(digest()));

mkdirSync(out, { recursive: true });
const present = readdirSync(out).filter((name) => OURS.test(name));
if (process.argv.includes("--check")) {
  const same = (name) => present.includes(name) && files.get(name).equals(readFileSync(join(out, name)));
  const wrong = [...files.keys()].filter((name) => !same(name)).concat(present.filter((name) => !files.has(name)));
  if (wrong.length > 0) {
    console.error(`commonroom/http/static is stale (${wrong.join(", ")}): run \`npm --prefix web run build\` and commit it`);
    process.exit(1);
  }
} else {
  for (const name of present) rmSync(join(out, name));
  for (const [name, content] of files) writeFileSync(join(out, name), content);
}
