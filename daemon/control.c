/* The control socket: JSON lines from adosyncctl. Whoever may connect is decided by the socket's mode; what he sends is not
 * trusted, and a client that does not read holds nothing up. */
#include <errno.h>
#include <jansson.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "../lib/buf.h"
#include "../lib/limits.h"
#include "../lib/util.h"
#include "approval.h"
#include "check.h"
#include "commands.h"
#include "listener.h"
#include "log.h"
#include "loop.h"
#include "syncd_internal.h"
#include "withdrawal.h"

#define STREAM_AHEAD ((size_t)64 << 10)	/* bytes of a long answer that are made before the client has read some */
#define TURN_BYTES ((size_t)1 << 20)	/* sent to a client that reads fast, before others have their turn */

struct client {
	struct control *control;
	int fd;
	struct loop_fd *watch;
	struct loop_timer *idle;
	struct buf in, out;
	size_t sent;			/* of out */
	struct command stream;		/* a long answer that goes on */
	char *instance;			/* whose repositories it lists */
	struct check *check;
	struct withdrawal *withdrawal;
	struct approval *approval;
	bool closing;			/* once out is empty */
	LIST_ENTRY(client) link;
};

struct control {
	struct syncd *d;
	struct listener *listener;
	char *path;
	unsigned n;
	LIST_HEAD(, client) clients;
};

static void client_free(struct client *c)
{
	LIST_REMOVE(c, link);
	c->control->n--;
	check_cancel(c->check);
	withdrawal_cancel(c->withdrawal);
	approval_cancel(c->approval);
	loop_fd_free(c->watch);
	loop_timer_free(c->idle);
	(void)close(c->fd);
	buf_done(&c->in);
	buf_done(&c->out);
	free(c->instance);
	free(c);
}

static void client_text(struct client *c, const char *text)
{
	if (text == NULL || buf_add(&c->out, text, strlen(text)) < 0 || buf_add(&c->out, "\n", 1) < 0)
		c->closing = true;
}

static void client_line(struct client *c, json_t *line)
{
	_cleanup_free_ char *text = json_dumps(line, JSON_COMPACT);

	json_decref(line);
	client_text(c, text);
}

/* Makes more of a long answer, as far as the client keeps up. */
static void client_fill(struct client *c)
{
	bool last = false;

	while (c->stream.kind == COMMAND_STREAM && !last && c->out.len - c->sent < STREAM_AHEAD && !c->closing) {
		client_line(c, command_stream_next(c->control->d, &c->stream, syncd_find(c->control->d, c->instance), &last));
		if (last)
			c->stream = (struct command){ 0 };
	}
}

/* Whether the client may be served another request: the one before is answered, and read. */
static bool client_is_free(const struct client *c)
{
	return c->out.len == 0 && c->stream.kind == COMMAND_ANSWERED && c->check == NULL && c->withdrawal == NULL &&
	       c->approval == NULL;
}

/* The answer is read. What a long one took is not kept for the next. */
static void client_read_all(struct client *c)
{
	if (c->out.cap > 2 * STREAM_AHEAD)
		buf_done(&c->out);
	else
		buf_clear(&c->out);
	c->sent = 0;
}

/* False when the client is gone. */
static bool client_write(struct client *c)
{
	for (size_t turn = 0;;) {
		size_t some;
		ssize_t n;

		client_fill(c);
		if (c->sent == c->out.len)
			break;
		/* a client that reads meanwhile makes room for as much again */
		some = TURN_BYTES - turn < c->out.len - c->sent ? TURN_BYTES - turn : c->out.len - c->sent;
		errno = EAGAIN;
		n = some > 0 ? send(c->fd, c->out.data + c->sent, some, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;
		if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
			(void)loop_fd_watch(c->watch, LOOP_WRITE);
			return true;
		}
		if (n <= 0) {
			client_free(c);
			return false;
		}
		c->sent += (size_t)n;
		turn += (size_t)n;
		if (c->out.cap > 2 * STREAM_AHEAD)
			buf_give_back(&c->out, c->sent);
		loop_timer_arm(c->idle, CONTROL_IDLE_SEC * 1000);
		if (c->sent == c->out.len) {
			client_read_all(c);
			/* whoever reads fast gets the rest piece by piece: the loop has others to serve */
			if (c->stream.kind == COMMAND_STREAM && !c->closing) {
				(void)loop_fd_watch(c->watch, LOOP_WRITE);
				return true;
			}
		}
	}
	if (c->closing) {
		client_free(c);
		return false;
	}
	(void)loop_fd_watch(c->watch, LOOP_READ);
	return true;
}

static bool client_serve(struct client *c);

static void on_later_answer(json_t *answer, void *arg)
{
	struct client *c = arg;

	c->check = NULL;
	c->withdrawal = NULL;
	client_line(c, answer);
	if (client_write(c))
		(void)client_serve(c);
}

static void on_approval(struct buf *answer, void *arg)
{
	struct client *c = arg;

	c->approval = NULL;
	/* the client had nothing else to read */
	buf_done(&c->out);
	c->out = *answer;
	*answer = (struct buf){ 0 };
	client_text(c, "");
	if (client_write(c))
		(void)client_serve(c);
}

