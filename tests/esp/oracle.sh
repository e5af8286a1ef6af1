#!/bin/sh
# SPDX-License-Identifier: MIT
# Packets against an independent ESP in Python: Debian's python3-cryptography, hmac from the standard library.
py=/usr/bin/python3
driver=${PADATA_BUILD:-build/release}/tests/esp/oracle_driver
if ! "$py" -c 'import cryptography' 2>/dev/null; then
	echo "skip oracle: python3-cryptography is not installed"
	exit 77
fi
if [ ! -x "$driver" ]; then
	echo "not ok oracle: $driver is not built"
	exit 1
fi
exec "$py" "$(dirname "$0")/oracle.py" "$driver"
