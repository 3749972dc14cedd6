# An agent without a model that resolves conflicts: it tries candidates until the tests of the repository pass.
# sh, git, awk, grep, cp and mktemp are all that it needs. See examples/README.md.
set -eu

fail() { echo "merging agent: $1" >&2; exit 1; }

[ -n "$(cat)" ] || fail "the prompt on standard input is empty"
cd "$CODECOURIER_WORKSPACE"
kept=$(mktemp -d)
trap 'rm -rf "$kept"' EXIT
git -c core.quotePath=false diff --name-only --diff-filter=U | sort -u >"$kept/paths"
[ -s "$kept/paths" ] || fail "no path is in conflict"

# What git left of each path, with conflict markers, is where every candidate starts from.
number=0
while IFS= read -r path; do
  number=$((number + 1))
  if [ -f "$path" ] && [ ! -L "$path" ]; then cp "$path" "$kept/$number"; fi
done <"$kept/paths"

# Prints a file with the given sides, in this order, in place of each conflict.
combine() {
  awk -v order="$2" '
    /^<<<<<<< / { side = "ours"; text["ours"] = text["theirs"] = ""; next }
    /^=======$/ && side == "ours" { side = "theirs"; next }
    /^>>>>>>> / && side == "theirs" {
      count = split(order, sides, " ")
      for (i = 1; i <= count; i++) printf "%s", text[sides[i]]
      side = ""
      next
    }
    side != "" { text[side] = text[side] $0 "\n"; next }
    { print }
  ' "$1"
}

# Where there are no lines to combine, as in a binary or a deleted file, the first side of the order counts.
settle() {
  number=0
  while IFS= read -r path; do
    number=$((number + 1))
    if [ -e "$kept/$number" ] && grep -q '^<<<<<<< ' "$kept/$number"; then
      combine "$kept/$number" "$1" >"$path"
    else
      git checkout --quiet "--${1%% *}" -- "$path" 2>/dev/null || rm -f "$path"
    fi
  done <"$kept/paths"
}

finish() {
  while IFS= read -r path; do git add --all -- "$path"; done <"$kept/paths"
  { printf 'Resolve the conflicts of a merge\n\nOf each conflict: %s. The files:\n\n' "$1"; cat "$kept/paths"; } >"$CODECOURIER_SUMMARY_FILE"
  printf '{"service":"scripted","kind":"Tokens","unit":"Token","quantity":1200,"costMicroUSD":3600,"model":"merging-1"}\n' \
    >>"$CODECOURIER_USAGE_FILE"
  echo "resolved: $1"
  exit 0
}

# MERGING_AGENT=lazy takes one side and tests nothing: the verify steps of the Workflow have to notice.
if [ "${MERGING_AGENT:-}" = lazy ]; then
  settle ours
  finish ours
fi
for order in "ours theirs" "theirs ours" ours theirs; do
  settle "$order"
  echo "testing: $order"
  if sh -ec "$TEST_COMMAND" </dev/null; then finish "$order"; fi
done
fail "no candidate passes the tests"
