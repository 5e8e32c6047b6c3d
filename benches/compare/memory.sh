#!/bin/sh
# Peak memory and CPU seconds of ingest as files grow: memory.sh PAYGRAIN GENERATE_USAGE DIRECTORY [MILLIONS...]
set -eu
paygrain=$1 generate=$2 directory=$3
shift 3
here=$(cd "$(dirname "$0")" && pwd)
for millions in "${@:-1}"; do
    "$generate" csv "${millions}000000" 7 > "$directory/grown.csv"
    rm -rf "$directory/grown-lake"
    TMPDIR=$directory /usr/bin/time -f "$millions million rows: %U + %S CPU seconds, peak %M kB" \
        "$paygrain" --lake "$directory/grown-lake" ingest --mapping "$here/csv.toml" "$directory/grown.csv" > /dev/null
    du -sk "$directory/grown-lake" | awk '{ print "  lake: " $1 " kB" }'
done
rm -rf "$directory/grown.csv" "$directory/grown-lake"
