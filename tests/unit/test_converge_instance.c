#include <stdlib.h>

#include "converge.h"
#include "script.h"
#include "util.h"

#define INTEGRATIONS "GET /v1/integrations?filter%5Bname%5D%5Beq%5D=azure-devops&page%5Bsize%5D=100"
#define LOOKUP "GET /v1/integration-instances?filter%5Bname%5D%5Beq%5D=contoso&page%5Bsize%5D=1"
#define POST "POST /v1/integration-instances\n"
#define PATCH "PATCH /v1/integration-instances/i%2F1\n"
#define TYPES "{\"data\":[{\"name\":\"azure-devops\",\"resource_types\":{\"repo\":{\"schema\":{\"definition\":{\"repo_id\":\"string\"}}}}}]}"
#define LABELS "\"labels\":{\"azure-devops-instance\":\"contoso\",\"azure-devops-organization\":\"Contoso\",\"managed-by\":\"adosyncd\"}"
#define ACK "{\"config\":{\"organization\":\"Contoso\"}," LABELS ",\"name\":\"contoso\"}"
#define BODY "{\"config\":{\"organization\":\"Contoso\"},\"display_name\":\"contoso\",\"integration_name\":\"azure-devops\"," LABELS \
	",\"name\":\"contoso\"}"
#define FOUND_OF(integration, organization, more) "{\"data\":[{\"id\":\"i/1\",\"name\":\"contoso\",\"display_name\":\"Theirs\"," \
	"\"description\":\"kept\",\"integration\":{\"name\":\"" integration "\"},\"config\":{\"organization\":\"" organization "\"}," \
	more "}]}"
#define FOUND(more) FOUND_OF("azure-devops", "contoso", more)
#define NOBODY "{\"data\":[],\"meta\":{\"page\":{\"total\":0}}}"
#define TAKEN "{\"detail\":\"[contoso] is taken\"}"

static struct config_instance config = { .name = (char[]){ "contoso" }, .organization = (char[]){ "Contoso" } };

static void forget(struct converge_instance *c)
{
	cache_instance_done(c->instance);
	converge_instance_done(c);
}

static void known(struct cache_instance *i, const char *ack)
{
	*i = (struct cache_instance){ .konnect_id = xstrdup("i/1"), .ack = ack != NULL ? xstrdup(ack) : NULL,
				      .resource_type = xstrdup("repo"), .resource_keys = xstrdup("[\"repo_id\"]") };
}

static void test_create(void)
{
	static const struct line lines[] = {
		{ INTEGRATIONS, 200, TYPES },
		{ LOOKUP, 200, NOBODY },
		{ POST BODY, 201, "{\"id\":\"i/1\"}" },
	};
	struct cache_instance i = { 0 };
	struct converge_instance c;

	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, lines);
	T_EQ_INT(c.step, INSTANCE_DONE);
	T_OK(c.created && !c.adopted && !c.changed);
	T_EQ_STR(i.konnect_id, "i/1");
	T_EQ_STR(i.ack, ACK);
	T_EQ_STR(i.resource_type, "repo");
	T_EQ_STR(i.resource_keys, "[\"repo_id\"]");
	converge_instance_done(&c);

	/* and then it costs nothing */
	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	T_EQ_INT(c.step, INSTANCE_DONE);
	converge_instance_done(&c);
	converge_instance_init(&c, &config, "another", &i, false, NULL, false, false);
	T_EQ_INT(c.step, INSTANCE_INTEGRATIONS);
	forget(&c);
}