static void client_request(struct client *c, const char *line, size_t n)
{
	struct syncd *d = c->control->d;
	json_error_t error;
	json_t *request = json_loadb(line, n, JSON_REJECT_DUPLICATES, &error);
	struct command command = { 0 };

	if (!json_is_object(request)) {
		client_line(c, json_pack("{s:b,s:s}", "ok", 0, "error", "a request is one JSON object on one line"));
		json_decref(request);
		return;
	}
	command_run(d, request, &command);
	switch (command.kind) {
	case COMMAND_ANSWERED:
		client_line(c, command.answer);
		break;
	case COMMAND_STREAM:
		free(c->instance);
		c->instance = xstrdup(source_config(command.source)->name);
		c->stream = command;
		break;
	case COMMAND_CHECK:
		c->check = check_start(&d->context, command.source, on_later_answer, c);
		break;
	case COMMAND_APPROVAL:
		c->approval = approval_start(d, command.source, command.hash, on_approval, c);
		break;
	case COMMAND_WITHDRAW:
		c->withdrawal = withdrawal_start(d, command.name, command.hash, on_later_answer, c);
		break;
	}
	json_decref(request);
}

/* Serves one line that is complete, and the next in another turn: the loop has others to serve. False when the client is gone. */
static bool client_serve(struct client *c)
{
	char *end = client_is_free(c) && c->in.len > 0 ? memchr(c->in.data, '\n', c->in.len) : NULL;
	size_t n;

	if (end == NULL)
		return true;
	n = (size_t)(end - c->in.data);
	client_request(c, c->in.data, n);
	c->in.len -= n + 1;
	memmove(c->in.data, end + 1, c->in.len);
	if (!client_write(c))
		return false;
	if (client_is_free(c) && memchr(c->in.data, '\n', c->in.len) != NULL)
		(void)loop_fd_watch(c->watch, LOOP_WRITE);
	return true;
}

/* The client sends no more. Whoever is gone altogether does not wait for an answer either. */
static void client_end(struct client *c)
{
	struct pollfd p = { .fd = c->fd };

	if (poll(&p, 1, 0) == 0 && !client_is_free(c)) {
		(void)loop_fd_watch(c->watch, 0);
		return;
	}
	if (c->in.len > 0)
		client_line(c, json_pack("{s:b,s:s}", "ok", 0, "error", "the request is cut off, it ends with no newline"));
	c->closing = true;
	(void)client_write(c);
}

static void on_client(int fd, unsigned events, void *arg)
{
	struct client *c = arg;
	char text[4096];
	ssize_t n;

	if ((events & LOOP_WRITE) != 0) {
		if (client_write(c))
			(void)client_serve(c);
		return;
	}
	n = recv(fd, text, sizeof(text), MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n < 0) {
		client_free(c);
		return;
	}
	if (n == 0) {
		client_end(c);
		return;
	}
	loop_timer_arm(c->idle, CONTROL_IDLE_SEC * 1000);
	if (buf_add(&c->in, text, (size_t)n) < 0) {
		client_line(c, json_pack("{s:b,s:s}", "ok", 0, "error", "the request is too long"));
		c->closing = true;
		(void)client_write(c);
		return;
	}
	/* what it wants to ask later can wait where it is */
	if (!client_is_free(c) && c->in.len > sizeof(text))
		(void)loop_fd_watch(c->watch, 0);
	else
		(void)client_serve(c);
}

static void on_idle(void *arg)
{
	struct client *c = arg;

	/* a check takes as long as the organization needs to answer */
	if (c->check != NULL || c->withdrawal != NULL || c->approval != NULL)
		loop_timer_arm(c->idle, CONTROL_IDLE_SEC * 1000);
	else
		client_free(c);
}

static void on_connection(int s, void *arg)
{
	struct control *control = arg;
	struct client *c;

	if (control->n >= CONTROL_CLIENTS_MAX) {
		static const char busy[] = "{\"ok\":false,\"error\":\"too many clients at the same time; try again\"}\n";

		(void)send(s, busy, sizeof(busy) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
		(void)close(s);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->control = control;
	c->fd = s;
	buf_init(&c->in, CONTROL_REQUEST_MAX);
	buf_init(&c->out, CONTROL_ANSWER_MAX);
	c->watch = loop_fd_new(control->d->loop, s, on_client, c);
	c->idle = loop_timer_new(control->d->loop, on_idle, c);
	LIST_INSERT_HEAD(&control->clients, c, link);
	control->n++;
	loop_timer_arm(c->idle, CONTROL_IDLE_SEC * 1000);
	(void)loop_fd_watch(c->watch, LOOP_READ);
}

/* A socket that nobody listens on is left over from a crash. 0, or -EADDRINUSE. */
static int remove_left_over(const struct sockaddr_un *address)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), r = 0;
	struct stat st;

	if (fd < 0)
		return -errno;
	if (connect(fd, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
		r = -EADDRINUSE;
	else if (errno == ECONNREFUSED && lstat(address->sun_path, &st) == 0 && S_ISSOCK(st.st_mode))
		(void)unlink(address->sun_path);
	(void)close(fd);
	return r;
}

static int control_listen(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	mode_t old;
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	r = remove_left_over(&address);
	if (r < 0)
		return r;
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	old = umask(0117);
	r = bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, CONTROL_CLIENTS_MAX) < 0 ? -errno : fd;
	(void)umask(old);
	if (r < 0)
		(void)close(fd);
	return r;
}

struct control *control_new(struct syncd *d)
{
	const char *path = d->config->control_socket;
	int fd = control_listen(path);
	struct control *c;

	if (fd < 0) {
		log_warning("control", "%s cannot be made: %s; running without it, adosyncctl will not work", path, strerror(-fd));
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->d = d;
	c->path = xstrdup(path);
	LIST_INIT(&c->clients);
	c->listener = listener_new(d->loop, fd, on_connection, c);
	return c;
}

struct control *control_free(struct control *c)
{
	struct client *client;

	if (c == NULL)
		return NULL;
	while ((client = LIST_FIRST(&c->clients)) != NULL)
		client_free(client);
	listener_free(c->listener);
	(void)unlink(c->path);
	free(c->path);
	free(c);
	return NULL;
}
