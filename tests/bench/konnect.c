/* Konnect's Catalog API for the bench: fast, and strict enough for the daemon to work and for a mistake to be seen.
 *
 * usage: konnect SOCKET TOKEN, which listens on a Unix socket, for nginx with TLS in front of it, until it is killed.
 * Control calls, over the same socket: GET /control/counts; POST /control/reset (all), /control/forget (the counts),
 * /control/record?to=FILE (each request that comes to /v1, a line each; without a file no more), /control/latency?ms=N. */
#include <errno.h>
#include <event2/buffer.h>
#include <event2/event.h>
#include <event2/http.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <jansson.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "catalog.h"

#define LABEL "filter[labels.azure-devops-instance][eq]"
#define OF_INSTANCE "filter[resource.integration.instance.name][eq]"
#define OF_SERVICE "filter[service.id][eq]"
#define BY_NAME "filter[name][eq]"

enum { ROUTES_MAX = 32, BODY_MAX = 1 << 20 };

static struct {
	struct event_base *base;
	char bearer[256];
	FILE *record;
	int latency_ms;
	/* since the last "forget" */
	struct {
		char *route;
		unsigned long n;
	} routes[ROUTES_MAX];
	unsigned long refused, bytes_in, bytes_out;
	char last_refusal[512];
} konnect;

/* An answer that waits for its time. */
struct late {
	struct evhttp_request *q;
	struct evbuffer *body;
	struct event *timer;
	int status;
};

static void answer(struct evhttp_request *q, int status, struct evbuffer *body)
{
	evhttp_add_header(evhttp_request_get_output_headers(q), "Content-Type",
			  status < 400 ? "application/json; charset=utf-8" : "application/problem+json");
	evhttp_send_reply(q, status, NULL, body);
	evbuffer_free(body);
}

static void on_late(evutil_socket_t fd, short events, void *arg)
{
	struct late *l = arg;

	(void)fd;
	(void)events;
	answer(l->q, l->status, l->body);
	event_free(l->timer);
	free(l);
}

static void answer_in_time(struct evhttp_request *q, int status, struct evbuffer *body)
{
	struct timeval t = { .tv_sec = konnect.latency_ms / 1000, .tv_usec = konnect.latency_ms % 1000 * 1000 };
	struct late *l;

	konnect.bytes_out += evbuffer_get_length(body);
	if (konnect.latency_ms == 0) {
		answer(q, status, body);
		return;
	}
	l = calloc(1, sizeof(*l));
	*l = (struct late){ .q = q, .body = body, .status = status };
	l->timer = evtimer_new(konnect.base, on_late, l);
	(void)evtimer_add(l->timer, &t);
}

static void count(const char *method, const char *path)
{
	char route[128];
	const char *end = path + strcspn(path, "/");

	/* the ids in it aside */
	(void)snprintf(route, sizeof(route), "%s /%.*s%s", method, (int)(end - path), path, *end != '\0' ? "/*" : "");
	for (size_t i = 0; i < ROUTES_MAX; i++) {
		if (konnect.routes[i].route == NULL)
			konnect.routes[i].route = strdup(route);
		if (strcmp(konnect.routes[i].route, route) == 0) {
			konnect.routes[i].n++;
			return;
		}
	}
}

static void forget(void)
{
	for (size_t i = 0; i < ROUTES_MAX; i++) {
		free(konnect.routes[i].route);
		konnect.routes[i].route = NULL;
		konnect.routes[i].n = 0;
	}
	konnect.refused = konnect.bytes_in = konnect.bytes_out = 0;
	konnect.last_refusal[0] = '\0';
}

static unsigned long number(struct evkeyvalq *query, const char *key, unsigned long otherwise)
{
	const char *s = evhttp_find_header(query, key);

	return s != NULL ? strtoul(s, NULL, 10) : otherwise;
}

static void show(const struct object *o, struct evbuffer *body)
{
	if (o->service == NULL)
		evbuffer_add(body, o->text, strlen(o->text));
	else
		evbuffer_add_printf(body, "%.*s,\"service\":%s}", (int)strlen(o->text) - 1, o->text, o->service->brief);
}

/* One page of objects. */
static int page(const struct objects *all, struct evkeyvalq *query, struct evbuffer *body)
{
	unsigned long size = number(query, "page[size]", 10), n = number(query, "page[number]", 1), at = (n - 1) * size;

	if (size < 1 || size > 100 || n < 1)
		return 400;
	evbuffer_add_printf(body, "{\"meta\":{\"page\":{\"total\":%zu,\"size\":%lu,\"number\":%lu}},\"data\":[", all->n, size, n);
	for (unsigned long i = at; i < at + size && i < all->n; i++) {
		if (i > at)
			evbuffer_add(body, ",", 1);
		show(all->list[i], body);
	}
	evbuffer_add(body, "]}", 2);
	return 200;
}

