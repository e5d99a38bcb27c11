#!/bin/sh
# The manual pages have what the code has, and nothing else: options, exit codes, signals, environment, HTTP, the reasons why
# something waits or is refused, the fields of messages, and the numbers of limits.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/../.."
daemon_page=conf/man/adosyncd.8
client_page=conf/man/adosyncctl.1
config_page=conf/man/adosyncd.conf.5
. tests/lint/common

# section PAGE MACRO NAME: the lines of that section or subsection
section() {
	awk -v head=".$2 $3" -v sub_too="$2" '
		/^\.Sh / || (/^\.Ss / && sub_too == "Ss") { inside = $0 == head; next }
		inside' "$1"
}

# words MACRO: what stands in lines of that macro, one word a line
words() {
	sed -n "s/^\.\(It \)\{0,1\}$1 //p" | tr -d ',.;' | tr ' ' '\n' | grep .
}

# Options: "name" or "name ARG".
options() {
	{
		grep -o '{ "[a-z-]*", [a-z]*_argument' "$2" | sed 's/{ "\(.*\)", no_argument/\1/; s/{ "\(.*\)", required_argument/\1 ARG/'
		sed -n 's/.*getopt_long([^"]*"\([a-z:]*\)".*/\1/p' "$2" | sed 's/[a-z]:\{0,1\}/&\n/g' | sed -n 's/^\([a-z]\)$/\1/p; s/^\([a-z]\):$/\1 ARG/p'
	} >"$tmp/code"
	cut -d ' ' -f 1 "$tmp/code" | sort -u >"$tmp/names"
	sed -n '/^The options are as follows/,/^\.El/s/^\.It Fl //p' "$3" | sed 's/ , Fl /\n/g' | sed 's/^-//; s/ Ar .*/ ARG/' >"$tmp/page"
	same "options of $1"
	cp "$tmp/names" "$tmp/code"
	sed -n 's/^\t"  *\(-.*\)/\1/p' "$2" | awk '{ for (i = 1; $i ~ /^-/; i++) { sub(/,$/, "", $i); sub(/^--*/, "", $i); print $i } }' >"$tmp/page"
	same "options of $1 and its --help (>)"
}
options adosyncd daemon/args.c "$daemon_page"
options adosyncctl daemon/ctl.c "$client_page"

