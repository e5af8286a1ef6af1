#!/bin/sh
# SPDX-License-Identifier: MIT
# What `make install` puts where, that programs find it by pkg-config and run, and that `make uninstall` leaves nothing.
here=$(cd "$(dirname "$0")" && pwd)
top=$(cd "$here/../.." && pwd)
build=${PADATA_BUILD:-$top/build/release}
variant=$(basename "$build")
CC=${CC:-gcc}
case $CC in *clang*) CXX=clang++ ;; *) CXX=g++ ;; esac
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT
failed=0
unset MAKEFLAGS MFLAGS MAKELEVEL DESTDIR PREFIX LIBDIR

# $1: what is checked; the rest: a command
try() {
	what=$1
	shift
	if "$@" >"$tmp/log" 2>&1; then
		echo "ok install: $what"
	else
		echo "not ok install: $what"
		head -n 20 "$tmp/log"
		failed=1
	fi
}

install_to() { make -C "$top" -s install VARIANT="$variant" CC="$CC" "$@"; }
uninstall_from() { make -C "$top" -s uninstall VARIANT="$variant" CC="$CC" "$@"; }

root=$tmp/root
try "make install" install_to PREFIX=/usr DESTDIR="$root"
lib=$root/usr/lib
so=$(readlink -f "$lib/libpadata.so" 2>/dev/null)

for f in usr/lib/libpadata.a usr/lib/libpadata.so usr/lib/libpadata.so.0 usr/lib/pkgconfig/padata.pc \
	usr/include/padata/padata.h usr/include/padata/linux/padata.h usr/include/padata/linux/workqueue.h \
	usr/include/padata/linux/cpumask.h; do
	try "/$f is there" test -s "$root/$f"
done
# A header that is ours must not take the place of one of the system's.
try "no header outside include/padata" sh -c "! find $root/usr/include -type f | grep -v '^$root/usr/include/padata/'"
try "the build's folders are nowhere in what is installed" sh -c "! grep -rlF -e '$tmp' -e '$top' '$root/usr/lib/pkgconfig' '$root/usr/include'"

soname() { readelf -d "$so" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p'; }
try "the soname is libpadata.so.0" test "$(soname)" = libpadata.so.0
try "the soname's link leads to the library" test "$(readlink -f "$lib/libpadata.so.0")" = "$so"
nm -D --defined-only "$so" | awk '$2 != "A" { print $3 }' | sed 's/@.*//' | sort -u >"$tmp/exported"
try "symbols are exported" test -s "$tmp/exported"
try "every exported symbol begins with padata_" sh -c "! grep -v '^padata_' '$tmp/exported'"
nm -g --defined-only "$lib/libpadata.a" | awk 'NF == 3 { print $3 }' | sort -u >"$tmp/static"
try "every name of the document is exported" sh -c "
	for name in alloc start stop set_cpumask add_cpu remove_cpu do_parallel do_serial free; do
		grep -qx padata_\$name '$tmp/exported' || { echo padata_\$name; exit 1; }
	done"
try "every exported symbol is in the static library" sh -c "! comm -23 '$tmp/exported' '$tmp/static' | grep ."
try "every global symbol of the static library is padata_* or pd_*" sh -c "! grep -vE '^(padata_|pd_)' '$tmp/static'"
try "the library needs the C library alone" sh -c \
	"! readelf -d '$so' | grep NEEDED | grep -vE '\[(libc\.so|ld-linux|libpthread\.so)'"
try "no executable stack and no text relocations" sh -c "! { readelf -lW '$so' | grep 'GNU_STACK.*RWE'; readelf -d '$so' | grep TEXTREL; }"

if command -v pkg-config >/dev/null; then
	PKG_CONFIG_PATH=$lib/pkgconfig
	PKG_CONFIG_SYSROOT_DIR=$root
	PKG_CONFIG_ALLOW_SYSTEM_LIBS=1
	PKG_CONFIG_LIBDIR=$lib/pkgconfig
	export PKG_CONFIG_PATH PKG_CONFIG_SYSROOT_DIR PKG_CONFIG_ALLOW_SYSTEM_LIBS PKG_CONFIG_LIBDIR
	cflags=$(pkg-config --cflags padata)
	libs=$(pkg-config --libs padata)
	static=$(pkg-config --static --libs padata | sed 's/-lpadata/-l:libpadata.a/')
	try "pkg-config knows the version" pkg-config --exact-version="$(pkg-config --modversion padata)" padata
	warnings="-Wall -Wextra -Wpedantic -Werror"
	# shellcheck disable=SC2086
	for program in consumer names_of_its_own; do
		try "$program, C, shared library, builds" "$CC" -std=c99 $warnings $cflags -o "$tmp/shared" "$here/$program.c" $libs
		try "$program, C, shared library, runs" env LD_LIBRARY_PATH="$lib" timeout 60 "$tmp/shared"
		try "$program, C, static library, builds" "$CC" -std=c99 $warnings $cflags -rdynamic -o "$tmp/static_c" \
			"$here/$program.c" $static
		try "$program, C, static library, runs" timeout 60 "$tmp/static_c"
	done
	if command -v $CXX >/dev/null; then
		# shellcheck disable=SC2086
		{
			try "consumer, C++, shared library, builds" $CXX -std=c++17 $warnings $cflags -x c++ -o "$tmp/shared_cxx" \
				"$here/consumer.c" $libs
			try "consumer, C++, shared library, runs" env LD_LIBRARY_PATH="$lib" timeout 60 "$tmp/shared_cxx"
			try "consumer, C++, static library, builds" $CXX -std=c++17 $warnings $cflags -x c++ -o "$tmp/static_cxx" \
				"$here/consumer.c" $static
			try "consumer, C++, static library, runs" timeout 60 "$tmp/static_cxx"
		}
	else
		echo "skip install: no C++ compiler"
	fi
	# shellcheck disable=SC2086
	try "the loader builds" "$CC" -std=c99 -D_GNU_SOURCE $warnings -o "$tmp/loader" "$here/loader.c" -ldl
	try "the library survives dlclose() with workers alive" timeout 60 "$tmp/loader" "$lib/libpadata.so.0"
else
	echo "skip install: pkg-config is not installed"
fi

try "make uninstall" uninstall_from PREFIX=/usr DESTDIR="$root"
try "make uninstall leaves no file" sh -c "! find '$root' ! -type d | grep ."

# A folder of its own, given with PREFIX alone, goes away whole.
own=$tmp/own/padata
try "make install PREFIX=" install_to PREFIX="$own"
try "a program beside the library runs" sh -c "'$CC' -std=c99 -I'$own/include/padata' -o '$tmp/beside' '$here/consumer.c' \
	-L'$own/lib' -lpadata -Wl,-rpath,'$own/lib' && '$tmp/beside'"
mkdir -p "$own/lib" && : >"$own/lib/somebody_elses"
try "make uninstall PREFIX=" uninstall_from PREFIX="$own"
try "make uninstall leaves somebody else's file, and no more" test "$(find "$own" ! -type d)" = "$own/lib/somebody_elses"
[ $failed -eq 0 ]
