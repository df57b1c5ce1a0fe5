#!/usr/bin/env bash
# Runs `fault-proxy run` with ARGUMENTS in the background, and waits until it is ready. stop.sh ends it.
set -euo pipefail

directory=$RUNNER_TEMP/fault-proxy
mkdir -p "$directory"
cd "$directory"
if [ -e pid ] && [ ! -e code ]; then
    echo "::error::fault-proxy: it is running already: end it with the action stop first"
    exit 1
fi
rm -f pid code log.txt summary.md
workspace=$OLDPWD
# A runner reads the summary of a step at the end of the step. stop.sh adds this one to that of its step.
export GITHUB_STEP_SUMMARY=$directory/summary.md
(
    # ARGUMENTS has the quotes of a shell.
    (cd "$workspace" && exec bash -c "echo \$\$ > '$directory/pid'; exec fault-proxy run --no-ui $ARGUMENTS") || code=$?
    echo "${code:-0}" > code.new
    mv code.new code
) > log.txt 2>&1 < /dev/null &

for _ in {1..300}; do
    if [ -e code ]; then
        cat log.txt
        echo "::error::fault-proxy: it ended with exit code $(cat code)"
        exit 1
    fi
    # The API starts after all proxies.
    if grep -q 'control API on http' log.txt; then
        cat log.txt
        exit 0
    fi
    sleep 0.1
done
cat log.txt
echo "::error::fault-proxy: it was not ready after 30 s; this action needs its control API and the log level info"
exit 1
