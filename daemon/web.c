/* The HTTP server: one request a connection, so that nothing of one can be taken for another. libevent's evhttp is not used, as
 * the version in Debian bounds neither the number of connections nor the time that a request may take to arrive. */
#include "web.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "../lib/address.h"
#include "../lib/limits.h"
#include "../lib/util.h"
#include "../lib/web_request.h"
#include "listener.h"
#include "loop.h"

#define BACKLOG 64

enum phase {
	CLIENT_ASKS,	/* its request arrives */
	CLIENT_READS,	/* the answer is on its way */
	CLIENT_LINGERS,	/* all is sent; closed with bytes unread, the answer might be lost on its way */
};

struct client {
	struct web *web;
	enum phase phase;
	int fd;
	struct loop_fd *watch;
	struct loop_timer *deadline;
	struct buf in, out;
	size_t sent;		/* of out */
	size_t skipped;		/* bytes after the request */
	TAILQ_ENTRY(client) link;
};

struct web {
	struct loop *loop;
	struct listener *listener;
	bool local;			/* only this machine reaches it */
	web_answer_fn answer;
	void *arg;
	unsigned n;
	TAILQ_HEAD(, client) clients;	/* the oldest first */
};

static void client_free(struct client *c)
{
	TAILQ_REMOVE(&c->web->clients, c, link);
	c->web->n--;
	loop_fd_free(c->watch);
	loop_timer_free(c->deadline);
	(void)close(c->fd);
	buf_done(&c->in);
	buf_done(&c->out);
	free(c);
}

/* The head of an answer. */
static void add_head(struct buf *b, const struct web_answer *a)
{
	time_t now = time(NULL);
	char date[64] = "", head[1024];
	struct tm tm;
	int n;

	if (gmtime_r(&now, &tm) != NULL)
		(void)strftime(date, sizeof(date), "Date: %a, %d %b %Y %H:%M:%S GMT\r\n", &tm);
	n = snprintf(head, sizeof(head),
		     "HTTP/1.1 %d %s\r\n%sConnection: close\r\nContent-Type: %s\r\nContent-Length: %zu\r\nCache-Control: no-store\r\n"
		     "Content-Security-Policy: %s\r\nX-Content-Type-Options: nosniff\r\nX-Frame-Options: DENY\r\n"
		     "Referrer-Policy: no-referrer\r\nCross-Origin-Resource-Policy: same-origin\r\n%s\r\n",
		     a->status, web_reason(a->status), date, a->type, a->body.len, a->policy, a->status == 405 ? "Allow: GET, HEAD\r\n" : "");
	(void)buf_add(b, head, (size_t)n);
}

static void client_write(struct client *c)
{
	while (c->sent < c->out.len) {
		ssize_t n = send(c->fd, c->out.data + c->sent, c->out.len - c->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			(void)loop_fd_watch(c->watch, LOOP_WRITE);
			return;
		}
		if (n <= 0) {
			client_free(c);
			return;
		}
		c->sent += (size_t)n;
	}
	buf_done(&c->out);
	c->phase = CLIENT_LINGERS;
	(void)shutdown(c->fd, SHUT_WR);
	loop_timer_arm(c->deadline, WEB_LINGER_SEC * 1000);
	(void)loop_fd_watch(c->watch, LOOP_READ);
}

/* Whether it was asked for by a name of somebody else's: a page in a browser on this machine could have its own name lead
 * here, and read what only this machine may. Where others are served, their names for us are not known. */
static bool is_misdirected(const struct web *w, const struct web_request *q)
{
	return w->local && q->host[0] != '\0' && !host_is_loopback(q->host);
}

static const char *refusal_text(int status)
{
	return status == 421 ? "only requests to localhost, 127.0.0.1 or [::1] are answered here; whoever passes one on must set Host\n"
			     : "only GET and HEAD are answered here, in HTTP/1.1\n";
}

