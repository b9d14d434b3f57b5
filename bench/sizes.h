// SPDX-License-Identifier: MIT OR Apache-2.0
// Bytes that the library takes. Generated from its constants by `make headers`.
#ifndef PSREF_BENCH_SIZES_H
#define PSREF_BENCH_SIZES_H

#define BYTES_CLASS        640  // a class of psref
#define BYTES_CLASS_CPU    512  // the same, on every CPU that its holds lie on
#define BYTES_SLOT         16   // a hold that found no room in these
#define BYTES_GATE         128  // a device gate while it is closed
#define BYTES_CELL_CPU     8    // a localcount or a gate, on every CPU that uses it
#define BYTES_RECORD       256  // a thread
#define BYTES_LINK         4    // an object of a pool (and one more in a strict one)
#define BYTES_MAGAZINE_CPU 1024 // a pool, on every possible CPU and once in what all share

#endif
