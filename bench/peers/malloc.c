// SPDX-License-Identifier: MIT OR Apache-2.0
// An allocator beside the process's own: its shared library is loaded for itself, so that nothing else of the process uses it, and
// its functions are called through their addresses. Compiled once for each: ALLOCATOR, LIBRARY, ALLOCATE and RELEASE say which.
#include "../stock.h"

#include <dlfcn.h>

#define NAME2(a, b) a##b
#define NAME(a, b) NAME2(a, b)
#define STOCK_OF(name, type, take, give) STOCK(name, type, take, give)

static void *(*allocate)(size_t size);
static void (*release)(void *object);

static void *setup(void)
{
	if (allocate != NULL)
		return NULL;
	void *library = dlopen(LIBRARY, RTLD_NOW | RTLD_LOCAL | RTLD_DEEPBIND);
	if (library == NULL)
		die("%s", dlerror());
	allocate = (void *(*)(size_t))dlsym(library, ALLOCATE);
	release = (void (*)(void *))dlsym(library, RELEASE);
	if (allocate == NULL || release == NULL)
		die("%s lacks %s or %s", LIBRARY, ALLOCATE, RELEASE);
	return NULL;
}

const struct kind NAME(ALLOCATOR, _kind) = { .setup = setup, .stock = true };

STOCK_OF(ALLOCATOR, void *, allocate(OBJECT_BYTES), release(object))
