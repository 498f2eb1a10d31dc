/**
 * Compiles the tests and runs them with Node's own runner.
 *
 *     node test/run.mjs          all tests
 *     node test/run.mjs --pipe   only compiles the pipe, to dist/pipe/pipe.mjs
 */

import { spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

const here = dirname(fileURLToPath(import.meta.url));

function compile(names, folder) {
  const outdir = join(here, "..", "dist", folder);
  const entryPoints = names.map((name) => join(here, name));
  buildSync({ entryPoints, outdir, bundle: true, platform: "node", format: "esm", target: "node20", outExtension: { ".js": ".mjs" } });
  return names.map((name) => join(outdir, name.replace(/\.ts$/, ".mjs")));
}

if (process.argv.includes("--pipe")) compile(["pipe.ts"], "pipe");
else {
  const tests = compile(readdirSync(here).filter((name) => name.endsWith(".test.ts")), "test");
  process.exitCode = spawnSync(process.execPath, ["--test", ...tests], { stdio: "inherit" }).status ?? 1;
}
