#!/bin/sh
# SECURITY.md names files, functions and tests: each is there, and no claim is without a test. And what it claims of all the
# code: no other program is run, SQL is constant, TLS is not weakened.
set -eu
LC_ALL=C
export LC_ALL
cd "$(dirname "$0")/../.."
page=SECURITY.md
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

# defines FILE NAME
defines() {
	case $1 in
	*.py) grep -qE "^ *def $2\(" "$1" ;;
	*.[ch]) grep -qE "^([a-z].*[ *])?$2\(.*[^;]$|^#define $2([ (]|$)" "$1" ;;
	*) false ;;
	esac
}

grep -oE '`(conf|daemon|lib|systemd|tests)/[^`]*[A-Za-z]`' "$page" | tr -d '`' | sort -u >"$tmp/names"
[ -s "$tmp/names" ] || { echo "security: $page names nothing" >&2; exit 1; }
while IFS=: read -r file name; do
	if [ ! -f "$file" ]; then
		echo "security: $page names $file, which is not there"
	elif [ -n "$name" ] && ! defines "$file" "$name"; then
		echo "security: $page names $name, which is not in $file"
	fi
done <"$tmp/names" >"$tmp/odd"

# a test that no runner calls shows nothing
sed -n 's/^\(tests\/[a-z]*\/test_[a-z_]*\.c\):\(test_.*\)/\1 \2/p' "$tmp/names" | while read -r file name; do
	grep -qE "^	+$name\(" "$file" || echo "security: $file does not call $name"
done >>"$tmp/odd"

# rows of the tables with three columns: what, where, shown by
awk -F ' *[|] *' -v page="$page" '
	/^## / { inside = /is checked/ }
	inside && /^[|]/ && !/^[|]-/ && $4 != "shown by" {
		rows++
		if ($4 !~ /`tests\//) print "security: " page ":" NR ": no test shows it"
		if ($3 !~ /`/) print "security: " page ":" NR ": it does not say where"
	}
	END { if (!rows) print "security: " page " has no table" }' "$page" >>"$tmp/odd"

# none PATTERN WHY: no line of the code may match, comments and texts included
none() {
	grep -nE "$1" lib/*.[ch] daemon/*.[ch] | sed "s|\$| <- $2|" >>"$tmp/odd" || true
}
none '(^|[^a-z_.>])(system|popen|fork|vfork|execl|execlp|execle|execv|execvp|execvpe|posix_spawn|posix_spawnp|dlopen)\(' "runs another program"
none '(^|[^a-z_])(strcpy|strcat|stpcpy|vsprintf|gets|tmpnam|tempnam|mktemp|alloca)\(' "has no bound"
none 'sqlite3_v?(m|sn)printf|sqlite3_load_extension|sqlite3_enable_load_extension' "SQL is constant, and values are bound"
none 'CURLOPT_(VERBOSE|DEBUGFUNCTION|NETRC|UNRESTRICTED_AUTH|SSL_CTX_FUNCTION|PROXY_SSL_VERIFY)|SSL_VERIFY(PEER|HOST), 0L|FOLLOWLOCATION, 1L' \
	"weakens what is sent where"

# has FILE TEXT
has() {
	grep -qF -- "$2" "$1" || echo "security: $1 has no more: $2" >>"$tmp/odd"
}
has daemon/http.c 'SET(CURLOPT_SSL_VERIFYPEER, 1L);'
has daemon/http.c 'SET(CURLOPT_SSL_VERIFYHOST, 2L);'
has daemon/http.c 'SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);'
has daemon/http.c 'SET(CURLOPT_FOLLOWLOCATION, 0L);'
has lib/cache.c 'PRAGMA trusted_schema = OFF;'
# the only SQL that is no entry of the table is written out where it is used
grep -nE 'sqlite3_(exec|prepare)' lib/*.c | grep -vE 'lib/cache\.c:[0-9]+:.*\((c->db|db), (text|cache_sql\(|"SELECT)' >>"$tmp/odd" || true
grep -nE '[^a-z_](sql|query_int)\(c, [^"]' lib/cache.c | grep -v 'cache_schema' >>"$tmp/odd" || true

if [ -s "$tmp/odd" ]; then
	cat "$tmp/odd" >&2
	exit 1
fi
