/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/*
 * Passive serialization, pserialize(9): read sections that cost two stores to the thread's own memory. Whoever takes something out
 * of reach waits for the sections that were open then.
 *
 * Generated from ffi/src/pserialize.rs by `make headers`.
 */

#ifndef PSREF_PSERIALIZE_H
#define PSREF_PSERIALIZE_H

#include <stdbool.h>
#include <stdint.h>
#include <psref/base.h>

/** What those who wait for read sections use. */
struct pserialize;

/** A handle for pserialize_perform(). Read sections are the process's: every perform waits for all of them. */
typedef struct pserialize *pserialize_t;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/**
 * Makes a handle. Returns NULL with errno ENOMEM, which may be used all the same: performs accept NULL, for code that runs
 * before its create.
 *
 * Context: may sleep; not in signal handlers. Source: pserialize(9).
 */
pserialize_t pserialize_create(void);

/**
 * Destroys a handle. One that was destroyed already is a fatal diagnostic.
 *
 * Context: any but signal handlers; does not sleep. Source: pserialize(9).
 *
 * Requires: nobody uses the handle any more.
 */
void pserialize_destroy(pserialize_t psz);

/**
 * Waits until every read section has ended that was open when this was called, in any thread. Whoever unpublished
 * something before may free it afterwards.
 *
 * Costs one membarrier where nobody is inside (two before Linux 6.18, which could lose one); performs at the same time
 * share it. A wait of more than PSREF_DRAIN_WARN seconds (environment; default 10) is told on standard error, with the
 * threads that are inside, and goes on. Inside a read section of the calling thread: a fatal diagnostic.
 *
 * Context: may sleep; not in signal handlers; with mutexes held that no read section takes. Source: pserialize(9).
 *
 * Requires: `psz` is NULL, or came from pserialize_create().
 */
void pserialize_perform(pserialize_t psz);

/**
 * Opens a read section: nothing that was within reach goes away before pserialize_read_exit(), provided that whoever takes
 * things away calls pserialize_perform() in between. Sections nest, at most 65535 deep.
 *
 * Returns what pserialize_read_exit() wants back.
 *
 * Context: any, signal handlers too; never sleeps. To sleep inside is possible, and delays every perform of the process.
 * Source: pserialize(9).
 */
int pserialize_read_enter(void);

/**
 * Closes the innermost read section of the calling thread. Outside of every section: a fatal diagnostic.
 *
 * Context: any, signal handlers too; never sleeps. Source: pserialize(9).
 */
void pserialize_read_exit(int s);

/**
 * Whether the calling thread is inside a read section. For assertions.
 *
 * Context: any, signal handlers too; never sleeps. Source: pserialize(9).
 */
bool pserialize_in_read_section(void);

/**
 * Whether the calling thread is outside of every read section. For assertions.
 *
 * Context: any, signal handlers too; never sleeps. Source: pserialize(9).
 */
bool pserialize_not_in_read_section(void);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* PSREF_PSERIALIZE_H */


#ifdef PSREF_INLINE
#include <psref/inline_pserialize.h>
#endif
