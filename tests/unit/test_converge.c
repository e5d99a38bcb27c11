#include <stdlib.h>

#include "converge.h"
#include "document.h"
#include "script.h"
#include "target.h"
#include "util.h"

#define GUID "0a1b2c3d-0000-0000-0000-000000000001"
#define NAME "contoso.payments-hub.user-api"
#define NEXT_NAME NAME ".0a1b2c3d"
#define MARKS "\"azure-devops-fork\":\"false\",\"azure-devops-instance\":\"contoso\",\"azure-devops-organization\":\"Contoso\"," \
	"\"azure-devops-project\":\"Payments-Hub\",\"azure-devops-project-id\":\"p-1\",\"azure-devops-repository-id\":\"" GUID "\"," \
	"\"azure-devops-state\":\"active\",\"azure-devops-visibility\":\"private\",\"managed-by\":\"adosyncd\""
#define LABELS "{\"azure-devops-default-branch\":\"main\"," MARKS "}"
#define GIT_REPO(link) "\"git_repo\":{\"link\":\"" link "\",\"name\":\"user-api\"}"
#define DOCUMENT(name, display_name, description, link) "{\"custom_fields\":{" GIT_REPO(link) "}," \
	"\"description\":\"" description "\",\"display_name\":\"" display_name "\",\"labels\":" LABELS ",\"name\":\"" name "\"}"
#define DOC DOCUMENT(NAME, "Payments Hub / user-api", "Money", "https://x/1")
#define OLD DOCUMENT(NAME, "Payments Hub / user-api", "Money", "https://x/0")
#define SERVICE_OF(id, name, display_name, description, link, labels) "{\"id\":\"" id "\",\"name\":\"" name "\",\"display_name\":\"" \
	display_name "\",\"description\":\"" description "\",\"custom_fields\":{\"owner\":\"Ann\"," GIT_REPO(link) "},\"labels\":" labels "}"
#define SERVICE SERVICE_OF("s/1", NAME, "Payments Hub / user-api", "Money", "https://x/1", LABELS)
#define LIST(items) "{\"data\":[" items "],\"meta\":{\"page\":{\"total\":1}}}"

#define POST "POST /v1/catalog-services\n"
#define LOOKUP(name) "GET /v1/catalog-services?filter%5Bname%5D%5Beq%5D=" name "&page%5Bsize%5D=1"
#define READ "GET /v1/catalog-services/s%2F1"
#define PATCH "PATCH /v1/catalog-services/s%2F1\n"
#define MAP "POST /v1/resource-mappings\n{\"resource\":{\"config\":{\"organization\":\"Contoso\",\"repo_id\":\"" GUID "\"}," \
	"\"integration_instance\":\"i-1\",\"type\":\"repository\"},\"service\":\"s/1\"}"
#define MAP_LOOKUP "GET /v1/resource-mappings?filter%5Bservice.id%5D%5Beq%5D=s%2F1&page%5Bsize%5D=100"
#define CREATED "{\"id\":\"s/1\"}"
#define MAPPED "{\"id\":\"m-1\"}"
#define CONFLICT "{\"detail\":\"[name] is taken\"}"

static const uint8_t key[DIGEST_KEY_LEN] = { 1 };
static struct config_instance config = { .name = (char[]){ "contoso" }, .organization = (char[]){ "Contoso" } };
static struct cache_instance instance = { .konnect_id = (char[]){ "i-1" }, .resource_type = (char[]){ "repository" },
					  .resource_keys = (char[]){ "[\"organization\",\"repo_id\"]" } };

