/* SPDX-License-Identifier: MIT */
#include "stream_alloc.h"
#include "stream_say.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *must_alloc(size_t size)
{
	void *memory = malloc(size ? size : 1);
	if (!memory) {
		say("out of memory");
		_exit(EXIT_ERROR);
	}
	return memory;
}

void *must_realloc(void *memory, size_t size)
{
	void *bigger = realloc(memory, size ? size : 1);
	if (!bigger) {
		say("out of memory");
		_exit(EXIT_ERROR);
	}
	return bigger;
}

char *must_copy(const char *text)
{
	size_t size = strlen(text) + 1;
	return memcpy(must_alloc(size), text, size);
}
