#!/bin/sh
# Makes the pictures in README.md: the output of the demo, and the screenshot that the test of the page takes.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --bin fault-proxy
target/release/fault-proxy demo --duration 9s --log-level off | awk -f docs/demo-picture.awk > docs/demo.svg
cargo test --package fault-proxy --test e2e page::
cp target/screenshots/page-light.png docs/page.png