/* A POST whose answer was lost, or is unreadable, has made the instance. */
static void test_lost_answer(void)
{
	static const struct line conflict[] = {
		{ LOOKUP, 200, NOBODY },
		{ POST BODY, 409, TAKEN },
		{ LOOKUP, 200, FOUND(LABELS) },
	}, unreadable[] = {
		{ LOOKUP, 200, NOBODY },
		{ POST BODY, 201, NULL },
		{ LOOKUP, 200, FOUND(LABELS) },
	};
	struct cache_instance i;
	struct converge_instance c;

	known(&i, NULL);
	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, conflict);
	T_EQ_INT(c.step, INSTANCE_DONE);
	T_OK(!c.adopted && !c.changed);
	forget(&c);
	known(&i, NULL);
	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, unreadable);
	T_EQ_INT(c.step, INSTANCE_DONE);
	T_EQ_STR(i.konnect_id, "i/1");
	forget(&c);
}

/* One PATCH of labels; what its owner wrote stays, unless the configuration says otherwise. */
static void test_adopt(void)
{
	static const struct line plain[] = {
		{ LOOKUP, 200, FOUND("\"labels\":{\"team\":\"x\"}") },
		{ PATCH "{" LABELS "}", 200, NULL },
	}, no_labels[] = {
		{ LOOKUP, 200, FOUND("\"labels\":null") },
		{ PATCH "{" LABELS "}", 200, "{\"id\":\"another\"}" },
	}, configured[] = {
		{ LOOKUP, 200, FOUND(LABELS) },
		{ PATCH "{\"description\":\"ours\",\"display_name\":\"Contoso\"}", 200, "{}" },
	};
	struct config_instance named = config;
	struct cache_instance i;
	struct converge_instance c;

	known(&i, NULL);
	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, plain);
	T_OK(c.step == INSTANCE_DONE && c.adopted && c.changed);
	T_EQ_STR(i.ack, ACK);
	forget(&c);
	known(&i, NULL);
	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, no_labels);
	T_EQ_STR(i.konnect_id, "i/1");
	forget(&c);
	named.display_name = (char[]){ "Contoso" };
	named.description = (char[]){ "ours" };
	known(&i, ACK);
	converge_instance_init(&c, &named, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, configured);
	T_OK(c.step == INSTANCE_DONE && !c.adopted && c.changed);
	forget(&c);
}

/* A label taken out of the configuration goes, unless somebody has given it another value. */
static void test_label_removed(void)
{
	static const struct line lines[] = {
		{ LOOKUP, 200, FOUND("\"labels\":{\"azure-devops-instance\":\"contoso\",\"azure-devops-organization\":\"Contoso\","
				     "\"managed-by\":\"adosyncd\",\"team\":\"a\",\"tier\":\"theirs\",\"other\":\"kept\"}") },
		{ PATCH "{\"labels\":{\"team\":null}}", 200, "{}" },
	};
	struct cache_instance i;
	struct converge_instance c;

	known(&i, "{\"labels\":{\"team\":\"a\",\"tier\":\"b\"}}");
	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, lines);
	T_EQ_INT(c.step, INSTANCE_DONE);
	forget(&c);
}

static void test_refused(void)
{
	static const struct {
		int status;
		const char *found, *error;
	} rows[] = {
		{ 200, FOUND_OF("github", "contoso", LABELS), "Konnect has an integration instance \"contoso\" of the integration "
		  "\"github\", not azure-devops; give this instance another name" },
		{ 200, FOUND_OF("azure-devops", "fabrikam", LABELS), "Konnect's integration instance \"contoso\" is for the organization "
		  "\"fabrikam\", the configuration says \"Contoso\"; correct one of them, or give this instance another name" },
		{ 200, FOUND("\"labels\":{\"KONGCTL-namespace\":\"x\"}"), "Konnect's integration instance \"contoso\" is managed by another "
		  "tool (label KONGCTL-*); give this instance another name" },
		{ 404, "{\"detail\":\"no\"}", "looking up the integration instance was refused with 404: no" },
		{ 200, "{\"data\":{}}", "looking up the integration instance was answered with 200, but not with what was asked for" },
		{ 200, NULL, "looking up the integration instance was answered with 200, but not with what was asked for" },
	};
	struct cache_instance i;
	struct converge_instance c;

	for (size_t n = 0; n < ELEMENTSOF(rows); n++) {
		struct line lines[] = { { LOOKUP, rows[n].status, rows[n].found } };

		known(&i, NULL);
		converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
		PLAY(converge_instance, &c, lines);
		T_EQ_INT(c.step, INSTANCE_REFUSED);
		T_EQ_STR(c.error, rows[n].error);
		T_NULL(i.ack);
		forget(&c);
	}
}

