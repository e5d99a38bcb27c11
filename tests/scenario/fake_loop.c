/* The loop without time: the clock moves only when the scenario lets it, and then from timer to timer. */
#include "fake.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/queue.h>

#include "../../daemon/loop.h"
#include "../../lib/util.h"

#define WALL_AT_START INT64_C(1795478400) /* 2026-11-24 00:00 UTC */
#define TURNS_MAX 1000000		  /* at one moment: more is a loop that never ends */

struct loop_timer {
	struct loop *loop;
	int64_t due;		/* -1 = not armed */
	void (*fn)(void *arg);
	void *arg;
	LIST_ENTRY(loop_timer) link;
};

struct loop {
	LIST_HEAD(, loop_timer) timers;	/* armed ones, the next one first */
	bool stopped;
	void (*on_signal[NSIG])(int signo, void *arg);
	void *signal_arg[NSIG];
};

/* The clocks and the dice outlive a restart of the daemon. */
static int64_t now_ms = 1000, wall_shift;
static uint32_t dice = 1;

struct loop *loop_new(void)
{
	struct loop *l = xcalloc(1, sizeof(*l));

	LIST_INIT(&l->timers);
	return l;
}

struct loop *loop_free(struct loop *l)
{
	free(l);
	return NULL;
}

int64_t loop_now_ms(struct loop *l)
{
	(void)l;
	return now_ms;
}

/* Nothing takes time here. */
int64_t loop_overdue_ms(struct loop *l)
{
	(void)l;
	return 0;
}

int64_t loop_longest_us(const struct loop *l)
{
	(void)l;
	return 0;
}

int64_t loop_lag_ms(struct loop *l)
{
	(void)l;
	return 0;
}

int64_t loop_wall_sec(struct loop *l)
{
	(void)l;
	return WALL_AT_START + wall_shift + now_ms / 1000;
}

uint32_t loop_random(struct loop *l, uint32_t n)
{
	(void)l;
	dice = dice * UINT32_C(1664525) + UINT32_C(1013904223);
	return n < 2 ? 0 : (uint32_t)((uint64_t)dice * n >> 32);
}

struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg)
{
	struct loop_timer *t = xcalloc(1, sizeof(*t));

	*t = (struct loop_timer){ .loop = l, .due = -1, .fn = fn, .arg = arg };
	return t;
}

struct loop_timer *loop_timer_free(struct loop_timer *t)
{
	if (t != NULL)
		loop_timer_cancel(t);
	free(t);
	return NULL;
}

/* After those that are due at the same time. */
void loop_timer_arm(struct loop_timer *t, int64_t delay_ms)
{
	struct loop_timer *next, *last = NULL;

	loop_timer_cancel(t);
	t->due = now_ms + (delay_ms > 0 ? delay_ms : 0);
	LIST_FOREACH(next, &t->loop->timers, link) {
		if (next->due > t->due)
			break;
		last = next;
	}
	if (last != NULL)
		LIST_INSERT_AFTER(last, t, link);
	else
		LIST_INSERT_HEAD(&t->loop->timers, t, link);
}

void loop_timer_cancel(struct loop_timer *t)
{
	if (t->due >= 0)
		LIST_REMOVE(t, link);
	t->due = -1;
}

int loop_signal(struct loop *l, int signo, void (*fn)(int signo, void *arg), void *arg)
{
	l->on_signal[signo] = fn;
	l->signal_arg[signo] = arg;
	return 0;
}

/* No descriptor is ever ready: the control socket is not part of a scenario. */
struct loop_fd {
	int unused;
};

struct loop_fd *loop_fd_new(struct loop *l, int fd, void (*fn)(int fd, unsigned events, void *arg), void *arg)
{
	(void)l;
	(void)fd;
	(void)fn;
	(void)arg;
	return xcalloc(1, sizeof(struct loop_fd));
}

struct loop_fd *loop_fd_free(struct loop_fd *f)
{
	free(f);
	return NULL;
}

int loop_fd_watch(struct loop_fd *f, unsigned events)
{
	(void)f;
	(void)events;
	return 0;
}

int fake_loop_pass(struct loop *l, int64_t ms)
{
	int64_t until = now_ms + ms, moment = now_ms;
	struct loop_timer *t;
	unsigned turns = 0;

	while (!l->stopped && (t = LIST_FIRST(&l->timers)) != NULL && t->due <= until) {
		if (t->due > now_ms)
			now_ms = t->due;
		turns = now_ms > moment ? 0 : turns + 1;
		moment = now_ms;
		if (turns > TURNS_MAX)
			return -ELOOP;
		loop_timer_cancel(t);
		t->fn(t->arg);
	}
	now_ms = until;
	return 0;
}

void fake_loop_clock(int64_t sec)
{
	wall_shift += sec;
}

void fake_loop_reset(void)
{
	now_ms = 1000;
	wall_shift = 0;
	dice = 1;
}

bool fake_loop_stopped(const struct loop *l)
{
	return l->stopped;
}

void fake_loop_signal(struct loop *l, int signo)
{
	if (l->on_signal[signo] != NULL)
		l->on_signal[signo](signo, l->signal_arg[signo]);
}

/* The scenario is the loop: it goes on in fake_loop_pass(). */
int loop_run(struct loop *l)
{
	(void)l;
	return 0;
}

void loop_stop(struct loop *l)
{
	l->stopped = true;
}
