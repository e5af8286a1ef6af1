/* SPDX-License-Identifier: MIT */
/* Loads the library, starts a worker, and unloads it while the worker lives: it must survive that. */

#include <dlfcn.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	for (int round = 0; round < 3; round++) {
		void *library = dlopen(argc > 1 ? argv[1] : "libpadata.so.0", RTLD_NOW | RTLD_LOCAL);
		void *(*create)(const char *);
		void (*destroy)(void *);
		void *found;

		if (!library) {
			fprintf(stderr, "%s\n", dlerror());
			return 2;
		}
		found = dlsym(library, "padata_create_workqueue");
		memcpy(&create, &found, sizeof(create));
		found = dlsym(library, "padata_destroy_workqueue");
		memcpy(&destroy, &found, sizeof(destroy));
		if (!create || !destroy)
			return 3;
		found = create("loaded");
		if (!found || dlclose(library) != 0)
			return 4;
		usleep(20000); /* the worker goes on with code that must still be there */
		destroy(found);
	}
	puts("unloaded");
	return 0;
}
