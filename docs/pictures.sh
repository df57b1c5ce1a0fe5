#!/bin/sh
# Makes the pictures in README.md and docs: the output of the demo, the page, and the screenshots that the tests of the page's dialog and of `top` take.
# Needs chromium, node and pngquant; `cargo xtask test` installs the packages of node.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --bin fault-proxy
target/release/fault-proxy demo --duration 9s --log-level off | awk -f docs/demo-picture.awk > docs/demo.svg
NODE_PATH="$PWD/target/npm/node_modules" CHROMIUM="$(command -v chromium)" \
  node bins/fault-proxy/tests/page/pictures.mjs target/release/fault-proxy docs
cargo test --package fault-proxy --test e2e page_dialog::
cp target/screenshots/dialog-alone.png docs/dialog.png
pngquant --force --ext .png 64 docs/page.png docs/page-detail.png docs/dialog.png
cargo test --package fault-proxy --test e2e top::a_picture
cp target/screenshots/top.svg docs/top.svg
