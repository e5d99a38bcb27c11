#include <stdlib.h>

#include "konnect.h"
#include "quotes.h"
#include "t.h"
#include "util.h"

static void test_encode(void)
{
	char *s = konnect_encode("aZ09-._~");

	T_EQ_STR(s, "aZ09-._~");
	free(s);
	s = konnect_encode("a/b?c=d&e%[\xc3\xa9] ");
	T_EQ_STR(s, "a%2Fb%3Fc%3Dd%26e%25%5B%C3%A9%5D%20");
	free(s);
	s = konnect_encode("");
	T_EQ_STR(s, "");
	free(s);
}

static void test_name_conflict(void)
{
	static const struct {
		int status;
		const char *answer;
		bool want;
	} rows[] = {
		{ 409, "{}", true },
		{ 409, "nonsense", true },
		{ 400, "{\"invalid_parameters\":[{\"field\":\"name\",\"reason\":\"must be unique\"}]}", true },
		{ 400, "{\"invalid_parameters\":[{\"field\":\"name\",\"reason\":\"a\"},{\"field\":\"name\",\"reason\":\"b\"}]}", true },
		{ 400, "{\"invalid_parameters\":[{\"field\":\"name\"},{\"field\":\"labels\"}]}", false },
		{ 400, "{\"invalid_parameters\":[{\"field\":\"display_name\"}]}", false },
		{ 400, "{\"invalid_parameters\":[]}", false },
		{ 400, "{\"invalid_parameters\":{\"field\":\"name\"}}", false },
		{ 400, "{\"invalid_parameters\":[\"name\"]}", false },
		{ 400, "{\"invalid_parameters\":[{\"field\":7}]}", false },
		{ 400, "[1]", false },
		{ 400, "nonsense", false },
		{ 404, "{\"invalid_parameters\":[{\"field\":\"name\"}]}", false },
		{ 201, "{\"invalid_parameters\":[{\"field\":\"name\"}]}", false },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		json_t *answer = json_loads(rows[i].answer, 0, NULL);

		T_EQ_INT_MSG(konnect_name_conflict(rows[i].status, answer), rows[i].want, rows[i].answer);
		json_decref(answer);
	}
}

static void test_reason(void)
{
	static const struct {
		const char *answer, *want;
	} rows[] = {
		{ "{\"detail\":\"d\",\"invalid_parameters\":[{\"field\":\"name\",\"reason\":\"must be unique\"},"
		  "{\"field\":\"labels.x\",\"reason\":\"no\\u0007\"}]}", "name: must be unique; labels.x: no?" },
		{ "{\"detail\":\"[x] is taken\",\"title\":\"Conflict\"}", "[x] is taken" },
		{ "{\"detail\":5,\"title\":\"Conflict\"}", "Conflict" },
		{ "{\"invalid_parameters\":[1,null]}", ": ; : " },
		{ "{}", "" },
		{ "[]", "" },
		{ "nonsense", "" },
	};
	char buf[64], small[8];
	json_t *answer, *list;

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		answer = json_loads(rows[i].answer, 0, NULL);
		T_EQ_STR(konnect_reason(answer, buf, sizeof(buf)), rows[i].want);
		json_decref(answer);
	}
	list = json_array();
	for (int i = 0; i < 1000; i++)
		json_array_append_new(list, json_pack("{s:s,s:s}", "field", "description", "reason", "is too long"));
	answer = json_pack("{s:o}", "invalid_parameters", list);
	T_EQ_INT(strlen(konnect_reason(answer, small, sizeof(small))), sizeof(small) - 1);
	json_decref(answer);
}

static void test_texts(void)
{
	json_t *o = json_pack("{s:s,s:i,s:n}", "instance", "kong:trace:1", "number", 1, "null");

	T_EQ_STR(konnect_trace(o), "kong:trace:1");
	T_EQ_STR(konnect_trace(NULL), "");
	T_EQ_STR(konnect_text(o, "number"), "");
	T_EQ_STR(konnect_text(o, "null"), "");
	T_EQ_STR(konnect_text(o, "absent"), "");
	json_decref(o);
}

