/* run SEED...: tells the year of each seed, prints its figures, and fails when something is wrong in the end, or on the way.
 * ADOSYNCD_YEAR_LOG=FILE keeps what the daemon says of notice or more. */
#include "year.h"

#include <malloc.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <syslog.h>
#include <unistd.h>

#include <sqlite3.h>

#include "../../daemon/http.h"
#include "../../daemon/loop.h"
#include "../../lib/util.h"

#define DAYS 365
#define CALM_DAYS 45	/* longer than a bin keeps anything, and than remove_unexplained */
#define QUIET_DAYS 3	/* in which nothing is left to be written */
#define WRONG_MAX 20
#define CACHE_MEMORY_MAX (3 << 20)	/* the cache gives SQLite 2 MiB for its pages */
#define MEMORY_SLACK (32 << 10)	/* less than a byte for each poll of a year */
#define LINES_MAX 40	/* of notice or more of one organization in a day: what a person reads */

struct year y;
static FILE *log_file;
static int64_t today;
static uint64_t lines_today[N_ORGS + 1];

uint32_t dice(uint32_t n)
{
	/* splitmix64 */
	uint64_t z = y.dice += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	z ^= z >> 31;
	return n < 2 ? 0 : (uint32_t)((z >> 32) * n >> 32);
}

bool once_in(uint32_t n)
{
	return dice(n) == 0 || n < 2;
}

int64_t now(void)
{
	return loop_wall_sec(NULL);
}

void wrong(const char *fmt, ...)
{
	va_list ap;

	if (y.wrong++ >= WRONG_MAX)
		return;
	printf("# seed %llu, day %lld: ", (unsigned long long)y.seed, (long long)today);
	va_start(ap, fmt);
	(void)vprintf(fmt, ap);
	va_end(ap);
	putchar('\n');
}

static void on_line(const struct fake_line *l)
{
	const struct org *o = azure_org(l->instance);
	uint64_t *n = &lines_today[o != NULL ? o - y.orgs : N_ORGS];

	y.f.lines[l->priority]++;
	if (l->priority > LOG_NOTICE)
		return;
	if (log_file != NULL)
		fprintf(log_file, "%lld %d %s %s: %s\n", (long long)now(), l->priority, l->event, l->instance, l->message);
	if (o != NULL && ++*n > y.f.busiest)
		y.f.busiest = *n;
}

static void on_request(const char *organization, bool bin, const struct http_request *q, struct fake_behaviour *ret)
{
	if (*organization == '\0')
		catalog_answer(q, ret);
	else
		azure_answer(organization, bin, q->url, ret);
}

static void pass(int64_t ms)
{
	if (fake_loop_pass(y.life.loop, ms) < 0)
		wrong("one moment never ends");
}

static void mishaps(void)
{
	struct org *o = &y.orgs[dice(N_ORGS)];

	if (o->trouble == FINE && once_in(12)) {
		o->trouble = 1 + dice(N_TROUBLES - 1);
		o->trouble_until = now() + (1 + dice(12)) * HOUR;
		y.f.troubles++;
	}
	/* all of Azure DevOps */
	if (once_in(2000)) {
		for (int i = 0; i < N_ORGS; i++) {
			y.orgs[i].trouble = STOPPED;
			y.orgs[i].trouble_until = now() + (1 + dice(5)) * HOUR;
		}
		y.f.troubles++;
	}
	if (y.incident == KONNECT_FINE && once_in(100)) {
		y.incident = 1 + dice(N_INCIDENTS - 1);
		y.incident_until = now() + (1 + dice(8)) * HOUR;
		y.f.incidents++;
	}
	if (y.token_good && once_in(2500)) {
		y.token_good = false;
		y.token_renewed_at = now() + dice(3 * DAY);
	}
	if (o->hidden_until == 0 && once_in(300)) {
		azure_hide(o, once_in(3));
		o->hidden_until = now() + (1 + dice(20 * 24)) * HOUR;
	}
}

