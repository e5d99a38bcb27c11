/* A black-holed name server must stop neither the loop, nor a cancel, nor the shutdown. Lookups that were
 * abandoned keep a thread each until they return, so this program waits for none of them. */
#include "../../daemon/http.h"

#include <stdlib.h>
#include <unistd.h>

#include "../../daemon/log.h"
#include "../../daemon/loop.h"
#include "../unit/t.h"
#include "slow_dns.c"

static struct loop *loop;
static struct loop_timer *tick, *stop;
static int64_t last_tick, max_gap;
static unsigned completions;
static char error[256];

static void on_tick(void *arg)
{
	int64_t now = loop_now_ms(loop);

	(void)arg;
	if (now - last_tick > max_gap)
		max_gap = now - last_tick;
	last_tick = now;
	loop_timer_arm(tick, 20);
}

static void on_stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void on_done(struct transfer *t, const struct http_result *r, void *arg)
{
	(void)t;
	(void)arg;
	completions++;
	T_OK(!r->sent && r->status == 0);
	(void)snprintf(error, sizeof(error), "%s", r->error != NULL ? r->error : "(none)");
}

static void run(int64_t ms)
{
	last_tick = loop_now_ms(loop);
	loop_timer_arm(tick, 0);
	loop_timer_arm(stop, ms);
	T_EQ_INT(loop_run(loop), 0);
}

int main(void)
{
	struct http_request q = { .method = "GET", .url = "https://black.hole.example/", .timeout_ms = 400, .body_max = 1 };
	struct http *http;
	struct transfer *t;
	int64_t began;

	/* a proxy of the environment would be looked up instead */
	(void)unsetenv("https_proxy");
	(void)unsetenv("HTTPS_PROXY");
	(void)unsetenv("all_proxy");
	(void)unsetenv("ALL_PROXY");
	log_setup(LOG_FORMAT_TEXT, LOG_ERR);
	loop = loop_new();
	tick = loop_timer_new(loop, on_tick, NULL);
	stop = loop_timer_new(loop, on_stop, NULL);
	http = http_new(loop, "adosyncd/test");

	T_EQ_INT(http_start(http, &q, on_done, NULL, &t), 0);
	run(1500);
	T_EQ_INT_MSG(completions, 1, "the lookup timed out");
	T_OK_MSG(strstr(error, "black.hole.example") != NULL, error);
	T_OK_MSG(max_gap < 500, "the loop ran on during a timeout");

	q.timeout_ms = 60000;
	T_EQ_INT(http_start(http, &q, on_done, NULL, &t), 0);
	run(200);
	began = loop_now_ms(loop);
	http_cancel(t);
	T_OK_MSG(loop_now_ms(loop) - began < 500, "cancelling returns at once");

	for (int i = 0; i < 10; i++)
		T_EQ_INT(http_start(http, &q, on_done, NULL, &t), 0);
	run(200);
	T_EQ_INT(http_in_flight(http), 10);
	began = loop_now_ms(loop);
	http = http_free(http);
	T_OK_MSG(loop_now_ms(loop) - began < 500, "the shutdown returns at once");
	run(100);
	T_EQ_INT(completions, 1);
	T_OK_MSG(max_gap < 500, "the loop never stood still");
	loop_timer_free(tick);
	loop_timer_free(stop);
	loop_free(loop);
	return t_done();
}