static void test_marks(void)
{
	static const struct {
		const char *labels;
		bool ours, foreign;
	} rows[] = {
		{ "{\"managed-by\":\"adosyncd\",\"azure-devops-instance\":\"contoso\"}", true, false },
		{ "{\"managed-by\":\"adosyncd\",\"azure-devops-instance\":\"fabrikam\"}", false, false },
		{ "{\"managed-by\":\"somebody\",\"azure-devops-instance\":\"contoso\"}", false, false },
		{ "{\"azure-devops-instance\":\"contoso\"}", false, false },
		{ "{\"managed-by\":\"adosyncd\",\"azure-devops-instance\":\"contoso\",\"KONGCTL-namespace\":\"x\"}", false, true },
		{ "{\"KONGCTL-protected\":\"true\"}", false, true },
		{ "{\"managed-by\":true,\"azure-devops-instance\":[]}", false, false },
		{ "[]", false, false },
		{ "null", false, false },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		json_t *o = json_pack("{s:o}", "labels", json_loads(rows[i].labels, JSON_DECODE_ANY, NULL));

		T_EQ_INT_MSG(konnect_is_ours(o, "contoso"), rows[i].ours, rows[i].labels);
		T_EQ_INT_MSG(konnect_is_foreign(o), rows[i].foreign, rows[i].labels);
		json_decref(o);
	}
	T_OK(!konnect_is_ours(NULL, "contoso"));
}

#define TYPES(types) "{\"data\":[{\"name\":\"other\"},{\"name\":\"azure-devops\",\"resource_types\":" types "}]}"
#define TYPE(name, keys) "\"" name "\":{\"schema\":{\"type\":\"simple\",\"definition\":{" keys "}}}"
#define ADO_KEYS "\"organization_name\":\"string\",\"project_id\":\"string\",\"repository_id\":\"string\""

static void test_types(void)
{
	static const struct {
		const char *what, *integrations, *configured, *type, *keys, *error;
	} rows[] = {
		{ "the only one", TYPES("{" TYPE("repo", ADO_KEYS) "}"), NULL, "repo",
		  "[\"organization_name\",\"project_id\",\"repository_id\"]", NULL },
		{ "the only one to be filled", TYPES("{" TYPE("build", "\"pipeline\":\"string\"") "," TYPE("repo", ADO_KEYS) "}"), NULL,
		  "repo", "[\"organization_name\",\"project_id\",\"repository_id\"]", NULL },
		{ "the configured one", TYPES("{" TYPE("a", "\"Org\":\"string\",\"Repo ID\":\"string\"") "," TYPE("b", ADO_KEYS) "}"), "a",
		  "a", "[\"Org\",\"Repo ID\"]", NULL },
		{ "two to be filled", TYPES("{" TYPE("a", ADO_KEYS) "," TYPE("b", ADO_KEYS) "}"), NULL, NULL, NULL,
		  "more than one of Konnect's resource types (a, b) can be a repository; set resource_type" },
		{ "none to be filled", TYPES("{" TYPE("a", "\"x\":\"string\"") "," TYPE("b", "\"id\":\"number\"") "}"), NULL, NULL, NULL,
		  "none of Konnect's resource types (a, b) can be a repository; set resource_type" },
		{ "a configured one that is none", TYPES("{" TYPE("a", ADO_KEYS) "}"), "b", NULL, NULL,
		  "resource_type \"b\" is none of Konnect's for azure-devops (a)" },
		{ "a key nothing fills", TYPES("{" TYPE("a", "\"organization\":\"string\",\"branch\":\"string\"") "}"), NULL, NULL, NULL,
		  "Konnect's resource type \"a\" wants the key \"branch\", which nothing in a listing fills; set resource_type to another" },
		{ "a key of another kind", TYPES("{" TYPE("a", "\"repository_id\":\"number\"") "}"), "a", NULL, NULL,
		  "Konnect's resource type \"a\" wants the key \"repository_id\", which nothing in a listing fills; set resource_type to "
		  "another" },
		{ "no keys", TYPES("{\"a\":{\"schema\":7}}"), NULL, NULL, NULL,
		  "Konnect's resource type \"a\" has no keys that could tell one repository from another; set resource_type to another" },
		{ "a type that is null", TYPES("{\"a\":null}"), "a", NULL, NULL,
		  "Konnect's resource type \"a\" has no keys that could tell one repository from another; set resource_type to another" },
		{ "no types", TYPES("{}"), NULL, NULL, NULL,
		  "Konnect offers no integration azure-devops with resource types in this region; check region" },
		{ "types that are a list", TYPES("[1]"), "a", NULL, NULL,
		  "Konnect offers no integration azure-devops with resource types in this region; check region" },
		{ "no integration", "{\"data\":[{\"name\":\"datadog\"},3]}", NULL, NULL, NULL,
		  "Konnect offers no integration azure-devops with resource types in this region; check region" },
		{ "nonsense", "[{}]", NULL, NULL, NULL,
		  "Konnect offers no integration azure-devops with resource types in this region; check region" },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		json_t *integrations = json_loads(rows[i].integrations, 0, NULL);
		char *type = NULL, *keys = NULL, *error = NULL;

		T_EQ_INT_MSG(konnect_resource_type(integrations, rows[i].configured, &type, &keys, &error) == 0, rows[i].error == NULL,
			     rows[i].what);
		T_EQ_STR(type, rows[i].type);
		T_EQ_STR(keys, rows[i].keys);
		T_EQ_STR(error, rows[i].error);
		free(type);
		free(keys);
		free(error);
		json_decref(integrations);
	}
}

