/* getaddrinfo() of a name server that never answers: every name takes SLOW_DNS_MS (5000) and then fails.
 * Part of test_dns.c, and as a shared object a LD_PRELOAD shim for the whole daemon:
 * cc -shared -fPIC -o slow_dns.so slow_dns.c */
#include <netdb.h>
#include <stdlib.h>
#include <time.h>

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints, struct addrinfo **res)
{
	const char *text = getenv("SLOW_DNS_MS");
	long ms = text != NULL ? strtol(text, NULL, 10) : 5000;
	struct timespec ts = { .tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000 };

	(void)node;
	(void)service;
	(void)hints;
	*res = NULL;
	(void)nanosleep(&ts, NULL);
	return EAI_AGAIN;
}
