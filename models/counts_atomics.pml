/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* counts_atomics.pml - localcount on the atomics back end: no sections, no membarrier, any thread may stop anywhere.
 *
 * Every addition is a fetch-and-add on any of NA (2) cells, every closing an exchange of each cell for CLOSED. All of it is
 * localcount.pml's (what is checked, sizes, switches) and cells.pml's, where they do not speak of sections or a membarrier.
 */
#define ATOMIC
#include "localcount.pml"
