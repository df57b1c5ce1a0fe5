// What a release publishes to npm: node packaging/npm/pack.mjs OUTPUT_DIRECTORY PLATFORM=PROGRAM...
// Packs fault-proxy, and @fault-proxy/PLATFORM for each platform with its program, for example linux-x64=target/dist/fault-proxy.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";

const PLATFORMS = ["linux-x64", "linux-arm64", "darwin-x64", "darwin-arm64"];

const here = path.dirname(fileURLToPath(import.meta.url));
const project = path.join(here, "../..");
const [output, ...args] = process.argv.slice(2);
if (!output || args.length === 0) fail("expected OUTPUT_DIRECTORY PLATFORM=PROGRAM...");
const programs = args.map((arg) => {
  const [platform, program] = arg.split(/=(.*)/s);
  if (!PLATFORMS.includes(platform) || !program) {
    fail(`${arg}: expected PLATFORM=PROGRAM, where PLATFORM is one of ${PLATFORMS.join(", ")}`);
  }
  if (!existsSync(program)) fail(`${arg}: ${program} does not exist: build it, for example with cargo build --release`);
  return [platform, program];
});
const version = readFileSync(path.join(project, "Cargo.toml"), "utf8").match(/^version = "(.*)"$/m)[1];
const stage = mkdtempSync(path.join(tmpdir(), "fault-proxy-npm-"));

try {
  mkdirSync(output, { recursive: true });
  for (const [platform, program] of programs) {
    pack(platform, platformPackage(platform), (directory) => {
      copyFileSync(program, path.join(directory, "fault-proxy"));
      chmodSync(path.join(directory, "fault-proxy"), 0o755);
    });
  }
  const manifest = JSON.parse(readFileSync(path.join(here, "fault-proxy/package.json"), "utf8"));
  const optionalDependencies = Object.fromEntries(PLATFORMS.map((platform) => [`@fault-proxy/${platform}`, version]));
  pack("fault-proxy", { ...manifest, version, optionalDependencies }, (directory) =>
    cpSync(path.join(here, "fault-proxy"), directory, { recursive: true }),
  );
} finally {
  rmSync(stage, { recursive: true });
}

function platformPackage(platform) {
  const [os, cpu] = platform.split("-");
  return {
    name: `@fault-proxy/${platform}`,
    version,
    description: `The program fault-proxy for ${platform}. Install the package fault-proxy instead.`,
    license: "MIT OR Apache-2.0",
    os: [os],
    cpu: [cpu],
    files: ["fault-proxy", "LICENSE-*"],
  };
}

function pack(name, manifest, fill) {
  const directory = path.join(stage, name);
  mkdirSync(directory);
  fill(directory);
  for (const license of ["LICENSE-MIT", "LICENSE-APACHE"]) copyFileSync(path.join(project, license), path.join(directory, license));
  writeFileSync(path.join(directory, "package.json"), JSON.stringify(manifest, null, 2));
  execFileSync("npm", ["pack", "--silent", "--pack-destination", path.resolve(output)], { cwd: directory, stdio: "inherit" });
}

function fail(message) {
  console.error(`pack.mjs: ${message}`);
  process.exit(2);
}