/* A row of the one repository of these tests; with an acknowledged document it has a service too. */
static struct cache_row row_of(const char *ack, const char *mapping_id)
{
	struct cache_row r = {
		.repo = { .name = xstrdup("user-api"), .project_id = xstrdup("p-1"), .project_name = xstrdup("Payments Hub"),
			  .description = xstrdup("Money"), .visibility = xstrdup("private"), .default_branch = xstrdup("refs/heads/main"),
			  .web_url = xstrdup("https://x/1") },
		.service_name = xstrdup(NAME), .ack = ack != NULL ? xstrdup(ack) : NULL,
		.service_id = ack != NULL ? xstrdup("s/1") : NULL, .mapping_id = mapping_id != NULL ? xstrdup(mapping_id) : NULL,
		.parked = xstrdup("once refused"),
	};

	(void)guid_parse(GUID, r.repo.guid);
	if (ack != NULL)
		r.have = digest_bytes(key, ack, strlen(ack));
	if (mapping_id != NULL)
		r.map_have = target_digest(key, &config, instance.resource_keys, &r);
	return r;
}

#define RUN(c, ack, mapping_id, lines)                                         \
	do {                                                                   \
		struct cache_row row_ = row_of(ack, mapping_id);               \
                                                                               \
		converge_init(c, &config, &instance, key, &row_, NULL);              \
		T_NULL(row_.service_name);                                     \
		PLAY(converge, c, lines);                                      \
	} while (0)

/* Everything is as wanted, and known to be. */
static void converged(struct converge *c)
{
	T_EQ_INT(c->step, CONVERGE_DONE);
	T_EQ_STR(c->row.service_id, "s/1");
	T_EQ_STR(c->row.mapping_id, "m-1");
	T_OK(memcmp(&c->row.have, &c->row.want, sizeof(c->row.have)) == 0);
	T_NULL(c->row.parked);
	converge_done(c);
}

static void parked(struct converge *c, const char *why)
{
	T_EQ_INT(c->step, CONVERGE_PARKED);
	T_EQ_STR(c->row.parked, why);
	converge_done(c);
}

static void test_cost(void)
{
	static const struct line created[] = { { POST DOC, 201, CREATED }, { MAP, 201, MAPPED } },
		relabelled[] = { { PATCH "{\"labels\":{\"azure-devops-default-branch\":\"main\"}}", 200, "{}" } },
		described[] = { { PATCH "{\"description\":\"Money\"}", 200, "{}" } },
		relinked[] = { { READ, 200, SERVICE },
			       { PATCH "{\"custom_fields\":{" GIT_REPO("https://x/1") ",\"owner\":\"Ann\"}}", 200, "{}" } };
	struct converge c;
	struct cache_row row = row_of(DOC, "m-1");

	converge_init(&c, &config, &instance, key, &row, NULL);
	T_EQ_INT(c.step, CONVERGE_DONE);
	T_OK(!c.created && !c.changed && !c.adopted);
	converged(&c);
	RUN(&c, NULL, NULL, created);
	T_OK(c.created && !c.changed && !c.adopted);
	T_EQ_STR(c.row.ack, DOC);
	converged(&c);
	RUN(&c, "{\"custom_fields\":{" GIT_REPO("https://x/1") "},\"description\":\"Money\",\"display_name\":\"Payments Hub / user-api\","
	    "\"labels\":{\"azure-devops-default-branch\":\"old\"," MARKS "},\"name\":\"" NAME "\"}", "m-1", relabelled);
	T_OK(!c.created && c.changed);
	T_EQ_STR(c.row.ack, DOC);
	converged(&c);
	RUN(&c, DOCUMENT(NAME, "Payments Hub / user-api", "Old", "https://x/1"), "m-1", described);
	converged(&c);
	RUN(&c, OLD, "m-1", relinked);
	converged(&c);
}

/* A row says how far it came, so that a new process does the rest and no more. */
static void test_restart(void)
{
	static const struct line map[] = { { MAP, 201, MAPPED } };
	struct converge c;

	RUN(&c, DOC, NULL, map);
	converged(&c);
}