static void test_config(void)
{
	struct repo r = { .guid = { 0xab, 0xcd }, .name = (char[]){ "user api" }, .project_id = (char[]){ "p-1" },
			  .project_name = (char[]){ "Payments" } };
	struct config_instance c = { .organization = (char[]){ "Contoso" } };
	static const struct {
		const char *keys, *want;
	} rows[] = {
		{ "[\"organization\",\"ORG\",\"organization_name\"]",
		  "{\"ORG\":\"Contoso\",\"organization\":\"Contoso\",\"organization_name\":\"Contoso\"}" },
		{ "[\"project\",\"project_name\",\"projectId\"]",
		  "{\"project\":\"Payments\",\"projectId\":\"p-1\",\"project_name\":\"Payments\"}" },
		{ "[\"repository\",\"repo\",\"repository-name\",\"Name\"]",
		  "{\"Name\":\"user api\",\"repo\":\"user api\",\"repository\":\"user api\",\"repository-name\":\"user api\"}" },
		{ "[\"repository_id\",\"repo_id\",\"id\"]",
		  "{\"id\":\"abcd0000-0000-0000-0000-000000000000\",\"repo_id\":\"abcd0000-0000-0000-0000-000000000000\","
		  "\"repository_id\":\"abcd0000-0000-0000-0000-000000000000\"}" },
		{ "[\"repo\",\"organization\",\"repo\"]", "{\"organization\":\"Contoso\",\"repo\":\"user api\"}" },
		{ "[\"unknown\",7,null]", "{}" },
		{ "{\"id\":1}", "{}" },
		{ "nonsense", "{}" },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		json_t *config = konnect_resource_config(rows[i].keys, &c, &r);
		char *text = json_dumps(config, JSON_COMPACT | JSON_PRESERVE_ORDER);

		T_EQ_STR(text, rows[i].want);
		free(text);
		json_decref(config);
	}
}

/* Of an answer to a creation the ids, or nothing when that takes more. */
static void test_ids(void)
{
	static const struct {
		const char *answer, *want;
	} rows[] = {
		{ "{'id':'a','name':'x','resource':{'id':'b','config':{'id':'no'}},'service':{'id':'no'}}", "{'id':'a','resource':{'id':'b'}}" },
		{ "{'id':'a','resource':'b'}", "{'id':'a'}" },
		{ "{'id':7}", "{}" },
		{ "{'id':'a','detail':'\\n'}", NULL },
		{ "{'id':'a'", NULL },
		{ "<html>", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *answer = unquote(rows[i].answer), *want = rows[i].want != NULL ? unquote(rows[i].want) : NULL, *got = NULL;
		json_t *ids = konnect_ids(answer, strlen(answer));

		got = ids != NULL ? json_dumps(ids, JSON_COMPACT) : NULL;
		T_EQ_STR(got, want);
		json_decref(ids);
	}
}

/* Of what Konnect says comes next only the cursor is used: not another server, nor anything beside it. */
static void test_cursor(void)
{
	static const struct {
		const char *next, *want;
	} rows[] = {
		{ "/v1/resources?page[after]=abc-1&page[size]=1", "abc-1" },
		{ "https://evil.example/steal?x=1&page%5Bafter%5D=YWJj%3D#f", "YWJj%3D" },
		{ "/v1/resources?page[after]=a b", "a" },
		{ "/v1/resources?page[after]=a\r\nX: 1", "a" },
		{ "/v1/resources?page[after]=\r\nX: 1", NULL },
		{ "/v1/resources?page[after]=", NULL },
		{ "https://evil.example/", NULL },
		{ "", NULL },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		json_t *answer = json_pack("{s:{s:{s:s}}}", "meta", "page", "next", rows[i].next);
		char *cursor = konnect_next_cursor(answer);

		T_EQ_STR(cursor, rows[i].want);
		free(cursor);
		json_decref(answer);
	}
}

int main(void)
{
	test_cursor();
	test_encode();
	test_name_conflict();
	test_reason();
	test_texts();
	test_marks();
	test_types();
	test_config();
	test_ids();
	return t_done();
}