static void test_refused_writes(void)
{
	static const struct line integrations[] = { { INTEGRATIONS, 200, "{\"data\":[]}" } },
		garbage[] = { { INTEGRATIONS, 200, "[]" } },
	create[] = {
		{ LOOKUP, 200, NOBODY },
		{ POST BODY, 400, "{\"invalid_parameters\":[{\"field\":\"config\",\"reason\":\"no\"}]}" },
	}, name[] = {
		{ LOOKUP, 200, "{\"data\":[{\"name\":\"contoso\"},{\"name\":7},null]}" },
		{ POST BODY, 400, "{\"invalid_parameters\":[{\"field\":\"name\",\"reason\":\"is reserved\"}]}" },
		{ LOOKUP, 200, NOBODY },
	}, patch[] = {
		{ LOOKUP, 200, FOUND("\"labels\":{}") },
		{ PATCH "{" LABELS "}", 400, "{\"detail\":\"too many labels\"}" },
	}, gone[] = {
		{ LOOKUP, 200, FOUND("\"labels\":{}") },
		{ PATCH "{" LABELS "}", 404, "{}" },
		{ LOOKUP, 200, NOBODY },
		{ POST BODY, 201, "{\"id\":\"i/1\"}" },
	};
	struct cache_instance i = { 0 };
	struct converge_instance c;

	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, integrations);
	T_EQ_STR(c.error, "Konnect offers no integration azure-devops with resource types in this region; check region");
	forget(&c);
	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, garbage);
	T_EQ_STR(c.error, "reading Konnect's integrations was answered with 200, but not with what was asked for");
	forget(&c);
	known(&i, NULL);
	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, create);
	T_EQ_STR(c.error, "creating the integration instance was refused with 400: config: no");
	forget(&c);
	known(&i, NULL);
	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, name);
	T_EQ_STR(c.error, "Konnect refuses the instance name \"contoso\" although nobody has it: name: is reserved; give this instance "
			  "another name");
	forget(&c);
	known(&i, NULL);
	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, patch);
	T_EQ_STR(c.error, "changing the integration instance was refused with 400: too many labels");
	forget(&c);
	known(&i, NULL);
	converge_instance_init(&c, &config, NULL, &i, false, NULL, false, false);
	PLAY(converge_instance, &c, gone);
	T_OK(c.step == INSTANCE_DONE && c.created);
	forget(&c);
}

static void test_read_only(void)
{
	static const struct line missing[] = { { LOOKUP, 200, NOBODY } }, adopted[] = { { LOOKUP, 200, FOUND("\"labels\":{}") } };
	struct cache_instance i = { .resource_type = xstrdup("repo"), .resource_keys = xstrdup("[]") };
	struct converge_instance c;

	converge_instance_init(&c, &config, NULL, &i, true, NULL, false, false);
	PLAY(converge_instance, &c, missing);
	T_OK(c.step == INSTANCE_DONE && c.created);
	T_NULL(i.ack);
	forget(&c);
	known(&i, NULL);
	converge_instance_init(&c, &config, NULL, &i, true, NULL, false, false);
	PLAY(converge_instance, &c, adopted);
	T_OK(c.step == INSTANCE_DONE && c.adopted && c.changed);
	T_NULL(i.ack);
	forget(&c);
}

int main(void)
{
	test_create();
	test_lost_answer();
	test_adopt();
	test_label_removed();
	test_refused();
	test_refused_writes();
	test_read_only();
	return t_done();
}