/* A POST is sent again after its answer was lost, or its answer says nothing. */
static void test_lost_answers(void)
{
	static const struct line conflict[] = {
		{ POST DOC, 409, CONFLICT },
		{ LOOKUP(NAME), 200, LIST(SERVICE) },
		{ MAP, 409, "{}" },
		{ MAP_LOOKUP, 200, LIST("{\"id\":\"m-0\",\"service\":{\"id\":\"s/2\"},\"resource\":{\"config\":{\"organization\":\"Contoso\","
					"\"repo_id\":\"" GUID "\"}}},{\"id\":\"m-2\",\"service\":{\"id\":\"s/1\"},\"resource\":{\"config\":{"
					"\"repo_id\":\"0a1b2c3d-0000-0000-0000-000000000002\"}}},{\"id\":\"m-3\",\"service\":{\"id\":\"s/1\"},\"resource\":{\"type\":\"build\","
					"\"config\":{\"organization\":\"Contoso\",\"repo_id\":\"" GUID "\"}}},{\"id\":\"m-4\",\"service\":{\"id\":"
					"\"s/1\"},\"resource\":{\"integration\":{\"instance\":{\"id\":\"i-2\"}},\"config\":{\"organization\":"
					"\"Contoso\",\"repo_id\":\"" GUID "\"}}},{\"id\":\"m-1\",\"service\":{\"id\":\"s/1\"},\"resource\":{"
					"\"config\":{\"repo_id\":\"" GUID "\",\"organization\":\"Contoso\",\"more\":1}}}") },
	}, as_400[] = {
		{ POST DOC, 400, "{\"invalid_parameters\":[{\"field\":\"name\",\"reason\":\"must be unique\"}]}" },
		{ LOOKUP(NAME), 200, LIST(SERVICE) },
		{ MAP, 201, MAPPED },
	}, unreadable[] = {
		{ POST DOC, 201, NULL },
		{ LOOKUP(NAME), 200, LIST(SERVICE) },
		{ MAP, 201, "[]" },
		{ MAP_LOOKUP, 200, LIST("{\"id\":\"m-1\",\"service\":{\"id\":\"s/1\"},\"resource\":{\"config\":{\"repo_id\":\"" GUID "\","
					"\"organization\":\"Contoso\"}}}") },
	};
	struct converge c;

	RUN(&c, NULL, NULL, conflict);
	T_OK(c.adopted && !c.created && !c.changed);
	T_EQ_STR(c.row.ack, DOC);
	converged(&c);
	RUN(&c, NULL, NULL, as_400);
	converged(&c);
	RUN(&c, NULL, NULL, unreadable);
	converged(&c);
}

#define FORMER(id, name) "{\"id\":\"" id "\",\"service\":{\"id\":\"s/1\"},\"resource\":{\"config\":{\"project\":\"Payments Hub\"," \
	"\"repository\":\"" name "\"}}}"
#define MAP_NAMED "POST /v1/resource-mappings\n{\"resource\":{\"config\":{\"project\":\"Payments Hub\",\"repository\":\"user-api\"}," \
	"\"integration_instance\":\"i-1\",\"type\":\"repository\"},\"service\":\"s/1\"}"

