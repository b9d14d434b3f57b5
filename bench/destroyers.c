// SPDX-License-Identifier: MIT OR Apache-2.0
// Ways to wait until nobody holds. One more is one more line in the table below; what is to be destroyed is made before the
// clock runs and freed after.
#include "ways.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <psref/device_gate.h>
#include <psref/kmutex.h>
#include <psref/localcount.h>
#include <psref/psref.h>
#include <psref/pserialize.h>
#include <psref/retire.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static void one_membarrier(void)
{
	if (syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ, 0, 0) != 0)
		die("membarrier: %s", strerror(errno));
}

static struct psref_target target;
static struct psref_class *class_;

static void make_target(void)
{
	if (class_ == NULL)
		class_ = psref_class_create("destroy", 0);
	if (class_ == NULL)
		die("psref_class_create failed");
	psref_target_init(&target, class_);
}

static void destroy_target(void)
{
	psref_target_destroy(&target, class_);
}

// The interlock is part of the bargain: taken before the clock runs, given back after.
static struct localcount count;
static kmutex_t interlock;
static kcondvar_t cv;

static void make_count(void)
{
	if (!cv_is_valid(&cv)) {
		mutex_init(&interlock, MUTEX_DEFAULT, IPL_NONE);
		cv_init(&cv, "destroy");
	}
	if (localcount_init(&count) != 0)
		die("out of memory");
	mutex_enter(&interlock);
}

static void drain_count(void)
{
	localcount_drain(&count, &cv, &interlock);
}

static void free_count(void)
{
	mutex_exit(&interlock);
	localcount_fini(&count);
}

static struct device_gate_device device;

static void make_gate(void)
{
	if (device_gate_attach(&device) != 0)
		die("out of memory");
}

static void close_and_seal(void)
{
	device_gate_t *gate;
	if (device_gate_close(&device, "destroy", &gate) != 0)
		die("device_gate_close failed");
	device_gate_seal(&device, gate);
}

static void free_gate(void)
{
	device_gate_detach(&device);
}

// Many at once. Nobody holds them: what is measured is what each costs besides.
enum { AT_ONCE = 1000 };
static struct psref_target many[AT_ONCE], *each[AT_ONCE];

static void make_1000(void)
{
	if (class_ == NULL)
		make_target();
	for (size_t i = 0; i < AT_ONCE; i++) {
		each[i] = &many[i];
		psref_target_init(each[i], class_);
	}
}

static void destroy_1000(void)
{
	psref_target_destroy_many(each, AT_ONCE, class_);
}

static void called(void *target)
{
	if (((struct psref_target *)target)->prt_class != NULL)
		die("a target was not at its end");
}

static void retire_1000(void)
{
	for (size_t i = 0; i < AT_ONCE; i++)
		if (psref_target_retire(&many[i], class_, called, &many[i]) != 0)
			die("psref_target_retire failed");
	psref_retire_barrier();
}

static void perform(void)
{
	pserialize_perform(NULL);
}

// name | before | call | after | what the others do
const struct destroyer destroyers[] = {
	{ MEMBARRIER, NULL, one_membarrier, NULL, PAIR },
	{ DRAIN, make_target, destroy_target, NULL, PAIR },
	{ "psref destroy_many of 1,000", make_1000, destroy_1000, NULL, PAIR },
	{ "psref retire of 1,000 + barrier", make_1000, retire_1000, NULL, PAIR },
	{ LOCALCOUNT_DRAIN, make_count, drain_count, free_count, LOCALCOUNT },
	{ "gate close + seal, nobody inside", make_gate, close_and_seal, free_gate, PASS },
	{ PERFORM, NULL, perform, NULL, PAIR },
	{ "perform, read sections", NULL, perform, NULL, SECTION },
	{ "liburcu memb synchronize", NULL, memb_synchronize, NULL, "liburcu memb" },
	{ "liburcu bp synchronize", NULL, bp_synchronize, NULL, "liburcu bp" },
	{ "liburcu qsbr synchronize", NULL, qsbr_synchronize, NULL, "liburcu qsbr, announcing" },
	{ "ck_epoch_synchronize", NULL, ck_synchronize, NULL, "ck_epoch" },
	{ "crossbeam-epoch defer to call", NULL, crossbeam_synchronize, NULL, "crossbeam-epoch pin" },
	{ "ck_hp retire + purge", NULL, ck_hp_reclaim_one, NULL, "ck_hp" },
	{ "haphazard retire + eager reclaim", NULL, haphazard_reclaim, NULL, "haphazard" },
	{ "seize retire + flush to call", NULL, seize_reclaim, NULL, "seize" },
};
const size_t destroyer_count = COUNT(destroyers);
