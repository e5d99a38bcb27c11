/* The HTTP engine without a network: answers as the scenario says, after the time it says. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "../../daemon/http.h"
#include "../../daemon/loop.h"
#include "../../lib/limits.h"
#include "../../lib/util.h"
#include "fake.h"

#define ORGANIZATIONS_MAX 64
#define LATENCY_MS 20
#define HEADERS_MAX 16	/* asked for of one answer */

struct organization {
	char *name;	/* "" = Konnect */
	struct fake_behaviour *behaviour;
	char *listing;
	unsigned requests, writes;
};

struct http {
	struct loop *loop;
	LIST_HEAD(, transfer) transfers;
	unsigned n;
};

struct transfer {
	struct http *http;
	struct loop_timer *timer;
	int64_t delay_ms;
	LIST_ENTRY(transfer) link;
	http_done_fn done;
	void *arg;
	int (*on_chunk)(void *arg, int status, const char *p, size_t n);
	int status;
	char *body, *headers, *error;
	char header_values[HEADERS_MAX][HEADER_VALUE_MAX];
	unsigned n_header_values;
};

static struct organization organizations[ORGANIZATIONS_MAX];
static size_t n_organizations;
static char *konnect_log;
static fake_answer_fn asked;

static struct organization *organization(const char *name)
{
	for (size_t i = 0; i < n_organizations; i++)
		if (strcmp(organizations[i].name, name) == 0)
			return &organizations[i];
	if (n_organizations == ORGANIZATIONS_MAX)
		abort();
	organizations[n_organizations].name = xstrdup(name);
	return &organizations[n_organizations++];
}

static char *dup_or_null(const char *s)
{
	return s != NULL ? xstrdup(s) : NULL;
}

void fake_behaviour_done(struct fake_behaviour *b)
{
	free(b->body);
	free(b->headers);
	free(b->error);
	*b = (struct fake_behaviour){ 0 };
}

void fake_ado_set(const char *name, const struct fake_behaviour *b)
{
	struct organization *o = organization(name);

	if (o->behaviour != NULL)
		fake_behaviour_done(o->behaviour);
	free(o->behaviour);
	o->behaviour = NULL;
	if (b == NULL)
		return;
	o->behaviour = xcalloc(1, sizeof(*b));
	*o->behaviour = *b;
	o->behaviour->body = dup_or_null(b->body);
	o->behaviour->headers = dup_or_null(b->headers);
	o->behaviour->error = dup_or_null(b->error);
}

void fake_konnect_set(const struct fake_behaviour *b)
{
	fake_ado_set("", b);
}

void fake_ado_list(const char *name, const char *listing)
{
	struct organization *o = organization(name);

	free(o->listing);
	o->listing = xstrdup(listing);
}

void fake_http_ask(fake_answer_fn fn)
{
	asked = fn;
}

unsigned fake_requests(const char *name)
{
	struct organization *o = organization(name);
	unsigned n = o->requests;

	o->requests = 0;
	return n;
}

unsigned fake_writes(void)
{
	struct organization *o = organization("");
	unsigned n = o->writes;

	o->writes = 0;
	return n;
}

char *fake_konnect_log(void)
{
	char *log = konnect_log != NULL ? konnect_log : xstrdup("");

	konnect_log = NULL;
	return log;
}

void fake_http_reset(void)
{
	/* all names are there while they are looked up */
	for (size_t i = 0; i < n_organizations; i++)
		fake_ado_set(organizations[i].name, NULL);
	for (size_t i = 0; i < n_organizations; i++) {
		free(organizations[i].listing);
		free(organizations[i].name);
	}
	memset(organizations, 0, sizeof(organizations));
	n_organizations = 0;
	free(fake_konnect_log());
	fake_konnect_reset();
}

struct http *http_new(struct loop *l, const char *user_agent)
{
	struct http *h = xcalloc(1, sizeof(*h));

	(void)user_agent;
	h->loop = l;
	LIST_INIT(&h->transfers);
	return h;
}

static void transfer_free(struct transfer *t)
{
	LIST_REMOVE(t, link);
	t->http->n--;
	loop_timer_free(t->timer);
	free(t->body);
	free(t->headers);
	free(t->error);
	free(t);
}

struct http *http_free(struct http *h)
{
	struct transfer *t;

	if (h == NULL)
		return NULL;
	while ((t = LIST_FIRST(&h->transfers)) != NULL)
		transfer_free(t);
	free(h);
	return NULL;
}

void http_cancel(struct transfer *t)
{
	if (t != NULL)
		transfer_free(t);
}

unsigned http_in_flight(const struct http *h)
{
	return h->n;
}

const char *http_header(const struct transfer *answer, const char *name)
{
	struct transfer *t = (struct transfer *)(uintptr_t)answer;
	const char *p = t->headers != NULL ? t->headers : "";
	size_t n = strlen(name);
	char *value;

	for (; *p != '\0'; p += strcspn(p, "\n") + (p[strcspn(p, "\n")] != '\0')) {
		if (!ascii_has_prefix_nocase(p, name) || p[n] != ':')
			continue;
		if (t->n_header_values == HEADERS_MAX)
			abort();
		p += n + 1;
		p += strspn(p, " ");
		value = t->header_values[t->n_header_values++];
		(void)snprintf(value, HEADER_VALUE_MAX, "%.*s", (int)strcspn(p, "\n"), p);
		return value;
	}
	return NULL;
}

