#!/bin/sh
# Makes the picture of the page in README.md: the screenshot that the test of the page takes.
set -eu
cd "$(dirname "$0")/.."
cargo test --package fault-proxy --test e2e page::
cp target/screenshots/page-light.png docs/page.png
