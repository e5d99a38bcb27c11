#include "address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <stdint.h>
#include <string.h>

#include "util.h"

static void set_ipv4(struct address *a, struct in_addr host, in_port_t port)
{
	struct sockaddr_in *in = (struct sockaddr_in *)&a->socket;

	*in = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = host, .sin_port = port };
	a->len = sizeof(*in);
}

static void set_ipv6(struct address *a, struct in6_addr host, in_port_t port)
{
	struct sockaddr_in6 *in = (struct sockaddr_in6 *)&a->socket;

	*in = (struct sockaddr_in6){ .sin6_family = AF_INET6, .sin6_addr = host, .sin6_port = port };
	a->len = sizeof(*in);
}

int address_parse(const char *s, struct address *ret)
{
	const char *colon = strrchr(s, ':');
	struct address a = { .any = colon == s };
	char host[INET6_ADDRSTRLEN];
	struct in6_addr v6;
	struct in_addr v4;
	int64_t port;
	size_t n;

	/* parse_int() takes a sign, which a port has not */
	if (colon == NULL || colon[1] < '0' || colon[1] > '9' || parse_int(colon + 1, 1, UINT16_MAX, &port) < 0)
		return -EINVAL;
	n = (size_t)(colon - s);
	if (a.any) {
		set_ipv6(&a, in6addr_any, htons((uint16_t)port));
	} else if (s[0] == '[' && n >= 2 && s[n - 1] == ']' && n - 2 < sizeof(host)) {
		memcpy(host, s + 1, n - 2);
		host[n - 2] = '\0';
		if (inet_pton(AF_INET6, host, &v6) != 1)
			return -EINVAL;
		set_ipv6(&a, v6, htons((uint16_t)port));
	} else if (n < sizeof(host)) {
		memcpy(host, s, n);
		host[n] = '\0';
		if (inet_pton(AF_INET, host, &v4) != 1)
			return -EINVAL;
		set_ipv4(&a, v4, htons((uint16_t)port));
	} else {
		return -EINVAL;
	}
	*ret = a;
	return 0;
}

static bool is_loopback(struct in_addr a)
{
	return ntohl(a.s_addr) >> 24 == 127;
}

bool address_is_loopback(const struct address *a)
{
	if (a->socket.ss_family == AF_INET6)
		return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)&a->socket)->sin6_addr);
	return is_loopback(((const struct sockaddr_in *)&a->socket)->sin_addr);
}

bool host_is_loopback(const char *host)
{
	char text[INET6_ADDRSTRLEN + 2];
	struct in6_addr a6;
	struct in_addr a4;
	size_t n = strlen(host);

	if (ascii_strcasecmp(host, "localhost") == 0)
		return true;
	if (inet_pton(AF_INET, host, &a4) == 1)
		return is_loopback(a4);
	if (n < 3 || n >= sizeof(text) || host[0] != '[')
		return false;
	memcpy(text, host + 1, n - 2);
	text[n - 2] = '\0';
	return inet_pton(AF_INET6, text, &a6) == 1 && IN6_IS_ADDR_LOOPBACK(&a6);
}

void address_without_ipv6(struct address *a)
{
	set_ipv4(a, (struct in_addr){ .s_addr = htonl(INADDR_ANY) }, ((const struct sockaddr_in6 *)&a->socket)->sin6_port);
}