/* It has moved since its mapping was sent, so that a second one would not meet the first. */
static void test_moved_while_mapping(void)
{
	static const struct line there[] = {
		{ MAP_LOOKUP, 200, LIST("{\"id\":\"m-1\",\"service\":{\"id\":\"s/1\"},\"resource\":{\"config\":{\"repo_id\":\"" GUID "\"}}}") },
	}, former[] = {
		{ MAP_LOOKUP, 200, LIST(FORMER("m-9", "else") "," FORMER("m-0", "old")) },
		{ "DELETE /v1/resource-mappings/m-0", 204, NULL },
		{ MAP_NAMED, 201, "{\"id\":\"m-1\"}" },
	}, not_there[] = {
		{ MAP_LOOKUP, 200, LIST("") },
		{ MAP, 409, "{}" },
		{ MAP_LOOKUP, 200, LIST("{\"id\":\"m-1\",\"service\":{\"id\":\"s/1\"},\"resource\":{\"config\":{\"repo_id\":\"" GUID "\"}}}") },
	}, refused[] = {
		{ MAP_LOOKUP, 400, "{\"detail\":\"no such filter\"}" },
	};
	char names[] = "[\"project\",\"repository\"]", *keys = instance.resource_keys;
	struct cache_row row;
	struct converge c;

#define MOVED_FROM(from, lines)                                                  \
	do {                                                                   \
		row = row_of(DOC, NULL);                                       \
		free(row.repo.name);                                           \
		row.repo.name = xstrdup(from);                                 \
		row.map_have = target_digest(key, &config, instance.resource_keys, &row); \
		row.map_have = target_perhaps(&row.map_have);                  \
		free(row.repo.name);                                           \
		row.repo.name = xstrdup("user-api");                           \
		converge_init(&c, &config, &instance, key, &row, NULL);        \
		PLAY(converge, &c, lines);                                     \
	} while (0)
#define MOVED(lines) MOVED_FROM("user-api", lines)
	MOVED(there);
	converged(&c);
	/* known by its name, it leads to what the repository was, and not to what somebody else has mapped to its service */
	instance.resource_keys = names;
	MOVED_FROM("old", former);
	converged(&c);
	instance.resource_keys = keys;
	MOVED(not_there);
	converged(&c);
	MOVED(refused);
	parked(&c, "mapping the repository, which has no mapping, was refused with 400: no such filter");
#undef MOVED
#undef MOVED_FROM
}

/* Labels of ours and git_repo are repaired; what its owner may have written is not. */
static void test_adopt(void)
{
	static const struct line renamed[] = {
		{ POST DOC, 409, CONFLICT },
		{ LOOKUP(NAME), 200, LIST("{\"id\":\"s/1\",\"name\":\"" NAME "\",\"display_name\":\"Payments*Hub / old\",\"description\":\"Theirs\","
					  "\"custom_fields\":{\"owner\":\"Ann\",\"git_repo\":{\"name\":\"old\",\"link\":\"https://x/0\"}},"
					  "\"labels\":{" MARKS ",\"team\":\"x\"}}") },
		{ PATCH "{\"custom_fields\":{" GIT_REPO("https://x/1") ",\"owner\":\"Ann\"},\"display_name\":\"Payments Hub / user-api\","
			"\"labels\":{\"azure-devops-default-branch\":\"main\"}}", 200, "{}" },
		{ MAP, 201, MAPPED },
	}, edited[] = {
		{ POST DOC, 409, CONFLICT },
		{ LOOKUP(NAME), 200, LIST(SERVICE_OF("s/1", NAME, "Our users", "Theirs", "https://x/1", LABELS)) },
		{ MAP, 201, MAPPED },
	}, bare[] = {
		{ POST DOC, 409, CONFLICT },
		{ LOOKUP(NAME), 200, LIST("{\"id\":\"s/1\",\"name\":\"" NAME "\",\"custom_fields\":\"x\",\"labels\":" LABELS "}") },
		{ PATCH "{\"custom_fields\":{" GIT_REPO("https://x/1") "},\"description\":\"Money\"}", 200, "{}" },
		{ MAP, 201, MAPPED },
	}, stale[] = {
		{ LOOKUP(NAME), 200, LIST(SERVICE) },
		{ PATCH "{\"labels\":{\"azure-devops-default-branch\":null,\"azure-devops-state\":\"empty\"}}", 200, "{}" },
		{ MAP, 201, MAPPED },
	};
	struct cache_row row = row_of(NULL, NULL);
	struct konnect_request request;
	struct converge c;

	RUN(&c, NULL, NULL, renamed);
	T_OK(c.adopted && c.changed);
	converged(&c);
	RUN(&c, NULL, NULL, edited);
	T_OK(c.adopted && !c.changed);
	converged(&c);
	RUN(&c, NULL, NULL, bare);
	converged(&c);
	free(row.repo.default_branch);
	row.repo.default_branch = NULL;
	row.state = REPO_EMPTY;
	converge_init(&c, &config, &instance, key, &row, NULL);
	T_OK(converge_request(&c, &request));
	konnect_request_done(&request);
	converge_answer(&c, 409, NULL);
	PLAY(converge, &c, stale);
	converged(&c);
}