/* What people do to the daemon. */
static void operations(void)
{
	struct org *o = &y.orgs[dice(N_ORGS)];

	if (once_in(50)) {
		pass(dice(HOUR / 4 * 1000));
		operator_restart();
	}
	if (once_in(60)) {
		operator_change(o);
		operator_reload(true);
	}
	if (once_in(1000))
		operator_reload(false);
	/* only what marks may forget what it did */
	if (y.seed % 3 == 0 && once_in(2500))
		operator_lose_cache();
	if (once_in(500))
		fake_loop_clock((int64_t)dice(20) - 10);
}

static void ends(void)
{
	for (int i = 0; i < N_ORGS; i++) {
		struct org *o = &y.orgs[i];

		if (o->trouble != FINE && (y.calm || now() >= o->trouble_until))
			o->trouble = FINE;
		if (o->hidden_until > 0 && (y.calm || now() >= o->hidden_until)) {
			azure_show(o);
			o->hidden_until = 0;
		}
		if (!o->pat_good && (y.calm || now() >= o->renewed_at))
			operator_renew(o);
		azure_purge(o);
	}
	if (y.incident != KONNECT_FINE && (y.calm || now() >= y.incident_until))
		y.incident = KONNECT_FINE;
	if (!y.token_good && (y.calm || now() >= y.token_renewed_at))
		operator_renew_token();
}

static void keep(struct memory *m, int64_t own, int64_t cache)
{
	if (m->own == 0 || own < m->own)
		m->own = own;
	m->sum += own;
	m->n++;
	if (cache > m->cache)
		m->cache = cache;
}

/* How much the daemon holds: what its end gives back. How many pages of the cache SQLite has in memory depends on what was asked
 * since the start, so its share is counted apart. */
static void measure(void)
{
	int64_t all = (int64_t)mallinfo2().uordblks, cache = sqlite3_memory_used(), month = today / 30;

	life_kill(&y.life);
	all -= (int64_t)mallinfo2().uordblks;
	cache -= sqlite3_memory_used();
	if (month == 2 || month == 3)
		keep(&y.f.early, all - cache, cache);
	else if (month >= 11)
		keep(&y.f.late, all - cache, cache);
	operator_restart();
}

static void hour(int64_t h)
{
	if (h % 24 == 0) {
		today = h / 24;
		memset(lines_today, 0, sizeof(lines_today));
		operator_look();
	}
	if (h % (24 * 5) == 12)
		measure();
	/* a token expires every week */
	if (!y.calm && h % 168 == 100) {
		struct org *o = &y.orgs[dice(N_ORGS)];

		o->pat_good = false;
		o->renewed_at = now() + HOUR + dice(DAY);
		y.f.expired++;
	}
	if (!y.calm && h >= 24) {
		if (once_in(2))
			azure_edit(&y.orgs[dice(N_ORGS)]);
		if (once_in(1500))
			azure_delete_project(&y.orgs[dice(N_ORGS)]);
		if (once_in(30))
			catalog_edit();
		mishaps();
		operations();
	}
	ends();
	pass(HOUR * 1000);
}

static void check_quiet(void)
{
	uint64_t writes = y.f.writes;

	for (int64_t h = 0; h < QUIET_DAYS * 24; h++)
		pass(HOUR * 1000);
	if (y.f.writes != writes)
		wrong("%llu writes when nothing is left to do", (unsigned long long)(y.f.writes - writes));
}

static void check_memory(void)
{
	const struct memory *early = &y.f.early, *late = &y.f.late;

	/* it differs by half with what is under way: what grows grows in the least as in the mean */
	if (early->n == 0 || late->n == 0 || (late->own > early->own + MEMORY_SLACK && late->sum / late->n > early->sum / early->n + MEMORY_SLACK))
		wrong("the daemon held %lld bytes early and %lld late", (long long)early->own, (long long)late->own);
	if (early->cache > CACHE_MEMORY_MAX || late->cache > CACHE_MEMORY_MAX)
		wrong("SQLite held %lld bytes early and %lld late", (long long)early->cache, (long long)late->cache);
}

