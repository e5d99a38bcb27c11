/* The loop on libevent. Callbacks may free the timer or the watch they were called for: nothing here touches
 * either after the call. */
#include "loop.h"

#include <errno.h>
#include <event2/event.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>
#include <sys/random.h>
#include <time.h>

#include "../lib/util.h"
#include "log.h"

struct loop_signal {
	struct loop *loop;
	struct event *event;
	int signo;
	void (*fn)(int signo, void *arg);
	void *arg;
	LIST_ENTRY(loop_signal) link;
};

#define LAG_WINDOW_MS (5 * 60 * 1000)

struct loop {
	struct event_base *base;
	bool stopped;		/* so that a stop before the run is not lost: libevent would forget it */
	LIST_HEAD(, loop_signal) signals;
	LIST_HEAD(, loop_timer) armed;
	int64_t longest_us;		/* of all callbacks */
	int64_t lag, lag_before;	/* the longest of this window, and of the one before it */
	int64_t window;			/* when it began */
};

struct loop_timer {
	struct loop *loop;
	struct event *event;
	int64_t due;		/* on loop_now_ms() */
	bool armed;
	LIST_ENTRY(loop_timer) link;	/* while it is armed */
	void (*fn)(void *arg);
	void *arg;
};

struct loop_fd {
	struct loop *loop;
	struct event *event;
	int fd;
	void (*fn)(int fd, unsigned events, void *arg);
	void *arg;
};

static void on_libevent_log(int severity, const char *message)
{
	int priority = severity == EVENT_LOG_ERR ? LOG_ERR : severity == EVENT_LOG_WARN ? LOG_WARNING : LOG_DEBUG;

	log_event(priority, NULL, "loop", "%s", message);
}

static void on_libevent_fatal(int err)
{
	log_error("loop", "libevent gave up (%d)", err);
	abort();
}

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	/* a peer that went away is an error of one write, not the end of the daemon */
	(void)signal(SIGPIPE, SIG_IGN);
	event_set_log_callback(on_libevent_log);
	event_set_fatal_callback(on_libevent_fatal);
	LIST_INIT(&l->signals);
	LIST_INIT(&l->armed);
	l->window = loop_now_ms(l);
	errno = 0;
	/* no changelist: libevent warns that it breaks when descriptors are closed and reused between turns */
	l->base = event_base_new();
	if (l->base == NULL) {
		int err = errno != 0 ? errno : ENOMEM;

		free(l);
		errno = err;
		return NULL;
	}
	return l;
}

struct loop *loop_free(struct loop *l)
{
	struct loop_signal *s;

	if (l == NULL)
		return NULL;
	while ((s = LIST_FIRST(&l->signals)) != NULL) {
		LIST_REMOVE(s, link);
		event_free(s->event);
		free(s);
	}
	event_base_free(l->base);
	free(l);
	return NULL;
}

int loop_run(struct loop *l)
{
	int r = 0;

	if (!l->stopped) {
		errno = 0;
		r = event_base_loop(l->base, EVLOOP_NO_EXIT_ON_EMPTY);
	}
	l->stopped = false;
	if (r < 0)
		return errno != 0 ? -errno : -EIO;
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
	(void)event_base_loopbreak(l->base);
}

int64_t loop_now_ms(struct loop *l)
{
	struct timespec ts;

	(void)l;
	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

int64_t loop_wall_sec(struct loop *l)
{
	struct timespec ts;

	(void)l;
	(void)clock_gettime(CLOCK_REALTIME, &ts);
	return ts.tv_sec;
}

int64_t loop_overdue_ms(struct loop *l)
{
	int64_t now = loop_now_ms(l), longest = 0;
	const struct loop_timer *t;

	LIST_FOREACH(t, &l->armed, link)
		if (now - t->due > longest)
			longest = now - t->due;
	return longest;
}

/* Windows of which the last whole one still counts. */
static void note_lag(struct loop *l, int64_t now, int64_t late)
{
	if (now - l->window >= LAG_WINDOW_MS) {
		l->lag_before = now - l->window < 2 * LAG_WINDOW_MS ? l->lag : 0;
		l->lag = 0;
		l->window = now;
	}
	if (late > l->lag)
		l->lag = late;
}

static int64_t now_us(void)
{
	struct timespec ts;

	(void)clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000000 + ts.tv_nsec / 1000;
}

/* A callback that began then has returned. */
static void note_callback(struct loop *l, int64_t began_us)
{
	int64_t us = now_us() - began_us;

	if (us > l->longest_us)
		l->longest_us = us;
}

int64_t loop_longest_us(const struct loop *l)
{
	return l->longest_us;
}

int64_t loop_lag_ms(struct loop *l)
{
	note_lag(l, loop_now_ms(l), 0);
	return l->lag > l->lag_before ? l->lag : l->lag_before;
}

uint32_t loop_random(struct loop *l, uint32_t n)
{
	uint32_t v, low;

	(void)l;
	if (n < 2)
		return 0;
	/* values below 2^32 mod n would make the small numbers likelier */
	low = -n % n;
	do {
		/* four bytes never come short once the pool is there; without a pool jitter is not worth waiting for */
		if (getrandom(&v, sizeof(v), GRND_NONBLOCK) != (ssize_t)sizeof(v))
			v = (uint32_t)loop_now_ms(l) * UINT32_C(2654435761) | 0x80000000U;
	} while (v < low);
	return v % n;
}

static void timer_add(struct loop_timer *t, int64_t ms)
{
	struct timeval tv = { .tv_sec = ms / 1000, .tv_usec = ms % 1000 * 1000 };

	if (event_add(t->event, &tv) < 0)
		on_libevent_fatal(errno); /* only when memory is gone, and a lost timer would be a silent hang */
}

static void set_armed(struct loop_timer *t, bool armed)
{
	if (armed && !t->armed)
		LIST_INSERT_HEAD(&t->loop->armed, t, link);
	else if (!armed && t->armed)
		LIST_REMOVE(t, link);
	t->armed = armed;
}

static void on_timer(evutil_socket_t fd, short events, void *arg)
{
	struct loop_timer *t = arg;
	struct loop *l = t->loop;
	int64_t began = now_us(), now = loop_now_ms(l), left = t->due - now;

	(void)fd;
	(void)events;
	/* libevent counts from the turn's cached coarse clock, so it may come early; nobody should see that */
	if (left > 0) {
		timer_add(t, left);
		return;
	}
	set_armed(t, false);
	note_lag(l, now, -left);
	/* it may free its timer */
	t->fn(t->arg);
	note_callback(l, began);
}

struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));

	*t = (struct loop_timer){ .loop = l, .fn = fn, .arg = arg };
	t->event = evtimer_new(l->base, on_timer, t);
	if (t->event == NULL)
		on_libevent_fatal(errno);
	return t;
}

