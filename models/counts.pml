/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* counts.pml - localcount on restartable sections and membarrier, and the cell of the threads that have no section.
 *
 * All of it is localcount.pml's (what is checked, sizes, switches), cells.pml's and machine.pml's.
 */
#include "localcount.pml"