static int list(enum kind kind, struct evkeyvalq *query, struct evbuffer *body)
{
	static const struct {
		enum kind kind;
		const char *parameter, *by;
	} filters[] = { { SERVICES, LABEL, "label" }, { MAPPINGS, OF_INSTANCE, "instance" }, { MAPPINGS, OF_SERVICE, "service" } };
	struct object *one[1];
	const char *value = evhttp_find_header(query, BY_NAME);

	if (value != NULL && kind != MAPPINGS) {
		one[0] = catalog_find(kind, "name", value);
		return page(&(struct objects){ one, one[0] != NULL, 1 }, query, body);
	}
	for (size_t i = 0; i < sizeof(filters) / sizeof(filters[0]); i++) {
		value = evhttp_find_header(query, filters[i].parameter);
		if (value != NULL && filters[i].kind == kind)
			return page(catalog_list(kind, filters[i].by, value), query, body);
	}
	return 400;
}

static int integrations(struct evbuffer *body)
{
	evbuffer_add_printf(body,
		"{\"meta\":{\"page\":{\"total\":1,\"size\":100,\"number\":1}},\"data\":[{\"name\":\"azure-devops\",\"display_name\":"
		"\"Azure DevOps\",\"built_in\":false,\"resource_types\":{\"azure_devops_repository\":{\"display_name\":\"Repository\","
		"\"schema\":{\"type\":\"simple\",\"definition\":{\"organization_name\":\"string\",\"project_id\":\"string\","
		"\"repository_id\":\"string\"}}}}}]}");
	return 200;
}

static const struct {
	const char *path;
	enum kind kind;
} collections[] = { { "catalog-services", SERVICES }, { "resource-mappings", MAPPINGS }, { "integration-instances", INSTANCES } };

/* path: without /v1/. A status, and the answer in body. */
static int perform(struct evhttp_request *q, const char *path, struct evkeyvalq *query, const char *text, struct evbuffer *body,
		   const char **ret_field)
{
	enum evhttp_cmd_type method = evhttp_request_get_command(q);
	const char *id = strchr(path, '/');
	size_t len = strcspn(path, "/");
	struct object *o = NULL;
	int status = 404;

	if (strcmp(path, "integrations") == 0 && method == EVHTTP_REQ_GET)
		return integrations(body);
	for (size_t i = 0; i < sizeof(collections) / sizeof(collections[0]); i++) {
		enum kind kind = collections[i].kind;
		json_t *in = NULL;

		if (strlen(collections[i].path) != len || memcmp(collections[i].path, path, len) != 0)
			continue;
		if (method == EVHTTP_REQ_GET && id == NULL)
			return list(kind, query, body);
		if (method == EVHTTP_REQ_GET) {
			o = catalog_find(kind, "id", id + 1);
			status = o != NULL ? 200 : 404;
		} else {
			in = json_loads(text, 0, NULL);
			if (in == NULL)
				return 400;
			if (method == EVHTTP_REQ_POST && id == NULL)
				status = catalog_create(kind, in, &o, ret_field);
			else if (method == EVHTTP_REQ_PATCH && id != NULL)
				status = catalog_patch(kind, id + 1, in, &o, ret_field);
			else
				status = 405;
			json_decref(in);
		}
		if (status / 100 == 2)
			show(o, body);
		return status;
	}
	return status;
}

static const char *method_name(struct evhttp_request *q)
{
	enum evhttp_cmd_type m = evhttp_request_get_command(q);

	return m == EVHTTP_REQ_GET ? "GET" : m == EVHTTP_REQ_POST ? "POST" : m == EVHTTP_REQ_PATCH ? "PATCH" : "DELETE";
}

/* No value of a query has an & in it here; libevent by itself leaves the names encoded. */
static void query_parse(const char *uri, struct evkeyvalq *ret)
{
	const char *p = strchr(uri, '?');
	char *plain = evhttp_uridecode(p != NULL ? p + 1 : "", 0, NULL);

	(void)evhttp_parse_query_str(plain, ret);
	free(plain);
}

