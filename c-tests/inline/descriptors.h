// SPDX-License-Identifier: MIT OR Apache-2.0
// Looks at every section descriptor of the running program: what it describes is there, and has the signature where the kernel looks
// for it. After test.h.
#ifndef PSREF_C_TESTS_INLINE_DESCRIPTORS_H
#define PSREF_C_TESTS_INLINE_DESCRIPTORS_H

#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <stdint.h>
#include <sys/stat.h>

struct descriptor {
	uint32_t version, flags;
	uint64_t start, length, abort;
};

extern const char __executable_start[], etext[];

static inline bool is_code(uint64_t address)
{
	return address >= (uintptr_t)__executable_start && address < (uintptr_t)etext;
}

// How many there are; a wrong one ends the test.
static inline unsigned check_descriptors(void)
{
	struct stat about;
	int file = open("/proc/self/exe", O_RDONLY);
	CHECK(file >= 0 && fstat(file, &about) == 0);
	const char *image = (const char *)mmap(NULL, (size_t)about.st_size, PROT_READ, MAP_PRIVATE, file, 0);
	CHECK(image != MAP_FAILED);
	const ElfW(Ehdr) *header = (const ElfW(Ehdr) *)image;
	const ElfW(Shdr) *sections = (const ElfW(Shdr) *)(image + header->e_shoff);
	const char *names = image + sections[header->e_shstrndx].sh_offset;
	uintptr_t base = header->e_type == ET_DYN ? (uintptr_t)__executable_start : 0;
	unsigned count = 0;
	for (unsigned i = 0; i < header->e_shnum; i++) {
		if (strcmp(names + sections[i].sh_name, "__rseq_cs") != 0)
			continue;
		const struct descriptor *each = (const struct descriptor *)(base + sections[i].sh_addr);
		CHECK_EQ(sections[i].sh_size % sizeof *each, 0);
		CHECK_EQ((uintptr_t)each % 32, 0);
		for (size_t left = sections[i].sh_size / sizeof *each; left > 0; left--, each++, count++) {
			uint32_t signature;
			CHECK_EQ(each->version, 0);
			CHECK_EQ(each->flags, 0);
			CHECK(is_code(each->start) && each->length > 0 && is_code(each->start + each->length));
			CHECK(is_code(each->abort) && (each->abort < each->start || each->abort >= each->start + each->length));
			memcpy(&signature, (const char *)(uintptr_t)each->abort - 4, 4);
			CHECK_EQ(signature, 0x53053053);
		}
	}
	munmap((void *)(uintptr_t)image, (size_t)about.st_size);
	close(file);
	return count;
}

#endif
