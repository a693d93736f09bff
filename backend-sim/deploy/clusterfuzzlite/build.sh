#!/bin/bash -eu
# Builds every fuzz target, with its corpus where there is one.
cd "$SRC/tidelock"
cargo fuzz build -O
for source in fuzz/fuzz_targets/*.rs; do
    target=$(basename "$source" .rs)
    cp "fuzz/target/x86_64-unknown-linux-gnu/release/$target" "$OUT/"
    if [ -d "fuzz/corpus/$target" ]; then
        zip -jqr "$OUT/${target}_seed_corpus.zip" "fuzz/corpus/$target"
    fi
done