# Exit codes, each with its name in daemon/exit.h, which is the only way to one.
sed -n 's/^\t\(EXIT_[A-Z_]*\) = \([0-9]*\),.*/\1 \2/p' daemon/exit.h | sort >"$tmp/exits"
exits() {
	what=$1 usage=$2 page=$3
	shift 3
	grep -ohw 'EXIT_[A-Z_]*' "$@" | sort -u | join - "$tmp/exits" | cut -d ' ' -f 2 | sort >"$tmp/used"
	cp "$tmp/used" "$tmp/code"
	section "$page" Sh 'EXIT STATUS' | sed -n 's/^\.It //p' >"$tmp/page"
	same "exit codes of $what"
	cp "$tmp/used" "$tmp/code"
	sed -n 's/.*"Exit status: \(.*\)\\n.*/\1/p' "$usage" | grep -o '[0-9]*' >"$tmp/page"
	same "exit codes of $what and its --help (>)"
}
# shellcheck disable=SC2046
exits adosyncd daemon/args.c "$daemon_page" $(find daemon -name '*.c' ! -name 'ctl*')
exits adosyncctl daemon/ctl.c "$client_page" daemon/ctl.c daemon/ctl_print.c
if grep -nE '(^|[^a-z_])(_|quick_)?exit *\(' daemon/*.c lib/*.c >&2; then
	echo "pages: a program ends by returning a status of daemon/exit.h" >&2
	bad=1
fi
sed -n 's/^RestartPreventExitStatus=//p' systemd/adosyncd.service | tr ' ' '\n' >"$tmp/code"
sed -n 's/^The unit starts the service again after every failure, but after \(.*\)\.$/\1/p' "$daemon_page" | grep -o '[0-9]*' >"$tmp/page"
same "exit codes after which the unit does not restart"

grep -ohE '(^|[^a-z])(loop_)?signal\([^)]*SIG[A-Z]+' daemon/*.c | grep -o 'SIG[A-Z]*$' >"$tmp/code"
section "$daemon_page" Sh SIGNALS | words 'It Dv' >"$tmp/page"
same signals

# The environment: getenv() with a name, what config.c takes a directory from, and what libraries read because we call them.
environment() {
	cat "$@" | grep -oE '(getenv\(|directory_from\(l, )"[A-Z_]+"' | grep -o '[A-Z_]*"$' | tr -d '"'
	! grep -qs 'sd_notify' "$@" || echo NOTIFY_SOCKET
	! grep -qs 'sd_watchdog_enabled' "$@" || printf '%s\n' WATCHDOG_USEC WATCHDOG_PID
	! grep -qs 'CURLOPT_PROXY' "$@" || printf '%s\n' https_proxy all_proxy no_proxy
}
# shellcheck disable=SC2046
environment $(find daemon lib -name '*.c' ! -name 'ctl*') >"$tmp/code"
section "$daemon_page" Sh ENVIRONMENT | words 'It Ev' >"$tmp/page"
same "environment of adosyncd"
environment daemon/ctl.c daemon/ctl_print.c >"$tmp/code"
section "$client_page" Sh ENVIRONMENT | words 'It Ev' >"$tmp/page"
same "environment of adosyncctl"
environment lib/config*.c daemon/secret.c >"$tmp/code"
section "$config_page" Sh ENVIRONMENT | words 'It Ev' >"$tmp/page"
same "environment of the configuration"
# getenv(part) is ${NAME} in the configuration, getenv(variable) is in directory_from()
if grep -nE 'getenv *\(' daemon/*.c lib/*.c | grep -vE 'getenv\(("[A-Z_]+"|part|variable)\)' >&2; then
	echo "pages: a variable of the environment that is not seen here" >&2
	bad=1
fi

# HTTP: paths with the statuses beside 200 that each may have, and all statuses.
sed -n 's/^\t{ "\(\/[a-z]*\)", .*, \(make_[a-z]*\), .*/\2 \1/p' daemon/site.c >"$tmp/routes"
while read -r function path; do
	echo "$path $(sed -n "/^static int $function(/,/^}/p" daemon/site.c | grep -owE '[2-5][0-9][0-9]' | grep -vx 200 | sort -u | tr '\n' ' ')"
done <"$tmp/routes" >"$tmp/code"
section "$daemon_page" Sh HTTP | awk '
	/^\.El/ { if (path != "") print path " " status; path = "" }
	/^\.It Pa / { if (path != "") print path " " status; path = $3; status = "" }
	path != "" && /^[2-5][0-9][0-9] / { status = status $1 " " }' >"$tmp/page"
same "paths of HTTP"
sed -n '/^const char \*web_reason/,/^}/s/^\t*{ \([0-9]*\), ".*" },$/\1/p' lib/web_request.c >"$tmp/code"
section "$daemon_page" Sh HTTP | sed -n 's/^\.It \([0-9]*\)$/\1/p' >"$tmp/page"
same "statuses of HTTP"
grep -ohE '(status = |return |[?:] )-?[2-5][0-9][0-9]\b' daemon/site.c daemon/web.c lib/web_request.c | grep -o '[0-9]*$' | sort -u |
	comm -23 - "$tmp/code" | while read -r status; do echo "pages: status $status of HTTP has no reason in lib/web_request.c"; done >"$tmp/odd"

# The beginnings of messages, up to what depends on the case: NAME is some text, N a number.
literals() {
	sed 's/" *\(LABEL_[A-Z]*\) *"/NAME/g; s/"$/"@/' | tr -d '\n' | sed 's/"@[[:space:]]*"//g; s/"@/"/g' | grep -oE '"([^"\\]|\\.)*"' | sed 's/^"//; s/"$//; s/\\"/"/g'
}
beginnings() {
	sed 's/%s%s//g; s/%s/NAME/g; s/%[a-z]*/N/g; s/^held: //; s/[.,;:(].*//; s/ *$//'
}
# the text that is given to CALL in FILES
calls() {
	call=$1
	shift
	cat "$@" | awk -v call="$call" '
		index($0, call) && $0 !~ /^static/ { on = 1 }
		on { print } on && /;$/ { on = 0 }' | sed 's/strcmp([^)]*)//g' | literals
}
on_page() {
	section "$daemon_page" Ss "$1" | sed -n 's/^\.It //p' | sed 's/\\(dq/"/g' >"$tmp/page"
}