static void on_timer(void *arg)
{
	struct transfer *t = arg;
	struct http_result r = { .status = t->status, .error = t->error, .sent = true, .body = "", .total_ms = t->delay_ms };
	const char *body = t->body != NULL ? t->body : "";

	if (t->on_chunk != NULL && t->error == NULL) {
		if (*body != '\0' && t->on_chunk(t->arg, t->status, body, strlen(body)) != 0) {
			r.aborted = true;
			r.error = "stopped reading";
		}
	} else {
		r.body = body;
		r.body_len = strlen(body);
	}
	t->done(t, &r, t->arg);
	transfer_free(t);
}

/* "/contoso/_apis/..." or a host in front of it. Its recycle bins answer as an organization "contoso bin". */
static char *organization_of(const char *url, bool bin)
{
	const char *p = strstr(url, "://");

	p = p != NULL ? strchr(p + 3, '/') : url;
	p = p != NULL ? p + 1 : "";
	return xasprintf("%.*s%s", (int)strcspn(p, "/"), p, bin ? " bin" : "");
}

static void konnect_note(const struct http_request *q)
{
	char *more = xasprintf("%s%s %.*s\n", konnect_log != NULL ? konnect_log : "", q->method,
			       (int)strcspn(strstr(q->url, "/v1/"), "?"), strstr(q->url, "/v1/"));

	free(konnect_log);
	konnect_log = more;
}

/* As the real engine: a listing that stands still is given up before its time is over. */
static void give_up(struct transfer *t, const struct http_request *q, int64_t *ret_delay)
{
	*ret_delay = q->stall_detection ? STALL_SEC * 1000 : q->timeout_ms;
	free(t->error);
	t->error = xstrdup("took too long");
}

/* The scenario's own answer. */
static void ask(struct transfer *t, const struct http_request *q, const char *organization_name, bool bin, int64_t *ret_delay)
{
	struct fake_behaviour b = { 0 };

	asked(organization_name, bin, q, &b);
	*ret_delay += b.delay_ms;
	t->status = b.status;
	t->body = b.body;
	t->headers = b.headers;
	t->error = b.error;
	if (b.never)
		give_up(t, q, ret_delay);
}

/* What was set for the organization, or what works. */
static void behave(struct transfer *t, const struct http_request *q, struct organization *o, bool bin, int64_t *ret_delay)
{
	const struct fake_behaviour *b = o->behaviour;
	bool konnect = *o->name == '\0';

	o->requests++;
	o->writes += strcmp(q->method, "GET") != 0;
	if (konnect)
		konnect_note(q);
	if (b != NULL) {
		*ret_delay += b->delay_ms;
		t->status = b->status;
		t->body = dup_or_null(b->body);
		t->headers = dup_or_null(b->headers);
		t->error = dup_or_null(b->error);
		if (b->never)
			give_up(t, q, ret_delay);
	}
	/* slow, but good */
	if (b == NULL || (b->status == 200 && b->body == NULL && b->error == NULL && !b->never)) {
		t->status = 200;
		t->body = konnect ? fake_konnect_answer(q->method, strstr(q->url, "/v1/"), q->body, &t->status) :
			  dup_or_null(bin && o->listing == NULL ? "{\"count\":0,\"value\":[]}" : o->listing);
	}
	if (b != NULL && o->behaviour->times > 0 && --o->behaviour->times == 0)
		fake_ado_set(o->name, NULL);
}

static void prepare(struct transfer *t, const struct http_request *q, int64_t *ret_delay)
{
	bool konnect = strstr(q->url, "/v1/") != NULL, bin = strstr(q->url, "/recycleBin/") != NULL;
	_cleanup_free_ char *name = konnect ? xstrdup("") : organization_of(q->url, bin && asked == NULL);

	*ret_delay = LATENCY_MS;
	if (asked != NULL)
		ask(t, q, name, bin, ret_delay);
	else
		behave(t, q, organization(name), bin, ret_delay);
	if (t->headers == NULL || strstr(t->headers, "Content-Type") == NULL) {
		char *h = xasprintf("Content-Type: application/json\n%s", t->headers != NULL ? t->headers : "");

		free(t->headers);
		t->headers = h;
	}
}

int http_start(struct http *h, const struct http_request *q, http_done_fn done, void *arg, struct transfer **ret)
{
	struct transfer *t = xcalloc(1, sizeof(*t));

	t->http = h;
	t->done = done;
	t->arg = arg;
	t->on_chunk = q->on_chunk;
	t->timer = loop_timer_new(h->loop, on_timer, t);
	LIST_INSERT_HEAD(&h->transfers, t, link);
	h->n++;
	prepare(t, q, &t->delay_ms);
	loop_timer_arm(t->timer, t->delay_ms);
	*ret = t;
	return 0;
}
