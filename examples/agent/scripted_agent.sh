# A coding agent without a model: POSIX sh, cat, mkdir and sleep are all that it needs. See examples/README.md.
set -eu

fail() { echo "scripted agent: $1" >&2; exit 1; }

prompt=$(cat)
number=${CODECOURIER_SPRINT_NUMBER:-}
index=${CODECOURIER_SPRINT_INDEX:-0}
[ -n "$prompt" ] || fail "the prompt on standard input is empty"
[ "$prompt" = "$(cat "$CODECOURIER_PROMPT_FILE")" ] || fail "standard input and \$CODECOURIER_PROMPT_FILE differ"
cd "$CODECOURIER_WORKSPACE"

# Directives: words of $SCRIPTED_AGENT, and SCRIPTED_AGENT=word in the prompt. word@3 is for sprint 3 only.
orders=${SCRIPTED_AGENT:-}
rest=$prompt
while [ "$rest" != "${rest#*SCRIPTED_AGENT=}" ]; do
  rest=${rest#*SCRIPTED_AGENT=}
  orders="$orders ${rest%%[!a-z0-9:@-]*}"
done
active=' '
for order in $orders; do
  case $order in *@*) [ "${order#*@}" = "$number" ] || continue ;; esac
  active="$active${order%@*} "
done
told() { case $active in *" $1 "*) ;; *) return 1 ;; esac; }
value() { value=${active#* "$1":}; [ "$value" != "$active" ] || return 1; value=${value%% *}; }

if [ -n "$number" ]; then
  case $prompt in
    *"sprint $number, which is number $((index + 1)) of $CODECOURIER_SPRINT_COUNT."*) ;;
    *) fail "the prompt does not say that this is sprint $number" ;;
  esac
  name=sprints/$(printf %02d "$number").md
  what="Sprint $number"
  if [ "$index" -gt 0 ] && ! told alone; then
    previous=$((number - 1))
    case $(cat "sprints/$(printf %02d "$previous").md" 2>/dev/null)+$(cat CHANGELOG.md 2>/dev/null) in
      "# Sprint $previous"*+*"- Sprint $previous: "*) echo "found the change of sprint $previous" ;;
      *) fail "the change of sprint $previous is not in the workspace" ;;
    esac
  fi
else
  name=notes.md
  what=Notes
fi

if value slow; then echo "working for $value s"; sleep "$value"; fi
if told fail; then fail "told to fail"; fi
if told nothing; then echo "told to change nothing"; exit 0; fi
if told ignore-term; then trap '' TERM; fi
if told hang || told ignore-term; then
  echo "told to hang"
  while :; do sleep 1; done
fi
if told fork; then
  away='trap "" TERM HUP; while :; do sleep 1; echo still here >>escaped.txt; done'
  if command -v setsid >/dev/null; then setsid sh -c "$away" & else sh -c "$away" & fi
  echo "a process of mine stays behind"
fi
mkdir -p sprints
if value retry-after && [ ! -e "$name.wait" ]; then
  echo "the provider asked to wait" >"$name.wait"
  echo "$value" >"$CODECOURIER_RETRY_AFTER_FILE"
  exit 75
fi

echo "writing $name"
printf '# %s\n\nWritten by the scripted agent.\n' "$what" >"$name"
[ -e CHANGELOG.md ] || printf '# Changelog\n\n' >CHANGELOG.md
echo "- $what: wrote $name" >>CHANGELOG.md

quantity=1200
if told burst; then quantity=1200000000; fi
printf '{"service":"scripted","kind":"Tokens","unit":"Token","quantity":%s,"costMicroUSD":%s,"model":"scripted-1"}\n' \
  "$quantity" $((quantity * 3)) >>"$CODECOURIER_USAGE_FILE"
printf '%s: write %s\n\nAdds `%s` and a line in the changelog.\n' "$what" "$name" "$name" >"$CODECOURIER_SUMMARY_FILE"
echo done
