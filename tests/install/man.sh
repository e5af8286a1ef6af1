#!/bin/sh
# SPDX-License-Identifier: MIT
# The manual: the pages are clean, every public name has one, their examples compile and run.
set -e
top=$(cd "$(dirname "$0")/../.." && pwd)
build=${PADATA_BUILD:-$top/build/release}
CC=${CC:-gcc}
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
cd "$top"
status=0
ok() { echo "ok man: $1"; }
# not_ok NAME [FILE with the details]
not_ok() {
	[ $# -lt 2 ] || cat "$2"
	echo "not ok man: $1"
	status=1
}
# empty NAME FILE: the file lists what is wrong.
empty() { if [ -s "$2" ]; then not_ok "$1" "$2"; else ok "$1"; fi; }

doc/man/names doc/man/*.[1-9] >"$tmp/names"

# The linter looks for the pages that others refer to in its own folder; those of the system may not be installed.
mkdir "$tmp/flat"
cp doc/man/*.[1-9] "$tmp/flat"
while read -r name page; do
	[ "$name" = "$page" ] || ln -s "$page" "$tmp/flat/$name"
done <"$tmp/names"
if command -v mandoc >/dev/null; then
	find doc/man -name '*.[1-9]' -printf '%f\0' | (cd "$tmp/flat" && xargs -0 mandoc -Tlint 2>/dev/null) |
		grep -v 'referenced manual not found' >"$tmp/lint" || :
	empty "mandoc -Tlint says nothing" "$tmp/lint"
else
	echo "skip man: mandoc -Tlint says nothing: mandoc is not installed"
fi
sed -n 's/^\.Xr \(padata[^ ]*\) \([0-9]\).*/\1.\2/p' doc/man/*.[1-9] | sort -u | while read -r name; do
	grep -q "^$name " "$tmp/names" || echo "$name is referred to and does not exist"
done >"$tmp/xr"
empty "every page of ours that another refers to exists" "$tmp/xr"
cut -d' ' -f1 "$tmp/names" | sort | uniq -d >"$tmp/twice"
empty "no name leads to two pages" "$tmp/twice"

# What the headers declare: macros, structures, types, variables, functions.
for header in include/*.h include/linux/*.h; do
	"$CC" -fpreprocessed -dD -E -P "$header"
done | sed 's/ __asm__.*//; s/ __attribute__.*//' >"$tmp/headers"
{
	sed -n 's/^# *define \([A-Za-z_0-9]*\).*/\1/p' "$tmp/headers" | grep -v '_H$'
	grep -o '\<struct [a-z_]*' "$tmp/headers" | cut -d' ' -f2
	sed -n 's/^typedef .*[ *(]\([a-z_]*\)\()(.*\)\{0,1\};.*/\1/p' "$tmp/headers"
	sed -n 's/^extern [^"]*[ *]\([a-z_]*\);\{0,1\}$/\1/p' "$tmp/headers"
	grep '^[a-z]' "$tmp/headers" | grep -v '^typedef' | sed -n 's/(.*//; s/.*[ *]\([a-z_0-9]*\)$/\1/p'
} | grep . | sort -u >"$tmp/declared"
while read -r name; do
	grep -q "^$name\.[37] " "$tmp/names" || echo "$name"
done <"$tmp/declared" >"$tmp/missing"
empty "every name that a header declares has a page" "$tmp/missing"
# What the list above must hold at least, in case that it is ever made wrongly.
for name in padata_alloc padata_priv padata_instance nr_cpu_ids cpumask_var_t work_func_t INIT_WORK container_of \
	for_each_cpu cpu_online_mask GFP_KERNEL queue_work_on padata_cpulist_print PADATA_DEFAULT_WINDOW; do
	grep -qx "$name" "$tmp/declared" || echo "$name is not found in the headers"
done >"$tmp/lost"
empty "the headers are read rightly" "$tmp/lost"

so=$build/libpadata.so
if [ -e "$so" ]; then
	nm -D --defined-only "$so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | while read -r symbol; do
		grep -qE "^($symbol|${symbol#padata_})\.3 " "$tmp/names" || echo "$symbol"
	done >"$tmp/exported"
	empty "every symbol that the library exports has a page" "$tmp/exported"
else
	not_ok "every symbol that the library exports has a page: $so is missing"
fi

env -u MAKEFLAGS -u MFLAGS make -s install VARIANT="$(basename "$build")" CC="$CC" DESTDIR="$tmp/root" PREFIX=/usr \
	>"$tmp/install" 2>&1 || not_ok "make install" "$tmp/install"
man=$tmp/root/usr/share/man
while read -r name page; do
	[ -s "$man/man${page##*.}/$name" ] || echo "$name is not installed"
done <"$tmp/names" >"$tmp/absent"
empty "every name is installed" "$tmp/absent"
if command -v man >/dev/null && man -M "$man" -w padata_alloc >/dev/null 2>&1; then
	while read -r name; do
		man -M "$man" -w "$name" >/dev/null 2>&1 || echo "man $name finds nothing"
	done <"$tmp/declared" >"$tmp/unfound"
	empty "man NAME finds the page of every name" "$tmp/unfound"
else
	echo "skip man: man NAME finds the page of every name: man does not work here"
fi

# A literal block that begins with #include is a whole program.
mkdir "$tmp/examples"
for page in doc/man/*.[37]; do
	awk -v stem="$tmp/examples/$(basename "$page" | tr . _)" '
		/^\.Bd -literal/ { inside = 1; first = 1; next }
		/^\.Ed/ { inside = 0; file = "" }
		inside && first { file = /^#include/ ? stem "_" ++n ".c" : ""; first = 0 }
		inside && file { gsub(/\\e/, "\\"); print > file }' "$page"
done
for source in "$tmp"/examples/*.c; do
	name="the example of $(basename "$source" .c | sed 's/_\([0-9]\)_[0-9]*$/(\1)/') compiles and runs"
	if "$CC" -std=c11 -Wall -Wextra -Wpedantic -Werror -pthread -Iinclude -o "${source%.c}" "$source" \
		"$build/libpadata.a" >"$tmp/cc" 2>&1 && timeout 60 "${source%.c}" >"$tmp/output" 2>&1; then
		ok "$name"
	else
		cat "$tmp/output" 2>/dev/null || :
		not_ok "$name" "$tmp/cc"
	fi
done
if [ -x "$tmp/examples/padata_7_1" ]; then
	"$tmp/examples/padata_7_1" | awk -F: '{ print $1 }' >"$tmp/order"
	seq 1000 | diff - "$tmp/order" >"$tmp/disorder" || :
	empty "the example of padata(7) keeps the order" "$tmp/disorder"
fi
exit $status
