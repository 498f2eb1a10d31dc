/** Compiles the tests and runs them with Node's own runner. */

import { spawnSync } from "node:child_process";
import { readdirSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));
const outdir = join(here, "..", "dist", "test");
const names = readdirSync(here).filter((name) => name.endsWith(".test.ts"));

rmSync(outdir, { recursive: true, force: true });
buildSync({ entryPoints: [...names, "pipe.ts"].map((name) => join(here, name)), outdir, bundle: true, platform: "node", format: "esm", target: "node20", outExtension: { ".js": ".mjs" } });
const compiled = names.map((name) => join(outdir, name.replace(/\.ts$/, ".mjs")));
const { status } = process.argv.includes("--build") ? { status: 0 } : spawnSync(process.execPath, ["--test", ...compiled], { stdio: "inherit" });
process.exitCode = status ?? 1;
