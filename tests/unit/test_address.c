#include <arpa/inet.h>
#include <netinet/in.h>

#include "../../lib/address.h"
#include "t.h"
#include "util.h"

static void test_good(void)
{
	char text[INET6_ADDRSTRLEN];
	struct address a;

	T_EQ_INT(address_parse("127.0.0.1:9878", &a), 0);
	T_EQ_INT(a.socket.ss_family, AF_INET);
	T_EQ_INT(ntohs(((struct sockaddr_in *)&a.socket)->sin_port), 9878);
	T_EQ_STR(inet_ntop(AF_INET, &((struct sockaddr_in *)&a.socket)->sin_addr, text, sizeof(text)), "127.0.0.1");
	T_OK(!a.any);
	T_EQ_INT(address_parse("[::1]:1", &a), 0);
	T_EQ_INT(a.socket.ss_family, AF_INET6);
	T_EQ_INT(ntohs(((struct sockaddr_in6 *)&a.socket)->sin6_port), 1);
	T_EQ_STR(inet_ntop(AF_INET6, &((struct sockaddr_in6 *)&a.socket)->sin6_addr, text, sizeof(text)), "::1");
	T_OK(!a.any);
	T_EQ_INT(address_parse(":65535", &a), 0);
	T_OK(a.any);
	T_EQ_INT(a.socket.ss_family, AF_INET6);
	address_without_ipv6(&a);
	T_EQ_INT(a.socket.ss_family, AF_INET);
	T_EQ_INT(a.len, sizeof(struct sockaddr_in));
	T_EQ_INT(ntohs(((struct sockaddr_in *)&a.socket)->sin_port), 65535);
}

static void test_bad(void)
{
	static const char *const bad[] = {
		"", ":", "9878", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:+80", "127.0.0.1: 80",
		"127.0.0.1:80 ", "127.1:80", "localhost:80", "::1:80", "[::1]", "[::1", "[::1]:", "[]:80", "[127.0.0.1]:80", "[::1]x:80",
		"x[::1]:80", "256.0.0.1:80", "[fe80::1%lo]:80", "*:80", "http://127.0.0.1:80",
		"[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]:80",
	};
	struct address a = { .len = 7 };

	for (size_t i = 0; i < ELEMENTSOF(bad); i++)
		T_OK_MSG(address_parse(bad[i], &a) < 0, bad[i]);
	T_EQ_INT(a.len, 7);
}

static void test_loopback(void)
{
	static const char *const ours[] = { "127.0.0.1:1", "127.255.0.9:1", "[::1]:1" },
				 *const others[] = { ":1", "0.0.0.0:1", "[::]:1", "10.0.0.1:1", "128.0.0.1:1", "[::2]:1", "[::ffff:127.0.0.1]:1" };
	static const char *const local[] = { "localhost", "LOCALHOST", "127.0.0.1", "127.9.9.9", "[::1]", "[0:0::1]" },
				 *const foreign[] = { "", "?", "localhost.evil.example", "evil.localhost", "127.0.0.1.evil.example", "127.1", "::1",
						      "[::2]", "[]", "[", "[127.0.0.1]", "0.0.0.0", "10.0.0.1", "localhost@evil.example",
						      "[0000:0000:0000:0000:0000:0000:0000:0000:0000:0000:0001]" };
	struct address a;

	for (size_t i = 0; i < ELEMENTSOF(ours); i++)
		T_OK_MSG(address_parse(ours[i], &a) == 0 && address_is_loopback(&a), ours[i]);
	for (size_t i = 0; i < ELEMENTSOF(others); i++)
		T_OK_MSG(address_parse(others[i], &a) == 0 && !address_is_loopback(&a), others[i]);
	for (size_t i = 0; i < ELEMENTSOF(local); i++)
		T_OK_MSG(host_is_loopback(local[i]), local[i]);
	for (size_t i = 0; i < ELEMENTSOF(foreign); i++)
		T_OK_MSG(!host_is_loopback(foreign[i]), foreign[i]);
}

int main(void)
{
	test_good();
	test_bad();
	test_loopback();
	return t_done();
}
