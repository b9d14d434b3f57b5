/* SPDX-License-Identifier: MIT OR Apache-2.0 */
/* One prefix as people write it: 192.0.2.0/24, 2001:db8::/32. */
#define _POSIX_C_SOURCE 200809L

#include <arpa/inet.h>
#include <string.h>

#include "route.h"

static bool
parse_length(const char *text, unsigned max, unsigned *len)
{
	size_t digits = strspn(text, "0123456789");

	if (digits == 0 || digits > 3 || text[digits] != '\0')
		return false;
	*len = 0;
	for (; *text != '\0'; text++)
		*len = *len * 10 + (unsigned)(*text - '0');
	return *len <= max;
}

static bool
has_bits_after(const struct prefix *p)
{
	for (unsigned i = p->len; i < address_bits(p->net.v6); i++)
		if (p->net.byte[i / 8] & (0x80u >> i % 8))
			return true;
	return false;
}

const char *
prefix_parse(const char *text, struct prefix *p)
{
	const char *slash = strchr(text, '/');
	char address[INET6_ADDRSTRLEN];

	if (slash == NULL)
		return "no /length";
	if ((size_t)(slash - text) >= sizeof address)
		return "not an address";
	memset(p, 0, sizeof *p);
	memcpy(address, text, (size_t)(slash - text));
	address[slash - text] = '\0';

	p->net.v6 = strchr(address, ':') != NULL;
	if (inet_pton(p->net.v6 ? AF_INET6 : AF_INET, address, p->net.byte) != 1)
		return "not an address";
	if (!parse_length(slash + 1, address_bits(p->net.v6), &p->len))
		return p->net.v6 ? "the length is not 0 to 128" : "the length is not 0 to 32";
	if (has_bits_after(p))
		return "the address has bits beyond the length";
	return NULL;
}
