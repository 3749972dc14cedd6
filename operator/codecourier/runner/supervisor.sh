# The first process of the agent and verify containers: runs the commands, bounds their time, ends the processes that they leave
# behind, and reports the result. Exits with 0 even when they fail, so that the pod goes on to its next step; with 137 once
# the kernel has killed a process for memory, after which the kubelet starts no further step, and with 143 when the
# kubelet stops the container.
#
# POSIX sh (dash, busybox ash, bash). Needs from the image: sh, cat, mkdir, rm, sleep. Uses if present: mkfifo, tee,
# tail and wc (the last lines of a failed command), setsid (a separate process group).
#
#   sh supervisor.sh agent     setup steps, then the agent
#   sh supervisor.sh verify    verify steps
set -u
umask 002

phase=$1
root=${CODECOURIER_ROOT:-/codecourier}
control=$root/control
steps=$root/reports/steps
log=$steps/$phase.log
why=
child=

. "$control/settings.sh"

export CODECOURIER_WORKSPACE="$root/workspace/tree"
export CODECOURIER_PROMPT_FILE="$control/prompt.txt"
export CODECOURIER_USAGE_FILE="$root/reports/usage.jsonl"
export CODECOURIER_LEARNINGS_FILE="$root/reports/learnings.jsonl"
export CODECOURIER_SUMMARY_FILE="$root/reports/summary.md"
export CODECOURIER_RETRY_AFTER_FILE="$root/reports/retry-after"

# Some file systems show another owner of a volume's files, and git refuses a folder of another user unless it is safe.
git_settings=${GIT_CONFIG_COUNT:-0}
export "GIT_CONFIG_KEY_$git_settings=safe.directory" "GIT_CONFIG_VALUE_$git_settings=*"
export GIT_CONFIG_COUNT=$((git_settings + 1))

has() { command -v "$1" >/dev/null 2>&1; }

# Sets $oom_file to the file in which the kernel counts the processes of this container that it has killed for memory:
# cgroup v2, v1, with and without a cgroup namespace. Empty where none can be read.
find_oom_file() {
    oom_file=
    [ -r /proc/self/cgroup ] || return 0
    while IFS=: read -r _ controllers path; do
        case ",$controllers," in
        ,,) set -- "/sys/fs/cgroup$path/memory.events" /sys/fs/cgroup/memory.events ;;
        *,memory,*) set -- "/sys/fs/cgroup/memory$path/memory.oom_control" /sys/fs/cgroup/memory/memory.oom_control ;;
        *) continue ;;
        esac
        for file in "$@"; do
            [ ! -r "$file" ] || oom_file=${oom_file:-$file}
        done
    done </proc/self/cgroup
}

# Sets $ooms to that count.
count_ooms() {
    ooms=
    [ -n "$oom_file" ] || return 0
    while read -r name value _; do
        [ "$name" != oom_kill ] || ooms=$value
    done <"$oom_file"
}

# Whether the kernel has killed a process for memory since this began.
lacked_memory() {
    count_ooms
    [ "$ooms" != "$ooms_before" ]
} 2>/dev/null

# Ends the step: state, reason, exit code or nothing, a sentence without quotes or backslashes, seconds to wait or nothing.
finish() {
    ! lacked_memory || set -- Failed OutOfMemory '' 'The kernel killed a process of the step, which had reached its memory limit.'
    case $2 in
    OutOfMemory) status=137 ;;
    Terminated) status=143 ;;
    *) status=0 ;;
    esac
    report="{\"step\":\"$phase\",\"state\":\"$1\",\"reason\":\"$2\",\"message\":\"$4\""
    [ -z "$3" ] || report="$report,\"exitCode\":$3"
    [ -z "${5:-}" ] || report="$report,\"retryAfterSeconds\":$5"
    rm -rf "$steps/$phase.json"
    printf '%s}\n' "$report" >"$steps/$phase.json"
    printf '%s}\n' "$report" >"$root/termination-log"
    exit "$status"
}

# Sets $now to seconds: the kernel's uptime, which no change of the clock affects, or a count where that cannot be read.
tick() {
    if [ -r /proc/uptime ]; then
        read -r now rest </proc/uptime
        now=${now%%.*}
    else
        now=$((${now:-0} + 1))
    fi
}

# Signals everything that the command started. Minus one reaches every process, so only the first process of its own PID
# namespace may use it.
signal_all() {
    if [ $$ -eq 1 ]; then
        kill -s "$1" -- -1
    elif [ -n "$grouped" ]; then
        kill -s "$1" -- "-$child"
    else
        kill -s "$1" "$child"
    fi 2>/dev/null
}

# Runs beside the command: bounds its time, its memory and what is kept of its output. Ends the command itself, because
# some shells do not wake from their wait.
watch() {
    tick
    end=$((now + $1))
    while [ "$now" -lt "$end" ]; do
        sleep 1
        tick
        # Whatever the command still does is lost: the kubelet will start no further step.
        ! lacked_memory || break
        if [ -n "$captured" ] && [ "$(wc -c <"$log")" -gt 1048576 ]; then
            tail -c 8192 "$log" >"$log.old"
            : >"$log"
        fi
    done
    kill -s USR1 $$
    signal_all TERM
    sleep "$grace_period"
    signal_all KILL
}

