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
const OURS = /^(index\.html|favicon\.svg|app\.(js|css)|(admin|dialogs|theme|chunk[a-z-]*)\.js|[a-z0-9-]+\.woff2?|fonts\.txt|BUILD)$/;

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
    // What is imported when it is wanted becomes a file of its own, and so does what some of these share with each other.
    splitting: true,
    chunkNames: "[name]-[hash]",
    metafile: true,
    jsx: "automatic",
    jsxImportSource: "preact",
    loader: { ".woff2": "file", ".woff": "empty" },
    assetNames: "[name]",
  });
  const theme = await build({ ...shared, entryPoints: { theme: "src/theme.ts" }, format: "iife" });
  const names = namesOf(app.metafile.outputs);
  const renamed = (file) => {
    const name = basename(file.path);
    if (!name.endsWith(".js")) return [name, Buffer.from(file.contents)];
    return [names.get(name) ?? name, Buffer.from(file.text.replace(/[a-z]+-[A-Z0-9]{8}\.js/g, (other) => names.get(other) ?? other))];
  };
  return new Map([...app.outputFiles, ...theme.outputFiles].map(renamed));
}

/** esbuild puts hashes into names. Here what is shared is named after who shares it, which stays the same from build to build. */
function namesOf(outputs) {
  const files = new Map(Object.entries(outputs).map(([path, output]) => [basename(path), output]));
  const reached = (name) => files.get(name).imports.filter(({ kind }) => kind === "import-statement").flatMap(({ path }) => [basename(path), ...reached(basename(path))]);
  const entries = [...files].flatMap(([name, { entryPoint }]) => (entryPoint && name.endsWith(".js") ? [{ name, title: basename(entryPoint).replace(/\.tsx?$/, "") }] : []));
  const lazy = entries.filter(({ name }) => name !== "app.js").map(({ name, title }) => [name, `${title}.js`]);
  const sharers = (chunk) => entries.filter(({ name }) => reached(name).includes(chunk)).map(({ title }) => (title === "main" ? "app" : title));
  const chunks = [...files.keys()].filter((name) => name.startsWith("chunk-"));
  return new Map([...lazy, ...chunks.map((chunk) => [chunk, `chunk-${sharers(chunk).sort().join("-")}.js`])]);
}

/** The page asks at once for all that its script will ask for. */
function pageWith(files) {
  const chunks = new Set([...files.get("app.js").toString().matchAll(/(?:from|import)"\.\/(chunk-[a-z-]+\.js)"/g)].map(([, name]) => name));
  const links = [...chunks].sort().map((name) => `    <link rel="modulepreload" href="/assets/@/${name}">\n`);
  return readFileSync(join(web, "src", "index.html"), "utf8").replace(/ *<!-- chunks -->\n/, links.join(""));
}

const files = await bundle();
files.set("index.html", Buffer.from(pageWith(files)));
files.set("favicon.svg", readFileSync(join(web, "src", "favicon.svg")));
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