/* Answers the request, or refuses it with a status of web_request_parse(). */
static void client_answer(struct client *c, int refusal, const struct web_request *q)
{
	struct web_answer a = { .status = -refusal, .type = WEB_TEXT, .policy = WEB_POLICY };

	if (refusal == 0 && is_misdirected(c->web, q))
		a.status = 421;
	else if (refusal == 0 && q->method == WEB_OTHER)
		a.status = 405;
	buf_init(&a.body, WEB_ANSWER_MAX);
	if (a.status == 0)
		c->web->answer(c->web->arg, q->path, &a);
	else
		(void)buf_add(&a.body, refusal_text(a.status), strlen(refusal_text(a.status)));
	add_head(&c->out, &a);
	if (refusal < 0 || q->method != WEB_HEAD)
		(void)buf_add(&c->out, a.body.data, a.body.len);
	buf_done(&a.body);
	c->phase = CLIENT_READS;
	client_write(c);
}

static void client_read(struct client *c, const char *p, size_t n)
{
	struct web_request q;
	int r;

	if (c->phase != CLIENT_ASKS) {
		c->skipped += n;
		if (c->skipped > WEB_BODY_SKIPPED_MAX)
			client_free(c);
		return;
	}
	buf_add_some(&c->in, p, n);
	r = web_request_parse(c->in.data, c->in.len, &q);
	if (r == WEB_REQUEST_MORE)
		return;
	/* who sends a body with it has sent some of it already */
	buf_clear(&c->in);
	client_answer(c, r, &q);
}

static void on_client(int fd, unsigned events, void *arg)
{
	struct client *c = arg;
	char text[4096];
	ssize_t n;

	if ((events & LOOP_WRITE) != 0) {
		client_write(c);
		return;
	}
	n = recv(fd, text, sizeof(text), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0)
		client_free(c);
	else
		client_read(c, text, (size_t)n);
}

static void on_deadline(void *arg)
{
	client_free(arg);
}

/* Who connects and says nothing must not keep out who has a question. */
static void make_room(struct web *w)
{
	struct client *c;

	TAILQ_FOREACH(c, &w->clients, link)
		if (c->phase != CLIENT_READS)
			break;
	client_free(c != NULL ? c : TAILQ_FIRST(&w->clients));
}

static void on_connection(int s, void *arg)
{
	struct web *w = arg;
	struct client *c;

	if (w->n >= WEB_CLIENTS_MAX)
		make_room(w);
	c = xcalloc(1, sizeof(*c));
	c->web = w;
	c->fd = s;
	buf_init(&c->in, WEB_HEAD_MAX);
	buf_init(&c->out, WEB_ANSWER_MAX + 1024);
	c->watch = loop_fd_new(w->loop, s, on_client, c);
	c->deadline = loop_timer_new(w->loop, on_deadline, c);
	TAILQ_INSERT_TAIL(&w->clients, c, link);
	w->n++;
	loop_timer_arm(c->deadline, WEB_CLIENT_SEC * 1000);
	(void)loop_fd_watch(c->watch, LOOP_READ);
}

/* A socket that listens, or -errno. */
static int socket_open(const struct address *a)
{
	int fd = socket(a->socket.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1, only = !a->any, r = 0;

	if (fd < 0)
		return -errno;
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (a->socket.ss_family == AF_INET6 && setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) < 0) ||
	    bind(fd, (const struct sockaddr *)&a->socket, a->len) < 0 || listen(fd, BACKLOG) < 0)
		r = -errno;
	if (r == 0)
		return fd;
	(void)close(fd);
	return r;
}

static int listen_on(const char *text, bool *ret_local)
{
	struct address a;
	int r = address_parse(text, &a);

	if (r < 0)
		return r;
	*ret_local = address_is_loopback(&a);
	r = socket_open(&a);
	if (a.any && (r == -EAFNOSUPPORT || r == -EADDRNOTAVAIL)) {
		address_without_ipv6(&a);
		r = socket_open(&a);
	}
	return r;
}

int web_new(struct loop *l, const char *listen, web_answer_fn answer, void *arg, struct web **ret)
{
	bool local = false;
	int fd = listen_on(listen, &local);
	struct web *w;

	if (fd < 0)
		return fd;
	w = xcalloc(1, sizeof(*w));
	*w = (struct web){ .loop = l, .local = local, .answer = answer, .arg = arg };
	TAILQ_INIT(&w->clients);
	w->listener = listener_new(l, fd, on_connection, w);
	*ret = w;
	return 0;
}

struct web *web_free(struct web *w)
{
	struct client *c;

	if (w == NULL)
		return NULL;
	while ((c = TAILQ_FIRST(&w->clients)) != NULL)
		client_free(c);
	listener_free(w->listener);
	free(w);
	return NULL;
}