/* A name of somebody else's is left to him: once for the next name, and no more. */
static void test_names(void)
{
	static const struct line next[] = {
		{ POST DOC, 409, CONFLICT },
		{ LOOKUP(NAME), 200, LIST(SERVICE_OF("s/2", NAME, "x", "y", "z", "{}")) },
		{ POST DOCUMENT(NEXT_NAME, "Payments Hub / user-api", "Money", "https://x/1"), 201, CREATED },
		{ MAP, 201, MAPPED },
	}, another_repository[] = {
		{ POST DOC, 409, CONFLICT },
		{ LOOKUP(NAME), 200, LIST(SERVICE_OF("s/2", NAME, "x", "y", "z", "{\"managed-by\":\"adosyncd\",\"azure-devops-instance\":"
						     "\"contoso\",\"azure-devops-repository-id\":\"0a1b2c3d-0000-0000-0000-000000000002\"}")) },
		{ POST DOCUMENT(NEXT_NAME, "Payments Hub / user-api", "Money", "https://x/1"), 409, CONFLICT },
		{ LOOKUP(NEXT_NAME), 200, LIST(SERVICE_OF("s/1", NEXT_NAME, "Payments Hub / user-api", "Money", "https://x/1", LABELS)) },
		{ MAP, 201, MAPPED },
	}, both[] = {
		{ POST DOC, 409, CONFLICT },
		{ LOOKUP(NAME), 200, LIST(SERVICE_OF("s/2", NAME, "x", "y", "z", "{" MARKS ",\"KONGCTL-protected\":\"true\"}")) },
		{ POST DOCUMENT(NEXT_NAME, "Payments Hub / user-api", "Money", "https://x/1"), 409, CONFLICT },
		{ LOOKUP(NEXT_NAME), 200, LIST(SERVICE_OF("s/3", NEXT_NAME, "x", "y", "z", "{" MARKS ",\"KONGCTL-protected\":\"true\"}")) },
	}, last[] = {
		{ POST DOCUMENT(NEXT_NAME, "Payments Hub / user-api", "Money", "https://x/1"), 409, CONFLICT },
		{ LOOKUP(NEXT_NAME), 200, LIST(SERVICE_OF("s/3", NEXT_NAME, "x", "y", "z", "{\"KONGCTL-namespace\":\"x\"}")) },
	}, nobody[] = {
		{ POST DOC, 400, "{\"invalid_parameters\":[{\"field\":\"name\",\"reason\":\"is reserved\"}]}" },
		{ LOOKUP(NAME), 200, "{\"data\":[{\"name\":\"another\"},7,null,[]]}" },
	};
	struct cache_row row = row_of(NULL, NULL);
	struct converge c;

	RUN(&c, NULL, NULL, next);
	T_OK(c.created && c.name_taken);
	T_EQ_STR(c.row.service_name, NEXT_NAME);
	converged(&c);
	RUN(&c, NULL, NULL, another_repository);
	T_OK(c.adopted && c.name_taken);
	converged(&c);
	RUN(&c, NULL, NULL, both);
	parked(&c, "the service name " NEXT_NAME " and the plain one are both taken by an object of another tool; rename or remove one of them");
	RUN(&c, NULL, NULL, nobody);
	parked(&c, "Konnect refuses the service name " NAME " although nobody has it: name: is reserved");
	free(row.service_name);
	row.service_name = xstrdup(NEXT_NAME);
	converge_init(&c, &config, &instance, key, &row, NULL);
	PLAY(converge, &c, last);
	parked(&c, "the service name " NEXT_NAME " is taken by an object of another tool; rename or remove it");
}

