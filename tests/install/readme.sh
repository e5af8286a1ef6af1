#!/bin/sh
# SPDX-License-Identifier: MIT
# The README is true: its program is the example, which compiles and keeps the order; what it refers to exists; every
# promise of the contract is named by a test.
set -e
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${PADATA_BUILD:-$top/build/release}
CC=${CC:-gcc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$top"
status=0
# empty NAME FILE: the file lists what is wrong.
empty() {
	if [ -s "$2" ]; then
		cat "$2"
		echo "not ok readme: $1"
		status=1
	else
		echo "ok readme: $1"
	fi
}

awk '/^```c$/ { inside = 1; next } /^```$/ { inside = 0 } inside' README.md >"$tmp/factor.c"
diff "$tmp/factor.c" examples/factor.c >"$tmp/diff" || :
empty "its program is examples/factor.c" "$tmp/diff"
# Without blank lines, and those of a comment or a brace alone.
code=$(grep -cvE '^[[:space:]]*(/\*.*\*/|[{}];?)?[[:space:]]*$' "$tmp/factor.c")
{ [ "$code" -le 31 ] || echo "it has $code"; } >"$tmp/length"
empty "its program has some thirty lines of code" "$tmp/length"

"$CC" -std=c11 -Wall -Wextra -Wpedantic -Werror -pthread -Iinclude -o "$tmp/factor" "$tmp/factor.c" \
	"$build/libpadata.a" >"$tmp/cc" 2>&1 || echo "it does not compile" >>"$tmp/cc"
empty "its program compiles" "$tmp/cc"

# Cheap and dear numbers in turn, so that later ones finish earlier; the answer is that of coreutils.
{
	printf '0\n1\n2\n9223372036854775808\n18446744073709551615\n'
	awk 'BEGIN { for (i = 0; i < 2000; i++) printf "%.0f\n", i % 7 ? i : 999983 * 1000003 + i }'
} >"$tmp/numbers"
factor <"$tmp/numbers" >"$tmp/expected"
for run in 1 2 3; do
	timeout 100 "$tmp/factor" <"$tmp/numbers" >"$tmp/got" || echo "run $run: exit status $?"
	cmp "$tmp/got" "$tmp/expected" || :
done >"$tmp/wrong" 2>&1
empty "its program prints what factor(1) prints, in the same order" "$tmp/wrong"

"$CC" -g -fsanitize=address -pthread -Iinclude -o "$tmp/checked" "$tmp/factor.c" "$build/libpadata.a" >"$tmp/wrong" 2>&1
head -n 200 "$tmp/numbers" | "$tmp/checked" 2>>"$tmp/wrong" >"$tmp/got" || echo "exit status $?" >>"$tmp/wrong"
"$tmp/checked" </dev/null >>"$tmp/wrong" 2>&1 || echo "nothing to read: exit status $?" >>"$tmp/wrong"
! echo 1 x | "$tmp/factor" >/dev/null || echo "what is no number: exit status 0" >>"$tmp/wrong"
empty "its program gives back what it took, and says whether it went well" "$tmp/wrong"

for page in *.md doc/*.md; do
	grep -o '](\([^)#]*\)' "$page" | sed 's/^](//' | while read -r path; do
		case $path in '' | http*) continue ;; esac
		[ -e "$(dirname "$page")/$path" ] || echo "$page: $path does not exist"
	done
done >"$tmp/links"
empty "what the documents refer to exists" "$tmp/links"

grep -o '^- \*\*[A-Z][0-9]*\*\*' doc/contract.md | tr -d ' *-' | while read -r promise; do
	grep -rqE --include='*.c' --include='*.sh' --include='*.py' "(\"|ok )([LSEMK][0-9] )*$promise\>" tests ||
		echo "$promise is named by no test"
done >"$tmp/promises"
empty "every promise of the contract is named by a test" "$tmp/promises"
exit $status