static void print_figures(void)
{
	const struct figures *f = &y.f;

#define N(x) ((unsigned long long)(x))
	printf("seed %llu: %llu polls (%llu good), %llu bins, %llu requests to Konnect, %llu writes\n", N(y.seed), N(f->polls), N(f->good_polls),
	       N(f->bins), N(f->requests), N(f->writes));
	printf("  repositories: %llu created, %llu renamed, %llu moved, %llu deleted, %llu undeleted, %llu purged; hidden %llu times\n",
	       N(f->created), N(f->renamed), N(f->moved), N(f->deleted), N(f->undeleted), N(f->purged), N(f->hidden));
	printf("  trouble: %llu PATs expired, %llu of Azure DevOps, %llu of Konnect (%llu refusals, %llu answers lost), %llu restarts, "
	       "%llu caches lost\n", N(f->expired), N(f->troubles), N(f->incidents), N(f->refused), N(f->lost_answers), N(f->restarts),
	       N(f->caches_lost));
	printf("  people: %llu reloads, %llu refused, %llu edits in Konnect, %llu daily looks at a hold, %llu approvals\n", N(f->reloads),
	       N(f->bad_reloads), N(f->konnect_edits), N(f->holds), N(f->approvals));
	printf("  log: %llu errors, %llu warnings, %llu notices; at most %llu of one organization in a day\n", N(f->lines[LOG_ERR]),
	       N(f->lines[LOG_WARNING]), N(f->lines[LOG_NOTICE]), N(f->busiest));
	printf("  memory: %llu KiB early, %llu KiB late; SQLite's %llu KiB early, %llu KiB late; wrong: %u\n", N(f->early.own / 1024),
	       N(f->late.own / 1024), N(f->early.cache / 1024), N(f->late.cache / 1024), y.wrong);
#undef N
}

static void tell(uint64_t seed)
{
	y = (struct year){ .seed = seed, .dice = seed };
	/* the key of the cache's digests says in what order things go */
	(void)sqlite3_test_control(SQLITE_TESTCTRL_PRNG_SEED, (int)(seed % INT32_MAX) + 1, NULL);
	if (!life_begin(&y.life)) {
		wrong("no directory");
		return;
	}
	for (int i = 0; i < N_ORGS; i++) {
		azure_begin(&y.orgs[i], i);
		if (seed % 3 != 0)
			y.orgs[i].on_remove = dice(3);
		if (once_in(8))
			y.orgs[i].remove_unexplained = 25;
	}
	fake_http_ask(on_request);
	fake_log_watch(on_line);
	operator_begin();
	operator_restart();
	for (int64_t h = 0; h < (DAYS + CALM_DAYS) * 24; h++) {
		if (h == DAYS * 24) {
			y.calm = true;
			for (int i = 0; i < N_ORGS; i++)
				y.orgs[i].absent = false;
			operator_reload(true);
		}
		hour(h);
	}
	catalog_judge();
	check_quiet();
	if (y.f.busiest > LINES_MAX)
		wrong("%llu lines of one organization in a day", (unsigned long long)y.f.busiest);
	check_memory();
	print_figures();
	life_end(&y.life);
}

/* Each in a process of its own, so that none finds the memory of another; its exit says whether the year was good. */
static pid_t begin(const char *seed)
{
	pid_t pid;

	(void)fflush(stdout);
	pid = fork();
	if (pid != 0)
		return pid;
	/* all of it at once: others write too */
	(void)setvbuf(stdout, NULL, _IOFBF, 1 << 16);
	tell(strtoull(seed, NULL, 10));
	printf("%sok - the year of seed %s\n", y.wrong > 0 ? "not " : "", seed);
	(void)fflush(stdout);
	_exit(y.wrong > 0);
}

int main(int argc, char **argv)
{
	const char *file = getenv("ADOSYNCD_YEAR_LOG");
	/* one is left to what else is tested */
	long processors = sysconf(_SC_NPROCESSORS_ONLN) - 1, running = 0;
	bool ok = argc > 1;
	int next = 1, status;

	if (file != NULL)
		log_file = fopen(file, "we");
	while (next < argc || running > 0) {
		if (next < argc && (running < processors || running == 0)) {
			if (begin(argv[next++]) < 0)
				return 1;
			running++;
			continue;
		}
		ok = wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && ok;
		running--;
	}
	return ok ? 0 : 1;
}
