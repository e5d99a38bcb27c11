/* A server of canned answers on the loop under test: the path chooses the answer. For one test program each. */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../../daemon/loop.h"
#include "../../lib/util.h"

struct canned {
	const char *path;
	const char *answer;	/* NULL: none, the connection stays */
	size_t len;		/* 0: strlen() */
	bool close;
	size_t pad;		/* this many 'x' after the answer */
};

struct conn {
	struct loop_fd *watch;
	int fd;
	char in[65536];
	size_t n;
	LIST_ENTRY(conn) link;
};

static struct {
	struct loop *loop;
	struct loop_fd *watch;
	int fd;
	uint16_t port;
	const struct canned *answers;
	size_t n_answers;
	LIST_HEAD(, conn) conns;
	char last[65536];	/* the last request, head and body */
	unsigned requests, connections;
} server;

static void conn_close(struct conn *c)
{
	LIST_REMOVE(c, link);
	loop_fd_free(c->watch);
	(void)close(c->fd);
	free(c);
}

static void send_all(int fd, const char *p, size_t n)
{
	while (n > 0) {
		ssize_t w = write(fd, p, n);

		if (w < 0 && errno == EAGAIN) {
			(void)usleep(1000);
			continue;
		}
		if (w <= 0)
			return;
		p += w;
		n -= (size_t)w;
	}
}

/* Whether the connection is still there. */
static bool answer(struct conn *c)
{
	const char *path = strchr(c->in, ' ');
	size_t len = path != NULL ? strcspn(path + 1, " ?") : 0;

	server.requests++;
	memcpy(server.last, c->in, c->n + 1);
	c->n = 0;
	for (size_t i = 0; i < server.n_answers; i++) {
		const struct canned *a = &server.answers[i];

		if (strlen(a->path) != len || strncmp(a->path, path + 1, len) != 0)
			continue;
		if (a->answer != NULL)
			send_all(c->fd, a->answer, a->len > 0 ? a->len : strlen(a->answer));
		if (a->pad > 0) {
			char *x = malloc(a->pad);

			memset(x, 'x', a->pad);
			send_all(c->fd, x, a->pad);
			free(x);
		}
		if (a->close) {
			conn_close(c);
			return false;
		}
		return true;
	}
	send_all(c->fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 45);
	return true;
}

static bool request_complete(const struct conn *c)
{
	const char *head = strstr(c->in, "\r\n\r\n"), *length = ascii_strcasestr(c->in, "\r\ncontent-length:");
	size_t body = length != NULL ? strtoul(length + 17, NULL, 10) : 0;

	return head != NULL && c->n >= (size_t)(head + 4 - c->in) + body;
}

static void on_conn(int fd, unsigned events, void *arg)
{
	struct conn *c = arg;
	ssize_t n = read(fd, c->in + c->n, sizeof(c->in) - 1 - c->n);

	(void)events;
	if (n < 0 && errno == EAGAIN)
		return;
	if (n <= 0) {
		conn_close(c);
		return;
	}
	c->n += (size_t)n;
	c->in[c->n] = '\0';
	if (request_complete(c))
		(void)answer(c);
}

static void on_accept(int fd, unsigned events, void *arg)
{
	int s = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
	struct conn *c;

	(void)events;
	(void)arg;
	if (s < 0)
		return;
	server.connections++;
	c = calloc(1, sizeof(*c));
	c->fd = s;
	c->watch = loop_fd_new(server.loop, s, on_conn, c);
	LIST_INSERT_HEAD(&server.conns, c, link);
	(void)loop_fd_watch(c->watch, LOOP_READ);
}

static inline void server_start(struct loop *l, const struct canned *answers, size_t n)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);

	server.loop = l;
	server.answers = answers;
	server.n_answers = n;
	LIST_INIT(&server.conns);
	server.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (server.fd < 0 || bind(server.fd, (struct sockaddr *)&a, len) < 0 || listen(server.fd, 128) < 0 ||
	    getsockname(server.fd, (struct sockaddr *)&a, &len) < 0) {
		perror("server");
		exit(1);
	}
	server.port = ntohs(a.sin_port);
	server.watch = loop_fd_new(l, server.fd, on_accept, NULL);
	(void)loop_fd_watch(server.watch, LOOP_READ);
}

static inline void server_stop(void)
{
	struct conn *c;

	while ((c = LIST_FIRST(&server.conns)) != NULL)
		conn_close(c);
	loop_fd_free(server.watch);
	(void)close(server.fd);
}
