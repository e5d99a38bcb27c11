/* Where to listen, as the configuration has it: ADDRESS:PORT, [ADDRESS]:PORT or :PORT; and what is this machine itself. */
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

/* Whether only this machine reaches it. */
bool address_is_loopback(const struct address *a);

/* Whether a host, as it stands in a URL, is this machine itself: localhost, 127.0.0.0/8 or [::1]. */
bool host_is_loopback(const char *host);

/* 0.0.0.0 in the place of [::], with its port. */
void address_without_ipv6(struct address *a);
