#include "listener.h"

#include <errno.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

#include "../lib/util.h"
#include "loop.h"

#define ACCEPT_AGAIN_MS 1000	/* when there is no descriptor for another connection */

struct listener {
	int fd;
	struct loop_fd *watch;
	struct loop_timer *again;
	void (*fn)(int fd, void *arg);
	void *arg;
};

static void on_accept(int fd, unsigned events, void *arg)
{
	struct listener *l = arg;
	int s = accept4(fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	(void)events;
	if (s >= 0) {
		l->fn(s, l->arg);
	} else if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
		/* who waits stays there: without a break the loop would do nothing else */
		(void)loop_fd_watch(l->watch, 0);
		loop_timer_arm(l->again, ACCEPT_AGAIN_MS);
	}
}

static void on_again(void *arg)
{
	struct listener *l = arg;

	(void)loop_fd_watch(l->watch, LOOP_READ);
}

struct listener *listener_new(struct loop *loop, int fd, void (*fn)(int fd, void *arg), void *arg)
{
	struct listener *l = xcalloc(1, sizeof(*l));

	*l = (struct listener){ .fd = fd, .fn = fn, .arg = arg };
	l->again = loop_timer_new(loop, on_again, l);
	l->watch = loop_fd_new(loop, fd, on_accept, l);
	(void)loop_fd_watch(l->watch, LOOP_READ);
	return l;
}

struct listener *listener_free(struct listener *l)
{
	if (l == NULL)
		return NULL;
	loop_fd_free(l->watch);
	loop_timer_free(l->again);
	(void)close(l->fd);
	free(l);
	return NULL;
}
