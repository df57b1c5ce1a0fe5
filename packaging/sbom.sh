#!/usr/bin/env bash
# The programs' bills of materials (CycloneDX 1.5) for one target: packaging/sbom.sh TARGET OUTPUT_DIRECTORY
# Needs cargo-cyclonedx: cargo install --locked cargo-cyclonedx
set -euo pipefail
target=$1
mkdir -p "$2"
output=$(realpath "$2")
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)

cargo cyclonedx --quiet --format json --spec-version 1.5 --target "$target"
for program in fault-proxy nats-proxy-server nats-proxy-client; do
    mv "bins/$program/$program.cdx.json" "$output/$program-$version-$target.cdx.json"
done
# it writes one for each member
rm -f -- crates/*/*.cdx.json bins/*/*.cdx.json bench/*.cdx.json examples/*.cdx.json fuzz/*.cdx.json
