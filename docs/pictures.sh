#!/bin/sh
# Makes the pictures in README.md and docs: the output of the demo and of a margin, the page, and the screenshots that the tests of the page's dialog and of `top` take.
# Needs chromium, node, pngquant, and a Redis on port 6379; `cargo xtask test` installs the packages of node.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --bin fault-proxy
target/release/fault-proxy demo --duration 9s --log-level off | awk -f docs/output-picture.awk \
  -v command="cargo run --release --bin fault-proxy -- demo --duration 9s" -v label="Output of the demo" > docs/demo.svg
set -- margin --proxy 6380=localhost:6379 --vary latency.mean=0..4s --resolution 1s -- timeout 2.5 redis-cli -p 6380 PING
target/release/fault-proxy "$@" 2>&1 | awk -f docs/output-picture.awk -v command="fault-proxy $*" -v label="Output of fault-proxy margin" > docs/margin.svg
NODE_PATH="$PWD/target/npm/node_modules" CHROMIUM="$(command -v chromium)" \
  node bins/fault-proxy/tests/page/pictures.mjs target/release/fault-proxy docs
cargo test --package fault-proxy --test e2e page_dialog::
cp target/screenshots/dialog-alone.png docs/dialog.png
pngquant --force --ext .png 64 docs/page.png docs/page-detail.png docs/dialog.png
cargo test --package fault-proxy --test e2e top::a_picture
cp target/screenshots/top.svg docs/top.svg