struct loop_timer *loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return NULL;
	set_armed(t, false);
	event_free(t->event);
	free(t);
	return NULL;
}

void loop_timer_arm(struct loop_timer *t, int64_t delay_ms)
{
	/* a century is never, and does not overflow */
	const int64_t never = INT64_C(100) * 366 * 86400 * 1000;

	if (delay_ms < 0)
		delay_ms = 0;
	if (delay_ms > never)
		delay_ms = never;
	t->due = loop_now_ms(t->loop) + delay_ms;
	set_armed(t, true);
	timer_add(t, delay_ms);
}

void loop_timer_cancel(struct loop_timer *t)
{
	set_armed(t, false);
	(void)evtimer_del(t->event);
}

static void on_signal(evutil_socket_t fd, short events, void *arg)
{
	struct loop_signal *s = arg;

	(void)fd;
	(void)events;
	s->fn(s->signo, s->arg);
}

int loop_signal(struct loop *l, int signo, void (*fn)(int signo, void *arg), void *arg)
{
	struct loop_signal *s = xcalloc(1, sizeof(*s));

	*s = (struct loop_signal){ .loop = l, .signo = signo, .fn = fn, .arg = arg };
	errno = 0;
	s->event = evsignal_new(l->base, signo, on_signal, s);
	if (s->event == NULL || evsignal_add(s->event, NULL) < 0) {
		int err = errno != 0 ? errno : EINVAL;

		if (s->event != NULL)
			event_free(s->event);
		free(s);
		return -err;
	}
	LIST_INSERT_HEAD(&l->signals, s, link);
	return 0;
}

static void on_fd(evutil_socket_t fd, short events, void *arg)
{
	struct loop_fd *f = arg;
	struct loop *l = f->loop;
	int64_t began = now_us();
	unsigned mask = (events & EV_READ ? (unsigned)LOOP_READ : 0U) | (events & EV_WRITE ? (unsigned)LOOP_WRITE : 0U);

	f->fn(fd, mask, f->arg);
	note_callback(l, began);
}

struct loop_fd *loop_fd_new(struct loop *l, int fd, void (*fn)(int fd, unsigned events, void *arg), void *arg)
{
	struct loop_fd *f = xcalloc(1, sizeof(*f));

	*f = (struct loop_fd){ .loop = l, .fd = fd, .fn = fn, .arg = arg };
	f->event = event_new(l->base, fd, EV_PERSIST, on_fd, f);
	if (f->event == NULL)
		on_libevent_fatal(errno);
	return f;
}

struct loop_fd *loop_fd_free(struct loop_fd *f)
{
	if (f == NULL)
		return NULL;
	event_free(f->event);
	free(f);
	return NULL;
}

int loop_fd_watch(struct loop_fd *f, unsigned events)
{
	short mask = EV_PERSIST;

	if (events & LOOP_READ)
		mask |= EV_READ;
	if (events & LOOP_WRITE)
		mask |= EV_WRITE;
	/* assigning an event that is still added corrupts the base, hence the delete first */
	(void)event_del(f->event);
	if (events == 0)
		return 0;
	errno = 0;
	if (event_assign(f->event, f->loop->base, f->fd, mask, on_fd, f) < 0 || event_add(f->event, NULL) < 0)
		return errno != 0 ? -errno : -EINVAL;
	return 0;
}
