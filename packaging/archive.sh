#!/usr/bin/env bash
# What a release has for one target: packaging/archive.sh DIRECTORY_OF_PROGRAMS TARGET OUTPUT_DIRECTORY
# The programs with their manual pages, completions, licences and, for Linux, units. Needs GNU tar, which macOS calls gtar.
set -euo pipefail
programs=$(realpath "$1") target=$2
mkdir -p "$3"
output=$(realpath "$3")
cd "$(dirname "$0")/.."
version=$(sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml | head -n 1)
name=fault-proxy-$version-$target

stage=$(mktemp -d)
trap 'rm -rf "$stage"' EXIT
mkdir -p "$stage/$name"/{bin,share/man/man1,share/completions}
cp README.md CHANGELOG.md LICENSE-MIT LICENSE-APACHE "$stage/$name"
if [[ $target != *-apple-* ]]; then
    mkdir "$stage/$name/systemd"
    cp packaging/systemd/*.service "$stage/$name/systemd"
fi
for program in fault-proxy nats-proxy-server nats-proxy-client; do
    install -m 755 "$programs/$program" "$stage/$name/bin"
    "$programs/$program" man --dir "$stage/$name/share/man/man1"
    for shell in bash zsh fish; do
        "$programs/$program" completions "$shell" > "$stage/$name/share/completions/$program.$shell"
    done
done
"$(command -v gtar || command -v tar)" --sort=name --owner=0 --group=0 --numeric-owner --mtime="@${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}" \
    -C "$stage" -czf "$output/$name.tar.gz" "$name"
