#!/bin/sh
# A campaign in SHARDS processes with GNU parallel: parallel.sh 0..1000000 8
# With --sshloginfile, --transferfile and --return of parallel it runs on several machines.
set -eu
seeds=$1
shards=$2
out=${OUT:-target/tidelock/shards}
mkdir -p "$out"
# A shard that finds a failure exits with 1 to 3; the others go on, and all are merged.
status=0
seq 0 $((shards - 1)) | parallel --jobs "$shards" \
    tidelock run --quiet --jobs 1 --seeds "$seeds" --shard "{}/$shards" \
    --out "$out/{}" --json "$out/{}.jsonl" || status=$?
tidelock merge "$out"/*.jsonl > "$out/all.json"
tail -n 1 "$out/all.json"
exit "$status"
