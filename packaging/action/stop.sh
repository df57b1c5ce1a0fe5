#!/usr/bin/env bash
# Ends the program that start.sh has started, shows its log, and reports its exit code as the output `code`.
set -euo pipefail

directory=$RUNNER_TEMP/fault-proxy
if [ ! -e "$directory/pid" ]; then
    echo "::error::fault-proxy: it was not started: set the input run of the action that installs it"
    exit 1
fi
cd "$directory"
kill -TERM "$(cat pid)" 2> /dev/null || true
# Sessions have 10 s to finish, unless --drain-timeout changes it.
for _ in {1..600}; do
    if [ -e code ]; then break; fi
    sleep 0.1
done
if [ ! -e code ]; then
    kill -KILL "$(cat pid)" || true
    echo "::error::fault-proxy: it did not end within 60 s"
    echo 137 > code
fi
echo "::group::Log of fault-proxy"
cat log.txt
echo "::endgroup::"
if [ -e summary.md ]; then cat summary.md >> "$GITHUB_STEP_SUMMARY"; fi
echo "code=$(cat code)" >> "$GITHUB_OUTPUT"
