/* The event loop, and the only door to libevent and to the clocks.
 * A scenario links another implementation of this header and drives the daemon without sleeping. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct loop;
struct loop_timer;
struct loop_fd;

/* One base for the process; signals end up here too. NULL with errno set when libevent refuses. */
struct loop *loop_new(void);
struct loop *loop_free(struct loop *l);

/* Runs until loop_stop(). 0 or -errno. */
int loop_run(struct loop *l);
void loop_stop(struct loop *l);

/* Monotonic milliseconds, for every duration. */
int64_t loop_now_ms(struct loop *l);

/* Unix seconds, for what must survive a restart and for dates in headers. */
int64_t loop_wall_sec(struct loop *l);

/* The longest that something has been due and not been called, in milliseconds: 0 for a loop that keeps up. */
int64_t loop_overdue_ms(struct loop *l);

/* The latest that anything was, of what was called in the last 5 to 10 minutes, in milliseconds. */
int64_t loop_lag_ms(struct loop *l);

/* The longest that one callback of a timer or a descriptor has taken since the start, in microseconds. */
int64_t loop_longest_us(const struct loop *l);

/* A uniformly random number below n, for jitter. */
uint32_t loop_random(struct loop *l, uint32_t n);

/* A one-shot timer, not armed yet. Arming again replaces the time; 0 ms means the next turn of the loop. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fn)(void *arg), void *arg);
struct loop_timer *loop_timer_free(struct loop_timer *t);
void loop_timer_arm(struct loop_timer *t, int64_t delay_ms);
void loop_timer_cancel(struct loop_timer *t);

/* Calls fn(signo) on the loop when the signal arrives. 0 or -errno. */
int loop_signal(struct loop *l, int signo, void (*fn)(int signo, void *arg), void *arg);

/* Watches a file descriptor that stays the caller's. */
enum { LOOP_READ = 1, LOOP_WRITE = 2 };
struct loop_fd *loop_fd_new(struct loop *l, int fd, void (*fn)(int fd, unsigned events, void *arg), void *arg);
struct loop_fd *loop_fd_free(struct loop_fd *f);
int loop_fd_watch(struct loop_fd *f, unsigned events);
