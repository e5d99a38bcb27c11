/* Any sequence of answers to a repository's and to an integration instance's requests: it ends in a state that is
 * true of itself, whatever Konnect says.
 *
 * The input is lines. The first is a letter (which of the beginnings below) and the document the cache has; each
 * other is an answer, "STATUS JSON". When they are used up they come again from the first. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/converge.h"
#include "../../lib/target.h"
#include "../../lib/util.h"

#define STEPS_MAX 9	/* what the worst of Konnects can make of it */
#define STEPS_GONE_MAX 64	/* of a repository that is gone or returns: its resource may have mappings to remember */
#define ANSWERS_MAX 32

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct answers {
	int status[ANSWERS_MAX];
	json_t *json[ANSWERS_MAX];
	size_t n;
};

static const uint8_t key[DIGEST_KEY_LEN] = { 7 };
static struct config_instance config = { .name = (char[]){ "contoso" }, .organization = (char[]){ "Contoso" } };

static void check(bool good)
{
	if (!good)
		abort();
}

static void check_request(const struct konnect_request *r)
{
	json_t *body;

	check(strncmp(r->path, "/v1/", 4) == 0 && strpbrk(r->path, " \r\n\t") == NULL);
	check((strcmp(r->method, "GET") == 0 || strcmp(r->method, "DELETE") == 0) == (r->body == NULL));
	if (r->body != NULL) {
		body = json_loads(r->body, 0, NULL);
		check(json_object_size(body) > 0);
		json_decref(body);
	}
}

static struct cache_row row_of(char begin, const char *ack)
{
	struct cache_row r = {
		.repo = { .guid = { 0x0a, 0x1b }, .name = xstrdup("user-api"), .project_id = xstrdup("p-1"),
			  .project_name = xstrdup("Payments Hub"), .web_url = xstrdup("https://x/1") },
		.service_name = xstrdup("contoso.payments-hub.user-api"),
	};

	if (begin & 1)
		r.service_id = xstrdup("s-1");
	if (begin & 2)
		r.mapping_id = xstrdup("m-1");
	if (begin & 4)
		r.ack = xstrdup(ack);
	if (begin & 8) {
		r.state = REPO_REMOVED;
		r.absent = ABSENT_REMOVED;
		r.map_want = target_archived();
	} else if (begin & 16) {
		r.archived = true;
		r.resource_id = xstrdup("r-1");
		r.remembered = xstrdup("[\"s-8\",\"s-9\"]");
		r.map_have = target_archived();
	}
	return r;
}

static void fuzz_repository(char begin, const char *ack, const struct answers *a)
{
	struct cache_instance instance = { .konnect_id = (char[]){ "i-1" }, .resource_type = (char[]){ "repository" },
					   .resource_keys = (char[]){ "[\"repository_id\"]" } };
	struct cache_row row = row_of(begin, ack);
	struct konnect_request request;
	struct converge c;
	unsigned steps = 0;

	config.on_remove = begin & 32 ? ON_REMOVE_DELETE : ON_REMOVE_ARCHIVE;
	converge_init(&c, &config, &instance, key, &row, NULL);
	while (converge_request(&c, &request)) {
		check_request(&request);
		konnect_request_done(&request);
		check(steps < (begin & 24 ? STEPS_GONE_MAX : STEPS_MAX) && c.row.parked == NULL);
		converge_answer(&c, a->status[steps % a->n], a->json[steps % a->n]);
		steps++;
	}
	check((c.step == CONVERGE_PARKED) == (c.row.parked != NULL));
	if (c.step == CONVERGE_DONE && begin & 8)
		check(memcmp(&c.row.map_have, &c.row.map_want, sizeof(c.row.map_have)) == 0);
	else if (c.step == CONVERGE_DONE)
		check(c.row.service_id != NULL && c.row.mapping_id != NULL && c.row.ack != NULL &&
		      memcmp(&c.row.have, &c.row.want, sizeof(c.row.have)) == 0);
	converge_done(&c);
	converge_done(&c);
}

static void fuzz_instance(char begin, const char *ack, const struct answers *a)
{
	struct cache_instance instance = { 0 };
	struct konnect_request request;
	struct converge_instance c;
	unsigned steps = 0;

	if (begin & 1)
		instance.konnect_id = xstrdup("i-1");
	if (begin & 2)
		instance.resource_type = xstrdup("repository");
	if (begin & 2)
		instance.resource_keys = xstrdup("[\"repository_id\"]");
	if (begin & 4)
		instance.ack = xstrdup(ack);
	converge_instance_init(&c, &config, begin & 8 ? "repository" : NULL, &instance, begin & 16, NULL, false, false);
	while (converge_instance_request(&c, &request)) {
		check_request(&request);
		check(!(begin & 16) || request.body == NULL);
		konnect_request_done(&request);
		check(steps < STEPS_MAX && c.error == NULL);
		converge_instance_answer(&c, a->status[steps % a->n], a->json[steps % a->n]);
		steps++;
	}
	check((c.step == INSTANCE_REFUSED) == (c.error != NULL));
	if (c.step == INSTANCE_DONE && !(begin & 16))
		check(instance.konnect_id != NULL && instance.ack != NULL && instance.resource_type != NULL);
	converge_instance_done(&c);
	cache_instance_done(&instance);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text = xcalloc(size + 1, 1), *rest = text, *line, *first;
	struct answers a = { .n = 0 };

	if (size > 0)
		memcpy(text, data, size);
	first = strsep(&rest, "\n");
	while (a.n < ANSWERS_MAX && (line = strsep(&rest, "\n")) != NULL) {
		a.status[a.n] = (int)(strtoul(line, &line, 10) % 1000);
		a.json[a.n++] = json_loads(line, JSON_DECODE_ANY, NULL);
	}
	if (*first != '\0' && a.n > 0) {
		fuzz_repository(*first, first + 1, &a);
		fuzz_instance(*first, first + 1, &a);
	}
	for (size_t i = 0; i < a.n; i++)
		json_decref(a.json[i]);
	free(text);
	return 0;
}
