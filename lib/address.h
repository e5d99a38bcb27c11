/* Where to listen, as the configuration has it: ADDRESS:PORT, [ADDRESS]:PORT or :PORT. */
#pragma once

#include <stdbool.h>
#include <sys/socket.h>

struct address {
	struct sockaddr_storage socket;
	socklen_t len;
	bool any;	/* :PORT, all addresses: [::], or 0.0.0.0 where there is no IPv6 */
};

/* Only numbers: a name may be several addresses, or none today. 0 and *ret, or -EINVAL. */
int address_parse(const char *s, struct address *ret);

/* 0.0.0.0 in the place of [::], with its port. */
void address_without_ipv6(struct address *a);
