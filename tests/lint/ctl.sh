#!/bin/sh
# adosyncctl, the daemon's control socket and the manual page agree on the commands, on the members of each answer and on the
# words that stand in them.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/../.."
page=conf/man/adosyncctl.1
. tests/lint/common

# commands FILE: the names in its table of commands
commands() {
	sed -n '/^} commands\[\] = {/,/^};/p' "$1" | grep -o '{ "[a-z]*"' | tr -cd 'a-z\n' | sort
}
commands daemon/commands.c >"$tmp/daemon"
commands daemon/ctl.c >"$tmp/client"
sed -n 's/^\.It Cm \([a-z]*\).*/\1/p' "$page" | sort >"$tmp/page"
sed -n 's/^	"  \([a-z][a-z]*\) .*/\1/p' daemon/ctl.c | sort >"$tmp/usage"
sed -n '/^The answers are:/,/^\.Sh/s/^\.Ss //p' "$page" | tr -d ',' | tr ' ' '\n' | sort >"$tmp/answers"
[ -s "$tmp/daemon" ] || { echo "ctl: daemon/commands.c has no commands" >&2; exit 1; }
for f in client page usage answers; do
	diff "$tmp/daemon" "$tmp/$f" >"$tmp/diff" && continue
	echo "ctl: the daemon's commands (<) and those of the $f (>) differ:" >&2
	grep '^[<>]' "$tmp/diff" >&2
	bad=1
done

# function FILE NAME: its text
function_of() {
	sed -n "/^[a-z].*[ *]$2(/,/^}/p" "$1"
}
# The keys of the objects that are made: json_object_set_new(o, "key", ...), json_pack("{...}", "key", ...) and
# canonical_member(&b, "key", ...), "ok" aside, which every answer has, and "error", which every refusal has.
keys() {
	tr '\n' ' ' | sed 's/;/;\n/g' >"$tmp/text"
	{
		grep -o 'json_object_set_new([*a-z]*, "[a-z_]*"' "$tmp/text" | sed 's/.*"\(.*\)"/\1/'
		grep -oE 'canonical_(key|member|number|json)\([^,"]*, "[a-z_]*"' "$tmp/text" | sed 's/.*"\(.*\)"/\1/'
		grep -o 'json_pack(.*' "$tmp/text" | sed 's/json_pack("[^"]*", */\n@/g' | sed -n 's/^@//p' | grep -oE '(^|, *|\? *)"[a-z_]+" *(,|:)' | grep -o '[a-z_]*'
	} | grep -vxE 'ok|error' | sort -u
}
# answer SECTION: the members that the page lists there
answer() {
	sed -n "/^\.Ss $1\$/,/^\.S[sh] [^$]/p" "$page" | sed '1d' |
		awk '/^\.S[sh]/ { exit } /^\.It / { sub(/^\.It /, ""); gsub(/ ,/, "\n"); gsub(/ /, ""); print }'
}

c=daemon/commands.c
{
	for f in run_status status_of add_counts parked_of; do function_of $c $f; done
} | keys >"$tmp/code"
answer status >"$tmp/all"
# members of members, which stand in the text
sed -n '/^\.Ss status$/,/^\.Ss repos/p' "$page" | awk '
	/^\.It / { inside = $2 == "konnect" || $2 == "pushing" }
	/^\.Po/ { inside = 0 } /^\.Pc/ { inside = 1 }
	inside && /^\.Ql / { print $2 }' | sort -u - "$tmp/all" >"$tmp/page"
same "members of status"
{ function_of $c repository_of; function_of $c command_stream_next; } | keys >"$tmp/code"
{ answer repos; sed -n '/^\.Ss repos$/,/^\.Ss sync/s/^\.Ql \(count\).*/\1/p' "$page"; } >"$tmp/page"
same "members of repos"
function_of $c run_sync | keys >"$tmp/code"
answer sync >"$tmp/page"
same "members of sync"
for f in begin_answer show add_action; do function_of daemon/approval.c $f; done | keys >"$tmp/code"
answer plan >"$tmp/page"
same "members of plan"
function_of daemon/approval.c let | keys >"$tmp/code"
answer approve >"$tmp/page"
same "members of approve"
function_of daemon/check.c finish | keys >"$tmp/code"
answer check >"$tmp/page"
same "members of check"
function_of daemon/withdrawal.c forget | keys >"$tmp/code"
answer withdraw >"$tmp/page"
same "members of withdraw with a hash"
# without one: those of plan, and the page names those it has of an action
function_of daemon/withdrawal.c show | keys >"$tmp/shown"
{ answer plan; } | sort -u >"$tmp/plan"
comm -23 "$tmp/shown" "$tmp/plan" | while read -r k; do echo "ctl: withdraw has the member \"$k\", plan has not"; done >"$tmp/odd"
for f in run_pause run_resume run_reload; do function_of $c $f; done | keys >"$tmp/code"
answer 'pause, resume, reload' >"$tmp/page"
same "members of pause, resume and reload"

# the request
function_of daemon/ctl.c make_request | keys >"$tmp/code"
{
	sed -n '/^The request has these members/,/^\.El/s/^\.It //p' "$page"
	sed -n '/^The request has a member$/,/^as well/s/^\.Ql //p' "$page"
} >"$tmp/page"
same "members of a request"

# Words: names FILE FUNCTION are the strings that it returns.
names() {
	function_of "$1" "$2" | sed -n 's/.*return "\(.*\)";/\1/p' | grep -vx '?'
}
names lib/repo.c repo_state_name >"$tmp/code"
sed -n '/^\.Ss repos$/,/^\.It service/p' "$page" | sed -n '/^\.It state/,$s/^\.Ql \([a-z]*\).*/\1/p' >"$tmp/page"
same "states of a repository"
names lib/pace.c sink_state_name >"$tmp/code"
sed -n '/^\.It konnect$/,/^\.Pc/p' "$page" | sed -n '/^\.Po/,$s/^\.Ql \([a-z]*\).*/\1/p' >"$tmp/page"
same "states of Konnect"
grep -o 'return "[a-z]*";' lib/approve.c | tr -d '";' | sed 's/return //' >"$tmp/code"
sed -n '/^\.Ss plan$/,/^\.It since/p' "$page" | sed -n '/^\.It action$/,/^\.It why/s/^\.Ql \([a-z]*\).*/\1/p' >"$tmp/page"
same "actions of a plan"
names lib/withdraw.c withdraw_kind_name >"$tmp/code"
sed -n '/^\.Ss withdraw$/,/^\.Pc/p' "$page" | sed -n '/^\.Po/,$s/^\.Ql \([a-z ]*[a-z]\).*/\1/p' >"$tmp/page"
same "kinds of what is withdrawn"
if [ -s "$tmp/odd" ]; then
	cat "$tmp/odd" >&2
	bad=1
fi
exit "$bad"
