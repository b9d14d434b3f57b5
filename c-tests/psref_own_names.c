// SPDX-License-Identifier: MIT OR Apache-2.0
// A program that has functions and types of the kernel's short names itself, and wants psref's own.
#define PSREF_NO_KMUTEX_NAMES
#include <psref.h>

#include "test.h"

// Not static: the linker sees them beside the library's.
typedef int kmutex_t;
typedef int kcondvar_t;
enum { MUTEX_DEFAULT = 99, IPL_NONE = 98, IPL_SOFTNET = 97 };
#ifdef __cplusplus
extern "C" {
#endif
int mutex_init(kmutex_t *mutex);
int mutex_enter(kmutex_t *mutex);
int cv_wait(kcondvar_t *cv);
void *kmem_alloc(size_t size);
int curcpu(void);
#ifdef __cplusplus
}
#endif
int mutex_init(kmutex_t *mutex)
{
	return *mutex = MUTEX_DEFAULT;
}
int mutex_enter(kmutex_t *mutex)
{
	return (*mutex)++;
}
int cv_wait(kcondvar_t *cv)
{
	return *cv;
}
void *kmem_alloc(size_t size)
{
	return malloc(size);
}
int curcpu(void)
{
	return IPL_NONE;
}

static void the_programs_own_names_are_its_own_and_the_library_works(void)
{
	struct psref_class *pool = psref_class_create("own", 4);
	struct psref_target target;
	struct psref hold;
	struct localcount count;
	kmutex_t mutex = 0;
	kcondvar_t cv = 7;

	CHECK_EQ(mutex_init(&mutex), MUTEX_DEFAULT);
	CHECK_EQ(mutex_enter(&mutex), MUTEX_DEFAULT);
	CHECK_EQ(cv_wait(&cv), 7);
	CHECK_EQ(curcpu(), IPL_NONE);
	free(kmem_alloc(1));

	CHECK(pool != NULL);
	psref_target_init(&target, pool);
	int bound = psref_curlwp_bind();
	CHECK_EQ(psref_acquire(&hold, &target, pool), 0);
	psref_release(&hold, &target, pool);
	psref_curlwp_bindx(bound);
	psref_target_destroy(&target, pool);
	psref_class_destroy(pool);
	CHECK_EQ(localcount_init(&count), 0);
	CHECK(localcount_trydrain(&count));
	localcount_fini(&count);
}

TEST_MAIN(TEST(the_programs_own_names_are_its_own_and_the_library_works))