static void on_request(struct evhttp_request *q, void *arg)
{
	const char *uri = evhttp_request_get_uri(q), *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(q));
	const char *authorization = evhttp_find_header(evhttp_request_get_input_headers(q), "Authorization"), *field = "";
	struct evbuffer *in = evhttp_request_get_input_buffer(q), *body = evbuffer_new();
	size_t n = evbuffer_get_length(in);
	static char text[BODY_MAX];
	struct evkeyvalq query;
	int status = 404;

	(void)arg;
	(void)evbuffer_remove(in, text, n < BODY_MAX ? n : BODY_MAX - 1);
	text[n < BODY_MAX ? n : 0] = '\0';
	konnect.bytes_in += n;
	query_parse(uri, &query);
	if (strncmp(path, "/v1/", 4) == 0) {
		count(method_name(q), path + 4);
		if (konnect.record != NULL)
			fprintf(konnect.record, "%s %s%s%s\n", method_name(q), uri, n > 0 ? " " : "", text);
		status = authorization == NULL || strcmp(authorization, konnect.bearer) != 0 ? 401
			 : perform(q, path + 4, &query, text, body, &field);
	}
	evhttp_clear_headers(&query);
	if (status >= 400) {
		konnect.refused++;
		(void)snprintf(konnect.last_refusal, sizeof(konnect.last_refusal), "%d %s %.300s %s", status, method_name(q), uri, field);
		(void)evbuffer_drain(body, evbuffer_get_length(body));
		evbuffer_add_printf(body, "{\"status\":%d,\"title\":\"refused\",\"invalid_parameters\":[{\"field\":\"%s\",\"reason\":\"is "
				    "refused\"}]}", status, field);
	}
	answer_in_time(q, status, body);
}

static void counts(struct evbuffer *body)
{
	json_t *o = json_pack("{s:{},s:I,s:I,s:I,s:s,s:I,s:I,s:I}", "requests", "refused", (json_int_t)konnect.refused, "bytes_in",
			      (json_int_t)konnect.bytes_in, "bytes_out", (json_int_t)konnect.bytes_out, "last_refusal",
			      konnect.last_refusal, "services", (json_int_t)catalog_count(SERVICES), "mappings",
			      (json_int_t)catalog_count(MAPPINGS), "instances", (json_int_t)catalog_count(INSTANCES));
	char *text;

	for (size_t i = 0; i < ROUTES_MAX && konnect.routes[i].route != NULL; i++)
		json_object_set_new(json_object_get(o, "requests"), konnect.routes[i].route, json_integer((json_int_t)konnect.routes[i].n));
	text = json_dumps(o, JSON_COMPACT);
	evbuffer_add(body, text, strlen(text));
	free(text);
	json_decref(o);
}

static void on_control(struct evhttp_request *q, void *arg)
{
	const char *uri = evhttp_request_get_uri(q), *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(q)) + 9, *to;
	struct evbuffer *body = evbuffer_new();
	struct evkeyvalq query;
	int status = 200;

	(void)arg;
	query_parse(uri, &query);
	if (strcmp(path, "counts") == 0) {
		counts(body);
	} else if (strcmp(path, "reset") == 0) {
		catalog_reset();
		forget();
	} else if (strcmp(path, "forget") == 0) {
		forget();
	} else if (strcmp(path, "latency") == 0) {
		konnect.latency_ms = (int)number(&query, "ms", 0);
	} else if (strcmp(path, "record") == 0) {
		to = evhttp_find_header(&query, "to");
		if (konnect.record != NULL)
			(void)fclose(konnect.record);
		konnect.record = to != NULL ? fopen(to, "we") : NULL;
	} else {
		status = 404;
	}
	evhttp_clear_headers(&query);
	answer(q, status, body);
}

static void on_any(struct evhttp_request *q, void *arg)
{
	const char *path = evhttp_uri_get_path(evhttp_request_get_evhttp_uri(q));

	if (path != NULL && strncmp(path, "/control/", 9) == 0)
		on_control(q, arg);
	else if (path != NULL)
		on_request(q, arg);
	else
		evhttp_send_error(q, 400, NULL);
}

int main(int argc, char **argv)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct evconnlistener *listener;
	struct evhttp *http;

	if (argc != 3 || strlen(argv[1]) >= sizeof(a.sun_path)) {
		fprintf(stderr, "usage: konnect SOCKET TOKEN\n");
		return 64;
	}
	(void)signal(SIGPIPE, SIG_IGN);
	(void)snprintf(konnect.bearer, sizeof(konnect.bearer), "Bearer %s", argv[2]);
	strcpy(a.sun_path, argv[1]);
	konnect.base = event_base_new();
	http = evhttp_new(konnect.base);
	listener = evconnlistener_new_bind(konnect.base, NULL, NULL, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 128,
					   (struct sockaddr *)&a, sizeof(a));
	if (listener == NULL || evhttp_bind_listener(http, listener) == NULL) {
		perror(argv[1]);
		return 1;
	}
	evhttp_set_allowed_methods(http, EVHTTP_REQ_GET | EVHTTP_REQ_POST | EVHTTP_REQ_PATCH | EVHTTP_REQ_DELETE);
	evhttp_set_gencb(http, on_any, NULL);
	return event_base_dispatch(konnect.base) < 0;
}