calls 'xasprintf("held: ' lib/intake.c | grep '^held: ' | beginnings >"$tmp/code"
on_page 'What is held'
same "reasons to hold"

{
	calls 'park_text(c, x' lib/converge.c | grep ' ' | grep -v '^%s ' | beginnings
	calls 'park(c, "' lib/converge.c | grep ' ' | sed 's/$/ refused with N/'
	calls 'parked = xasprintf(' lib/target.c daemon/sink_job.c daemon/sink_row.c | grep ' ' | beginnings
} | grep . >"$tmp/code"
on_page 'What is parked'
same "reasons to park"

{
	calls 'refuse(c, xasprintf(' lib/converge_instance.c | grep ' ' | grep -v '^%s ' | beginnings
	calls 'refuse_answer(c, "' lib/converge_instance.c | sed 's/$/ was refused with N/'
	calls '*ret_error = ' lib/konnect.c | beginnings
} | grep . >"$tmp/code"
on_page 'What is refused for a whole instance'
same "reasons to refuse an instance"

grep -oE '(add_field\(&e|add_text\(o|json_object_set_new\(o), "[A-Za-z_]+"|"PRIORITY=' daemon/log.c | grep -oE '[A-Za-z_]+("|=)$' | tr -d '"=' >"$tmp/code"
sed -n '/^\.Sh DIAGNOSTICS/,/^\.Ss/p' "$daemon_page" | words 'It Va' >"$tmp/page"
same "fields of messages"

# What a message begins with
cat daemon/*.c | tr '\n' ' ' | grep -oE 'log_(error|warning|notice|info|debug)\("[a-z]+"|log_event\([^";]*"[a-z]+"' | grep -o '[a-z]*"$' | tr -d '"' >"$tmp/code"
sed -n '/^A message begins with/,/^In text/p' "$daemon_page" | words Ql >"$tmp/page"
same "beginnings of messages"

# Numbers: the page has the sentence with the value of the macro where @ stands.
number() {
	value=$(sed -n "s/^#define $1[[:space:]]*\([^\/]*\).*/\1/p" lib/limits.h daemon/*.c)
	value=$(printf '%s' "$value" | tr -d 'A-Za-z_() \t')
	case $value in
	*'<<10') value="${value%<<10} KiB" ;;
	*'<<20') value="${value%<<20} MiB" ;;
	esac
	sentence=$(printf '%s' "$3" | sed "s/@/$value/")
	tr '\n' ' ' <"$2" | grep -qF -e "$sentence" || { echo "pages: $1: $2 does not say \"$sentence\"" >&2; bad=1; }
}
number WEB_CLIENTS_MAX "$daemon_page" 'There may be @ at a time'
number WEB_CLIENT_SEC "$daemon_page" 'not answered within @ seconds'
number WEB_HEAD_MAX "$daemon_page" 'The head of the request has @ or more'
number WEB_ANSWER_MAX "$daemon_page" 'would be longer than @'
number LOOP_OVERDUE_MAX_SEC "$daemon_page" '503 if the event loop is more than @ seconds late'
number SHUTDOWN_GRACE_SEC "$daemon_page" 'changes under way get @ seconds to end'
number SECRET_MAX "$daemon_page" 'is larger than @ '
number KONNECT_PAGE_SIZE "$daemon_page" 'the first @ mappings of that service'
number KONNECT_PAGE_SIZE "$daemon_page" 'a resource with @ mappings or more'
number PARKED_SHOWN_MAX "$client_page" 'up to @ of them'
number PARKED_SHOWN_MAX "$client_page" 'at most @, as in'
number CONTROL_CLIENTS_MAX "$client_page" 'No more than @ may be open'
number CONTROL_REQUEST_MAX "$client_page" 'A request may be @ long'
number CONTROL_IDLE_SEC "$client_page" 'nothing moves for @ seconds'
number CONFIG_FILE_MAX "$config_page" 'a file may be up to @ long'
number INSTANCES_MAX "$config_page" '@ are allowed'
number INSTANCE_NAME_MAX "$config_page" '1 to @ of the characters 0-9 a-z'
number KONNECT_NAME_MAX "$config_page" "a service of Konnect's Catalog, 1 to @ of the characters"
if [ -s "$tmp/odd" ]; then
	cat "$tmp/odd" >&2
	bad=1
fi
exit "$bad"
