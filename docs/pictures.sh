#!/bin/sh
# Makes the pictures in README.md and docs: the output of the demo, and the screenshots that the tests of the page and of `top` take.
set -eu
cd "$(dirname "$0")/.."
cargo build --release --bin fault-proxy
target/release/fault-proxy demo --duration 9s --log-level off | awk -f docs/demo-picture.awk > docs/demo.svg
cargo test --package fault-proxy --test e2e page
cp target/screenshots/page-light.png docs/page.png
cp target/screenshots/dialog-alone.png docs/dialog.png
cargo test --package fault-proxy --test e2e top::a_picture
cp target/screenshots/top.svg docs/top.svg