/* Only a read that says so too makes a service one that is gone; and only once. */
static void test_gone(void)
{
	static const struct line created_again[] = {
		{ PATCH "{\"description\":\"Money\"}", 404, "{}" },
		{ READ, 404, "{}" },
		{ POST DOC, 201, CREATED },
		{ MAP, 201, MAPPED },
	}, exists[] = {
		{ PATCH "{\"description\":\"Money\"}", 404, "{}" },
		{ READ, 200, SERVICE },
	}, by_read[] = {
		{ READ, 404, "{}" },
		{ POST DOC, 201, CREATED },
		{ MAP, 201, MAPPED },
	}, twice[] = {
		{ READ, 404, "{}" },
		{ POST DOC, 409, CONFLICT },
		{ LOOKUP(NAME), 200, LIST(SERVICE_OF("s/1", NAME, "x", "y", "https://x/0", LABELS)) },
		{ PATCH "{\"custom_fields\":{" GIT_REPO("https://x/1") ",\"owner\":\"Ann\"}}", 404, "{}" },
		{ READ, 404, "{\"detail\":\"Not found\"}" },
	};
	struct converge c;

	RUN(&c, DOCUMENT(NAME, "Payments Hub / user-api", "Old", "https://x/1"), "m-0", created_again);
	T_OK(c.created);
	converged(&c);
	RUN(&c, DOCUMENT(NAME, "Payments Hub / user-api", "Old", "https://x/1"), "m-0", exists);
	parked(&c, "changing the service was refused with 404, although it exists");
	RUN(&c, OLD, "m-0", by_read);
	converged(&c);
	RUN(&c, OLD, "m-0", twice);
	parked(&c, "reading the service was refused with 404: Not found");
}

/* What somebody has edited in Konnect is his from then on, as far as a read shows it. */
static void test_edited(void)
{
	static const struct line lines[] = {
		{ READ, 200, SERVICE_OF("s/1", NAME, "Our users", "Old", "https://x/0", LABELS) },
		{ PATCH "{\"custom_fields\":{" GIT_REPO("https://x/1") ",\"owner\":\"Ann\"},\"description\":\"Money\"}", 200, "{}" },
	}, foreign[] = {
		{ READ, 200, SERVICE_OF("s/1", NAME, "x", "y", "https://x/0", "{\"KONGCTL-namespace\":\"x\"}") },
	};
	struct converge c;

	RUN(&c, DOCUMENT(NAME, "Payments Hub / old", "Old", "https://x/0"), "m-1", lines);
	converged(&c);
	RUN(&c, OLD, "m-1", foreign);
	parked(&c, "the service " NAME " is managed by another tool now (label KONGCTL-*)");
}

/* A field that is not wanted any more is taken out of a map that is replaced, and of one that is merged. */
static void test_no_link(void)
{
	static const struct line lines[] = {
		{ READ, 200, SERVICE },
		{ PATCH "{\"custom_fields\":{\"git_repo\":null,\"owner\":\"Ann\"}}", 200, "{}" },
	};
	struct cache_row row = row_of(DOC, "m-1");
	struct converge c;

	free(row.repo.web_url);
	row.repo.web_url = NULL;
	converge_init(&c, &config, &instance, key, &row, NULL);
	PLAY(converge, &c, lines);
	converged(&c);
}

