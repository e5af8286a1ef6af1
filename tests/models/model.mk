# SPDX-License-Identifier: MIT
# make check-model: every state of the models of the protocol, by Spin. See tests/models/README.md.

check-model: deps
	@tests/models/check

.PHONY: check-model
