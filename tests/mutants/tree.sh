# For the scripts beside it: a copy of the repository in "$tree", in which defects are planted.

# Only what changed is copied, so that only that is built again; what is not in the repository any
# more is removed, as is what a patch added.
copy_tree() {
  mkdir -p "$tree"
  git ls-files -z | while IFS= read -r -d '' file; do
    mkdir -p "$tree/$(dirname "$file")"
    cmp -s "$file" "$tree/$file" || cp "$file" "$tree/$file"
  done
  (cd "$tree" && find . -type f -printf '%P\0') | LC_ALL=C sort -z |
    LC_ALL=C comm -z -23 - <(git ls-files -z | LC_ALL=C sort -z) |
    (cd "$tree" && xargs -0 -r rm -f --)
}