/* Without a readable document of its own a row asks Konnect, and leaves what may be edited. */
static void test_corrupt_ack(void)
{
	static const char *const acks[] = { "", "{", "[]", "\"text\"", "7", "null" };
	static const struct line lines[] = {
		{ READ, 200, SERVICE_OF("s/1", NAME, "Our users", "Theirs", "https://x/0", LABELS) },
		{ PATCH "{\"custom_fields\":{" GIT_REPO("https://x/1") ",\"owner\":\"Ann\"}}", 200, "{}" },
	}, same[] = { { READ, 200, SERVICE } }, odd[] = {
		{ READ, 200, "{\"id\":\"s/1\",\"custom_fields\":[]}" },
		{ PATCH "{\"custom_fields\":{" GIT_REPO("https://x/1") "},\"description\":\"Money\",\"labels\":" LABELS ",\"name\":\"" NAME
			"\"}", 200, "{}" },
	};
	struct cache_row row;
	struct converge c;

	for (size_t i = 0; i < ELEMENTSOF(acks); i++) {
		RUN(&c, acks[i], "m-1", lines);
		converged(&c);
	}
	RUN(&c, "nonsense", "m-1", same);
	converged(&c);
	RUN(&c, "{\"labels\":7,\"custom_fields\":\"x\",\"name\":[]}", "m-1", odd);
	converged(&c);
	/* its digest is not believed either */
	row = row_of("{", "m-1");
	row.have = digest_bytes(key, DOC, strlen(DOC));
	converge_init(&c, &config, &instance, key, &row, NULL);
	T_EQ_INT(c.step, CONVERGE_READ);
	converge_done(&c);
}

static void test_parked(void)
{
	static const struct {
		const char *ack, *why;
		struct line line;
	} rows[] = {
		{ NULL, "creating the service was refused with 400: labels: too many; description: too long",
		  { POST DOC, 400, "{\"invalid_parameters\":[{\"field\":\"labels\",\"reason\":\"too many\"},"
				   "{\"field\":\"description\",\"reason\":\"too long\"}]}" } },
		{ OLD, "reading the service was answered with 200, but not with what was asked for", { READ, 200, "{\"id\":\"s/2\"}" } },
		{ OLD, "reading the service was refused with 410", { READ, 410, NULL } },
		{ DOCUMENT(NAME, "x", "Money", "https://x/1"), "changing the service was refused with 400: no",
		  { PATCH "{\"display_name\":\"Payments Hub / user-api\"}", 400, "{\"detail\":\"no\"}" } },
		{ DOC, "mapping the repository was refused with 400: resource.config: unknown key",
		  { MAP, 400, "{\"invalid_parameters\":[{\"field\":\"resource.config\",\"reason\":\"unknown key\"}]}" } },
	};
	static const struct line lookup[] = { { POST DOC, 409, CONFLICT }, { LOOKUP(NAME), 400, "{\"detail\":\"no filter\"}" } },
		lookup_garbage[] = { { POST DOC, 409, CONFLICT }, { LOOKUP(NAME), 200, "{\"data\":{\"name\":\"" NAME "\"}}" } },
		unmapped[] = { { MAP, 409, "{}" }, { MAP_LOOKUP, 200, "{\"data\":[null,{\"service\":[]},{\"id\":4}]}" } },
		mapping_lookup[] = { { MAP, 409, "{}" }, { MAP_LOOKUP, 404, "{\"detail\":\"gone\"}" } };
	struct converge c;

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		struct line lines[] = { rows[i].line };

		RUN(&c, rows[i].ack, NULL, lines);
		parked(&c, rows[i].why);
	}
	RUN(&c, NULL, NULL, lookup);
	parked(&c, "looking up the service name was refused with 400: no filter");
	RUN(&c, NULL, NULL, lookup_garbage);
	parked(&c, "looking up the service name was answered with 200, but not with what was asked for");
	RUN(&c, DOC, NULL, unmapped);
	parked(&c, "mapping the repository, which has no mapping, was refused with 409");
	RUN(&c, DOC, NULL, mapping_lookup);
	parked(&c, "mapping the repository, which has no mapping, was refused with 404: gone");
}

int main(void)
{
	test_cost();
	test_restart();
	test_lost_answers();
	test_moved_while_mapping();
	test_adopt();
	test_names();
	test_gone();
	test_edited();
	test_no_link();
	test_corrupt_ack();
	test_parked();
	return t_done();
}