# Waits until one of our processes is gone, for at most the grace period.
wait_gone() {
    tick
    end=$((now + grace_period))
    while kill -0 "$1" 2>/dev/null && [ "$now" -lt "$end" ]; do
        sleep 0.1 2>/dev/null || sleep 1
        tick
    done
}

# Starts a script in the background: script, standard input. Its output goes to descriptor 3.
start() {
    if [ -n "$grouped" ]; then
        setsid sh "$1" <"$2" >&3 2>&3 3>&- &
    else
        sh "$1" <"$2" >&3 2>&3 3>&- &
    fi
    child=$!
}

# Runs one script to its end: script, standard input, seconds. Sets $code, and $why if it was ended early.
run() {
    code=
    captured=
    rm -rf "$log" "$log.old" "$log.pipe" "$steps/$phase.tail"
    if has tee && has tail && has wc && has mkfifo && mkfifo "$log.pipe" && : >"$log"; then
        captured=yes
        # Survives the signal to all, to record the last output of the processes that it ends.
        (trap '' TERM && exec tee -a "$log") <"$log.pipe" &
        listener=$!
        start "$1" "$2" 3>"$log.pipe"
    else
        start "$1" "$2" 3>&1
    fi
    # When it is killed, its sleep stays behind, and that must not keep our output open.
    watch "$3" </dev/null >/dev/null 2>&1 &
    watcher=$!
    wait "$child"
    code=$?
    # Not TERM: a subshell of dash that has only just started loses it.
    {
        kill -s KILL "$watcher"
        wait "$watcher"
    } 2>/dev/null
    if [ -n "$why" ]; then
        signal_all TERM
        wait_gone "$child"
        signal_all KILL
    fi
    signal_all TERM
    [ -z "$captured" ] || wait_gone "$listener"
    signal_all KILL
    [ -z "$captured" ] || keep_tail
}

keep_tail() {
    cat "$log.old" "$log" 2>/dev/null | tail -c 8192 >"$steps/$phase.tail"
    rm -rf "$log" "$log.old" "$log.pipe"
}

# Ends the step if the last command was ended early: what it was, the reason for a timeout, its seconds.
finish_if_ended() {
    case $why in
    '') ;;
    Timeout) finish Failed "$2" '' "$1 was ended after $3 seconds." ;;
    *) finish Failed Terminated '' "$1 was ended because the pod is being stopped." ;;
    esac
}

# Runs numbered scripts: folder, how many, what they are, prefix of the reasons.
run_steps() {
    number=1
    while [ "$number" -le "$2" ]; do
        run "$control/$1/$number.sh" /dev/null "$step_timeout"
        finish_if_ended "$3 step $number" "${4}Timeout" "$step_timeout"
        [ "$code" -eq 0 ] || finish Failed "${4}Failed" "$code" "$3 step $number of $2 ended with exit code $code."
        number=$((number + 1))
    done
}

run_agent() {
    [ "$runs_agent" -eq 1 ] || finish Succeeded AgentSkipped '' 'There was no conflict to resolve, so the agent did not run.'
    run_steps setup "$setup_steps" Setup Setup
    run "$control/agent.sh" "$control/prompt.txt" "$agent_timeout"
    finish_if_ended 'The agent' AgentTimeout "$agent_timeout"
    case $code in
    0) finish Succeeded AgentSucceeded 0 'The agent ended.' ;;
    75) finish_provider_limit ;;
    *) finish Failed AgentFailed "$code" "The agent ended with exit code $code." ;;
    esac
}

finish_provider_limit() {
    seconds=
    [ ! -f "$CODECOURIER_RETRY_AFTER_FILE" ] || read -r seconds rest <"$CODECOURIER_RETRY_AFTER_FILE" || :
    case $seconds in
    # collect reads times, and numbers that do not fit here.
    '' | 0?* | *[!0-9]* | ???????*) seconds= ;;
    esac
    finish Failed ProviderLimit 75 "The agent's provider asked to wait." "$seconds"
}

run_verify() {
    # The agent could forge this file; the only effect is that nothing counts as verified.
    case $(cat "$steps/agent.json" 2>/dev/null) in
    *'"state":"Succeeded"'*) ;;
    *) finish Failed NotVerified '' 'The agent did not succeed, so nothing was verified.' ;;
    esac
    [ "$verifies" -eq 1 ] || finish Succeeded NothingToVerify '' 'Nothing was merged, so there was nothing to verify.'
    [ "$sets_up_again" -eq 0 ] || run_steps setup "$setup_steps" Setup Setup
    run_steps verify "$verify_steps" Verify Verify
    # Only a pod that merges has this folder, and in no other container that runs commands of the Workflow.
    [ ! -d "$root/verdict" ] || : >"$root/verdict/verified"
    finish Succeeded Verified 0 'All verify steps passed.'
}

trap 'why=Terminated' TERM INT HUP
trap 'why=${why:-Timeout}' USR1

find_oom_file
count_ooms 2>/dev/null
ooms_before=$ooms

grouped=
! has setsid || grouped=yes

mkdir -p "$steps"
cd "$CODECOURIER_WORKSPACE" || finish Failed SystemError '' 'The workspace cannot be entered.'
case $phase in
agent) run_agent ;;
verify) run_verify ;;
*) finish Failed SystemError '' 'The supervisor knows agent and verify only.' ;;
esac
