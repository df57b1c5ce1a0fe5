#!/usr/bin/env bash
# Downloads the release for the system of the runner, verifies its checksum, and puts its programs on PATH.
# VERSION or REF (a tag) selects the release, RELEASES is the URL of all releases. The other variables are those of GitHub's runners.
set -euo pipefail

fail() { echo "::error::fault-proxy: $*"; exit 1; }

case $RUNNER_OS-$RUNNER_ARCH in
    Linux-X64) target=x86_64-unknown-linux-musl ;;
    Linux-ARM64) target=aarch64-unknown-linux-musl ;;
    macOS-X64) target=x86_64-apple-darwin ;;
    macOS-ARM64) target=aarch64-apple-darwin ;;
    *) fail "releases have no program for $RUNNER_OS on $RUNNER_ARCH: use a runner with Linux or macOS" ;;
esac
version=${VERSION#v}
if [ -z "$version" ]; then
    [[ $REF =~ ^v[0-9]+\.[0-9]+\.[0-9]+ ]] || fail "\"$REF\" is not the tag of a release, such as v0.1.0: use the action with one, or set the input version"
    version=${REF#v}
fi

name=fault-proxy-$version-$target
directory=$RUNNER_TEMP/fault-proxy
mkdir -p "$directory"
cd "$directory"
for file in "$name.tar.gz" SHA256SUMS; do
    url=$RELEASES/v$version/$file
    curl --fail --silent --show-error --location --retry 3 --output "$file" "$url" || fail "cannot download $url: check the version"
done
grep -F " ./$name.tar.gz" SHA256SUMS > checksum || fail "SHA256SUMS of version $version does not list $name.tar.gz"
if command -v sha256sum > /dev/null; then sum=sha256sum; else sum="shasum -a 256"; fi
$sum --check checksum || fail "$name.tar.gz is not the file that was released: its checksum differs"
tar -xzf "$name.tar.gz"
program=$directory/$name/bin/fault-proxy
"$program" --version
echo "$directory/$name/bin" >> "$GITHUB_PATH"
echo "program=$program" >> "$GITHUB_OUTPUT"
