// SPDX-License-Identifier: MIT OR Apache-2.0
// Built into a shared library of its own: see dpdk.c.
#define _GNU_SOURCE
#include <rte_eal.h>
#include <rte_lcore.h>
#include <rte_mempool.h>
#include <sched.h>
#include <stdio.h>

void *bench_dpdk_pool(size_t objects, size_t bytes);
void bench_dpdk_free(void *pool);
void bench_dpdk_join(void);
void bench_dpdk_leave(void);
void *bench_dpdk_take(void *pool);
void bench_dpdk_give(void *pool, void *object);

// Its environment, without huge pages, devices or files of its own. It binds the calling thread to a CPU and answers to the
// name of that CPU; both are taken back.
static int begin(void)
{
	static char *words[] = { (char *)"bench", (char *)"--no-huge", (char *)"--no-shconf", (char *)"--no-pci",
	                         (char *)"--no-telemetry", (char *)"--log-level=3", (char *)"-m", (char *)"64", NULL };
	static int begun;
	cpu_set_t cpus;
	if (begun == 0) {
		sched_getaffinity(0, sizeof cpus, &cpus);
		begun = rte_eal_init(sizeof words / sizeof *words - 1, words) < 0 ? -1 : 1;
		sched_setaffinity(0, sizeof cpus, &cpus);
	}
	return begun;
}

void *bench_dpdk_pool(size_t objects, size_t bytes)
{
	// As many in a thread's cache as in a magazine.
	enum { CACHED = 64 };
	static unsigned pools;
	char name[RTE_MEMPOOL_NAMESIZE];
	if (begin() < 0)
		return NULL;
	snprintf(name, sizeof name, "bench%u", pools++);
	return rte_mempool_create(name, (unsigned)objects, (unsigned)bytes, CACHED, 0, NULL, NULL, NULL, NULL, SOCKET_ID_ANY, 0);
}

void bench_dpdk_free(void *pool)
{
	rte_mempool_free(pool);
}

// Only threads that it knows have a cache.
void bench_dpdk_join(void)
{
	if (rte_lcore_id() == LCORE_ID_ANY)
		rte_thread_register();
}

void bench_dpdk_leave(void)
{
	if (rte_lcore_id() != rte_get_main_lcore())
		rte_thread_unregister();
}

void *bench_dpdk_take(void *pool)
{
	void *object;
	return rte_mempool_get(pool, &object) == 0 ? object : NULL;
}

void bench_dpdk_give(void *pool, void *object)
{
	rte_mempool_put(pool, object);
}
