#include <regex.h>

#include "document.h"
#include "limits.h"
#include "t.h"
#include "util.h"

/* Konnect's own patterns */
#define NAME_PATTERN "^[0-9a-z.-]+$"
#define LABEL_PATTERN "^[a-z0-9A-Z]([a-z0-9A-Z._-]*[a-z0-9A-Z]+)?$"

#define ID "0f1e2d3c-4b5a-4978-8a6b-5c4d3e2f1a0b"
#define PROJECT_ID "9a8b7c6d-5e4f-4a3b-8c1d-0e9f8a7b6c5d"

static bool matches(const char *pattern, const char *s)
{
	regex_t re;
	bool ok;

	if (regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB) != 0)
		return false;
	ok = regexec(&re, s, 0, NULL, 0) == 0;
	regfree(&re);
	return ok;
}

static char *repeat(const char *s, size_t n)
{
	char *text = xcalloc(n * strlen(s) + 1, 1);

	for (size_t i = 0; i < n; i++)
		(void)memcpy(text + i * strlen(s), s, strlen(s));
	return text;
}

static size_t characters(const char *s)
{
	size_t n = 0;

	for (; *s != '\0'; s++)
		n += ((unsigned char)*s & 0xc0) != 0x80;
	return n;
}

/* Borrows the texts. */
static struct repo repo_of(const char *project, const char *name)
{
	struct repo r = { .name = (char *)(uintptr_t)name, .project_name = (char *)(uintptr_t)project };

	(void)guid_parse(ID, r.guid);
	return r;
}

static json_t *load(const char *text)
{
	return json_loads(text, JSON_REJECT_DUPLICATES, NULL);
}

/* Rows are written with ' for ". */
static json_t *j(const char *text)
{
	_cleanup_free_ char *copy = xstrdup(text);

	for (char *p = copy; *p != '\0'; p++)
		if (*p == '\'')
			*p = '"';
	return load(copy);
}

static void test_service_names(void)
{
	static const struct {
		const char *project, *name, *want;
		bool lossy;
	} rows[] = {
		{ "Payments", "user-api", "contoso.payments.user-api", false },
		{ "PAYMENTS", "User API", "contoso.payments.user-api", false },
		{ "a  b", "c   d", "contoso.a-b.c-d", false },
		{ "a - b", "-c-", "contoso.a---b.-c-", false },
		{ "Ecommerce 3.0", "Blk.Auth", "contoso.ecommerce-3-0.blk-auth", true },
		{ "p", "T\xc3\xaast Repo", "contoso.p.t-st-repo", true },
		{ "Shop\xe2\x84\xa2", "x", "contoso.shop-.x", true },
		{ "p", "a (b)", "contoso.p.a-b-", true },
		{ "p", "a%2520b", "contoso.p.a-2520b", true },
		{ "p", "a_b", "contoso.p.a-b", true },
		{ "p", "a\tb", "contoso.p.a-b", true },
		{ "p", "a\xc2\xa0" "b", "contoso.p.a-b", true },
		{ "\xe6\x97\xa5\xe6\x9c\xac", "\xc4\xb0", "contoso.-.-", true },
		{ "p", "a/../b", "contoso.p.a-b", true },
		{ "p", " ", "contoso.p.-", false },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		struct repo r = repo_of(rows[i].project, rows[i].name);
		bool lossy = !rows[i].lossy;
		_cleanup_free_ char *plain = document_service_name("contoso", &r, false, &lossy);
		_cleanup_free_ char *with_guid = document_service_name("contoso", &r, true, NULL);
		_cleanup_free_ char *want = xasprintf("%s.0f1e2d3c", rows[i].want);

		T_EQ_STR(plain, rows[i].want);
		T_EQ_STR(with_guid, want);
		T_EQ_INT_MSG(lossy, rows[i].lossy, rows[i].name);
		T_OK_MSG(matches(NAME_PATTERN, with_guid), with_guid);
	}
}

/* The name is cut where its maximum is; the GUID always stands whole behind it. */
static void test_long_service_names(void)
{
	static const struct {
		const char *unit;
		size_t n;
		bool lossy;
		size_t plain_len, guid_len;
	} rows[] = {
		{ "x", 100, false, 110, 119 },
		{ "x", 101, false, 111, 120 },
		{ "x", 102, false, 112, 120 },
		{ "x", 110, false, 120, 120 },
		{ "x", 111, true, 120, 120 },
		{ "x", NAME_MAX_BYTES, true, 120, 120 },
		{ "\xe6\x97\xa5", 64, true, 11, 20 },
		{ "a\xe6\x97\xa5", 64, true, 120, 120 },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *long_name = repeat(rows[i].unit, rows[i].n);
		struct repo r = repo_of("p", long_name);
		bool lossy;
		_cleanup_free_ char *plain = document_service_name("contoso", &r, false, &lossy);
		_cleanup_free_ char *with_guid = document_service_name("contoso", &r, true, NULL);

		T_EQ_INT(lossy, rows[i].lossy);
		T_EQ_INT(strlen(plain), rows[i].plain_len);
		T_EQ_INT(strlen(with_guid), rows[i].guid_len);
		T_EQ_STR(with_guid + strlen(with_guid) - 9, ".0f1e2d3c");
		T_OK(strncmp(plain, with_guid, strlen(with_guid) - 9) == 0);
		T_OK(matches(NAME_PATTERN, plain));
	}
}

static void test_display_names(void)
{
	static const struct {
		const char *project_unit;
		size_t n;
		const char *name;
		size_t characters;
	} rows[] = {
		{ "p", 1, "r", 5 },
		{ "p", 64, "12345678901234567890123456789012345678901234567890123", 120 },
		{ "p", 64, "123456789012345678901234567890123456789012345678901234", 120 },
		{ "\xc3\xa9", 200, "r", 120 },
		{ "\xe6\x97\xa5", 64, "\xe6\x97\xa5\xe6\x97\xa5", 69 },
		{ "\xf0\x9f\x98\x80", 119, "r", 120 },
		{ "\xf0\x9f\x98\x80", 121, "r", 120 },
	};
	struct repo plain = repo_of("Ecommerce 3.0", "T\xc3\xaast Repo");
	_cleanup_free_ char *shown = document_display_name(&plain);

	T_EQ_STR(shown, "Ecommerce 3.0 / T\xc3\xaast Repo");
	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *project = repeat(rows[i].project_unit, rows[i].n);
		_cleanup_free_ char *whole = xasprintf("%s / %s", project, rows[i].name);
		struct repo r = repo_of(project, rows[i].name);
		_cleanup_free_ char *s = document_display_name(&r);
		json_t *text = json_string(s);

		T_EQ_INT(characters(s), rows[i].characters);
		T_OK(strncmp(s, whole, strlen(s)) == 0);
		T_OK_MSG(text != NULL, "still UTF-8");
		json_decref(text);
	}
}

static void test_label_values(void)
{
	static const struct {
		const char *text, *want;
	} rows[] = {
		{ "main", "main" },
		{ "A", "A" },
		{ "release/2.x", "release-2.x" },
		{ "a b  c", "a-b-c" },
		{ "a_b.c-d", "a_b.c-d" },
		{ "--a--", "a" },
		{ "_._a.", "a" },
		{ "a - b", "a---b" },
		{ "(a)", "a" },
		{ "T\xc3\xaast", "T-st" },
		{ "\xc3\xaa" "a\xc3\xaa", "a" },
		{ "Shop\xe2\x84\xa2", "Shop" },
		{ "a\nb", "a-b" },
		{ "", NULL },
		{ "-", NULL },
		{ "._-", NULL },
		{ " ", NULL },
		{ "\xe6\x97\xa5\xe6\x9c\xac", NULL },
		{ "\xff\xfe", NULL },
		{ "123456789012345678901234567890123456789012345678901234567890123",
		  "123456789012345678901234567890123456789012345678901234567890123" },
		{ "1234567890123456789012345678901234567890123456789012345678901234",
		  "123456789012345678901234567890123456789012345678901234567890123" },
		{ "12345678901234567890123456789012345678901234567890123456789012-4",
		  "12345678901234567890123456789012345678901234567890123456789012" },
		{ "1234567890123456789012345678901234567890123456789012345678901/.4",
		  "1234567890123456789012345678901234567890123456789012345678901" },
		{ "--3456789012345678901234567890123456789012345678901234567890123456789",
		  "345678901234567890123456789012345678901234567890123456789012345" },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *v = document_label_value(rows[i].text);

		T_EQ_STR(v, rows[i].want);
		T_OK_MSG(v == NULL || (matches(LABEL_PATTERN, v) && strlen(v) <= KONNECT_LABEL_MAX), rows[i].text);
	}
}

/* Each byte at each end and in the middle. */
static void test_label_bytes(void)
{
	for (int c = 1; c < 256; c++) {
		char text[] = { (char)c, 'x', (char)c, 'y', (char)c, '\0' };
		_cleanup_free_ char *v = document_label_value(text);

		T_OK(v != NULL && matches(LABEL_PATTERN, v));
	}
}

static struct config_instance contoso(void)
{
	static char name[] = "contoso", organization[] = "Contoso", key[] = "team", value[] = "platform";
	static struct label labels[] = { { key, value } };

	return (struct config_instance){ .name = name, .organization = organization, .labels = labels, .n_labels = 1 };
}

#define FULL "{\"id\":\"" ID "\",\"name\":\"User API\",\"size\":%s,\"project\":{\"id\":\"" PROJECT_ID "\"," \
	"\"name\":\"Payments\",\"description\":\"Money\",\"visibility\":\"private\",\"revision\":%s," \
	"\"lastUpdateTime\":\"%s\"},\"defaultBranch\":\"refs/heads/release/2.x\"," \
	"\"webUrl\":\"https://dev.azure.com/Contoso/Payments/_git/User%%20API\",\"isFork\":true}"

static struct repo full(const char *size, const char *revision, const char *time)
{
	_cleanup_free_ char *text = xasprintf(FULL, size, revision, time);
	struct repo r = { 0 };
	const char *error = NULL;

	T_EQ_INT(repo_parse(text, strlen(text), &r, &error), 0);
	return r;
}

static void test_service(void)
{
	struct config_instance c = contoso();
	struct repo r = full("1", "2", "2024-01-09T16:32:42.21Z"), noise = full("51630689921", "3", "0001-01-01");
	_cleanup_free_ char *doc = document_service(&c, &r, "contoso.payments.user-api", REPO_ACTIVE);
	_cleanup_free_ char *again = document_service(&c, &noise, "contoso.payments.user-api", REPO_ACTIVE);

	T_EQ_STR(doc,
		 "{\"custom_fields\":{\"git_repo\":{\"link\":\"https://dev.azure.com/Contoso/Payments/_git/User%20API\","
		 "\"name\":\"User API\"}},\"description\":\"Money\",\"display_name\":\"Payments / User API\","
		 "\"labels\":{\"azure-devops-default-branch\":\"release-2.x\",\"azure-devops-fork\":\"true\","
		 "\"azure-devops-instance\":\"contoso\",\"azure-devops-organization\":\"Contoso\","
		 "\"azure-devops-project\":\"Payments\",\"azure-devops-project-id\":\"" PROJECT_ID "\","
		 "\"azure-devops-repository-id\":\"" ID "\",\"azure-devops-state\":\"active\","
		 "\"azure-devops-visibility\":\"private\",\"managed-by\":\"adosyncd\",\"team\":\"platform\"},"
		 "\"name\":\"contoso.payments.user-api\"}");
	T_EQ_STR(again, doc);
	repo_done(&r);
	repo_done(&noise);
}

static const char *label(const json_t *doc, const char *key)
{
	return json_string_value(json_object_get(json_object_get(doc, "labels"), key));
}

/* What a repository does not have is left out, and names without an ASCII letter break nothing. */
static void test_sparse_service(void)
{
	struct config_instance c = contoso();
	struct repo r = repo_of("\xe6\x97\xa5", "\xe6\x9c\xac");
	_cleanup_free_ char *text = NULL;
	json_t *doc;

	c.n_labels = 0;
	r.project_id = (char[]){ "9a8b7c6d-5e4f-4a3b-8c1d-0e9f8a7b6c5d" };
	text = document_service(&c, &r, "contoso.-.-.0f1e2d3c", REPO_EMPTY);
	doc = load(text);
	T_EQ_STR(json_string_value(json_object_get(doc, "display_name")), "\xe6\x97\xa5 / \xe6\x9c\xac");
	T_OK(json_is_null(json_object_get(doc, "description")));
	T_EQ_INT(json_object_size(json_object_get(doc, "custom_fields")), 0);
	T_NULL(label(doc, LABEL_PROJECT));
	T_NULL(label(doc, LABEL_DEFAULT_BRANCH));
	T_NULL(label(doc, LABEL_VISIBILITY));
	T_EQ_STR(label(doc, LABEL_STATE), "empty");
	T_EQ_STR(label(doc, LABEL_FORK), "false");
	T_EQ_STR(label(doc, LABEL_MANAGED_BY), "adosyncd");
	json_decref(doc);
}

static void test_states(void)
{
	static const struct {
		enum repo_state state;
		const char *want;
	} rows[] = {
		{ REPO_ACTIVE, "active" }, { REPO_DISABLED, "disabled" }, { REPO_MAINTENANCE, "maintenance" },
		{ REPO_EMPTY, "empty" }, { REPO_EXCLUDED, "excluded" }, { REPO_MISSING, "missing" },
	};
	struct config_instance c = contoso();
	struct repo r = full("1", "2", "");

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *text = document_service(&c, &r, "n", rows[i].state);
		json_t *doc = load(text);

		T_EQ_STR(label(doc, LABEL_STATE), rows[i].want);
		json_decref(doc);
	}
	repo_done(&r);
}

static void test_branches(void)
{
	static const struct {
		const char *ref, *want;
	} rows[] = {
		{ "refs/heads/main", "main" },
		{ "refs/heads/feature/a_b", "feature-a_b" },
		{ "refs/heads/\xe6\x97\xa5", NULL },
		{ "refs/tags/v1", "refs-tags-v1" },
		{ "main", "main" },
	};
	struct config_instance c = contoso();
	struct repo r = full("1", "2", "");

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *text = NULL;
		json_t *doc;

		free(r.default_branch);
		r.default_branch = xstrdup(rows[i].ref);
		text = document_service(&c, &r, "n", REPO_ACTIVE);
		doc = load(text);
		T_EQ_STR(label(doc, LABEL_DEFAULT_BRANCH), rows[i].want);
		json_decref(doc);
	}
	repo_done(&r);
}

static void test_instance(void)
{
	struct config_instance c = contoso();
	_cleanup_free_ char *adopted = document_instance(&c, false), *created = document_instance(&c, true);
	_cleanup_free_ char *configured = NULL;

	T_EQ_STR(adopted,
		 "{\"config\":{\"organization\":\"Contoso\"},\"labels\":{\"azure-devops-instance\":\"contoso\","
		 "\"azure-devops-organization\":\"Contoso\",\"managed-by\":\"adosyncd\",\"team\":\"platform\"},"
		 "\"name\":\"contoso\"}");
	T_OK(strstr(created, "\"display_name\":\"contoso\"") != NULL);
	T_OK(strstr(created, "description\"") == NULL);
	c.display_name = (char[]){ "Contoso Ltd" };
	c.description = (char[]){ "All of it" };
	configured = document_instance(&c, false);
	T_OK(strstr(configured, "\"display_name\":\"Contoso Ltd\"") != NULL);
	T_OK(strstr(configured, "\"description\":\"All of it\"") != NULL);
}

static void eq_json(json_t *got, const char *want, const char *what)
{
	json_t *w = j(want);
	_cleanup_free_ char *a = document_canonical(got), *b = document_canonical(w);

	T_OK_MSG(json_equal(got, w), what);
	if (!json_equal(got, w))
		printf("#  got: %s\n# want: %s\n", a, b);
	json_decref(w);
	json_decref(got);
}

static void test_canonical(void)
{
	json_t *a = j("{'b':{'y':1,'x':[2,1]},'a':'\\u00e9'}"), *b = j("{'a':'\xc3\xa9','b':{'x':[2,1],'y':1}}");
	_cleanup_free_ char *s = document_canonical(a), *t = document_canonical(b);

	T_EQ_STR(s, "{\"a\":\"\xc3\xa9\",\"b\":{\"x\":[2,1],\"y\":1}}");
	T_EQ_STR(t, s);
	json_decref(a);
	json_decref(b);
}

#define WANT "{'name':'n','display_name':'P / R','description':null," \
	"'labels':{'managed-by':'adosyncd','azure-devops-state':'empty'}," \
	"'custom_fields':{'git_repo':{'name':'R','link':'https://h/r'}}}"

static void test_of_service(void)
{
	static const struct {
		const char *what, *service, *want;
	} rows[] = {
		{ "what Konnect adds is not drift",
		  "{'id':'7','created_at':'x','name':'n','display_name':'P / R','description':null,"
		  "'labels':{'theirs':'1','azure-devops-state':'empty','managed-by':'adosyncd'},"
		  "'custom_fields':{'owner':'Jane','git_repo':{'link':'https://h/r','icon':null,'name':'R'}}}", WANT },
		{ "no description is the same as null",
		  "{'name':'n','display_name':'P / R','labels':{'managed-by':'adosyncd','azure-devops-state':'empty'},"
		  "'custom_fields':{'git_repo':{'name':'R','link':'https://h/r'}}}", WANT },
		{ "what is gone stays gone", "{'name':'n','labels':null,'custom_fields':null}",
		  "{'name':'n','description':null,'labels':{},'custom_fields':{}}" },
		{ "what is of another type is kept to be seen", "{'name':7,'custom_fields':{'git_repo':'R'}}",
		  "{'name':7,'description':null,'labels':{},'custom_fields':{'git_repo':'R'}}" },
		{ "a label of ours that is wanted no more is drift",
		  "{'labels':{'azure-devops-default-branch':'main','azure-devops-other':'x','team':'y'}}",
		  "{'description':null,'labels':{'azure-devops-default-branch':'main'},'custom_fields':{}}" },
		{ "no object at all", "[]", "{'description':null,'labels':{},'custom_fields':{}}" },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		json_t *service = j(rows[i].service), *want = j(WANT);

		eq_json(document_of_service(service, want), rows[i].want, rows[i].what);
		json_decref(service);
		json_decref(want);
	}
}

static void test_patch(void)
{
	static const struct {
		const char *what, *have, *want, *patch;
		bool needs_read;
	} rows[] = {
		{ "nothing to do", WANT, WANT, "{}", false },
		{ "one field", "{'name':'n','display_name':'a','labels':{},'custom_fields':{}}",
		  "{'name':'n','display_name':'b','labels':{},'custom_fields':{}}", "{'display_name':'b'}", false },
		{ "a description that went", "{'description':'a','labels':{},'custom_fields':{}}",
		  "{'description':null,'labels':{},'custom_fields':{}}", "{'description':null}", false },
		{ "only the labels that changed", "{'labels':{'a':'1','b':'2','c':'3'},'custom_fields':{}}",
		  "{'labels':{'a':'1','b':'4','d':'5'},'custom_fields':{}}", "{'labels':{'b':'4','c':null,'d':'5'}}", false },
		{ "a link changed, alone", "{'labels':{},'custom_fields':{'git_repo':{'name':'R','link':'a'}}}",
		  "{'labels':{},'custom_fields':{'git_repo':{'name':'R','link':'b'}}}", "{}", true },
		{ "a link that went", "{'labels':{},'custom_fields':{'git_repo':{'name':'R','link':'a'}}}",
		  "{'labels':{},'custom_fields':{}}", "{}", true },
		{ "the order of keys is nothing",
		  "{'custom_fields':{'git_repo':{'name':'R','link':'a'}},'labels':{'b':'1','a':'2'}}",
		  "{'labels':{'a':'2','b':'1'},'custom_fields':{'git_repo':{'link':'a','name':'R'}}}", "{}", false },
		{ "nothing there yet", "{}", "{'name':'n','labels':{'a':'1'},'custom_fields':{}}",
		  "{'name':'n','labels':{'a':'1'}}", true },
		{ "a field we do not speak of is left alone", "{'display_name':'theirs','labels':{},'custom_fields':{}}",
		  "{'labels':{},'custom_fields':{}}", "{}", false },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		json_t *have = j(rows[i].have), *want = j(rows[i].want);

		eq_json(document_patch(have, want), rows[i].patch, rows[i].what);
		T_EQ_INT_MSG(document_patch_needs_read(have, want), rows[i].needs_read, rows[i].what);
		json_decref(have);
		json_decref(want);
	}
}

/* What Konnect holds, what it acknowledged last, what is wanted now, and whose the two fields are then. */
static void test_edited(void)
{
#define LABELLED "'labels':{'azure-devops-project':'P'},'custom_fields':{'git_repo':{'name':'R','link':'x'}}"
	static const struct {
		const char *what, *service, *ack, *want;
		unsigned edited, unknown;
	} rows[] = {
		{ "as it was acknowledged", "{'display_name':'P / R','description':'a'," LABELLED "}", "{'display_name':'P / R','description':'a'}",
		  "{'display_name':'P / R','description':'a'}", 0, 0 },
		{ "both edited", "{'display_name':'Mine','description':'mine'," LABELLED "}", "{'display_name':'P / R','description':'a'}",
		  "{'display_name':'P / R','description':'a'}", DOCUMENT_DISPLAY_NAME | DOCUMENT_DESCRIPTION,
		  DOCUMENT_DISPLAY_NAME | DOCUMENT_DESCRIPTION },
		{ "what is wanted got there without an answer", "{'display_name':'Q / S','description':'b','labels':{},'custom_fields':{}}",
		  "{'display_name':'P / R','description':'a'}", "{'display_name':'Q / S','description':'b'}", 0, 0 },
		{ "what was wanted in between got there", "{'display_name':'P / R','description':'b'," LABELLED "}",
		  "{'display_name':'P / old','description':'a'}", "{'display_name':'P / new','description':'c'}", 0, DOCUMENT_DESCRIPTION },
		{ "edited while another is on its way", "{'display_name':'Mine','description':'mine'," LABELLED "}",
		  "{'display_name':'P / old','description':'a'}", "{'display_name':'P / new','description':'c'}", DOCUMENT_DISPLAY_NAME,
		  DOCUMENT_DISPLAY_NAME | DOCUMENT_DESCRIPTION },
		{ "taken away", "{'display_name':'P / R','description':null," LABELLED "}", "{'display_name':'P / R','description':'a'}",
		  "{'display_name':'P / R','description':'a'}", DOCUMENT_DESCRIPTION, 0 },
		{ "what is theirs already does not count", "{'display_name':'Mine','description':'mine'," LABELLED "}", "{}",
		  "{'display_name':'P / R','description':'a'}", 0, DOCUMENT_DISPLAY_NAME | DOCUMENT_DESCRIPTION },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		json_t *service = j(rows[i].service), *ack = j(rows[i].ack), *want = j(rows[i].want);

		T_EQ_INT_MSG(document_edited(service, ack, want), rows[i].edited, rows[i].what);
		T_EQ_INT_MSG(document_edited_unknown(service, want), rows[i].unknown, rows[i].what);
		json_decref(service);
		json_decref(ack);
		json_decref(want);
	}
#undef LABELLED
}

static void test_project_shown(void)
{
	static const struct {
		const char *what, *service, *project;
	} rows[] = {
		{ "one that its label is", "{'display_name':'P / R','labels':{'azure-devops-project':'P'}}", "P" },
		{ "one that its label was made of", "{'display_name':'Payments Hub / R','labels':{'azure-devops-project':'Payments-Hub'}}",
		  "Payments Hub" },
		{ "one that no label can hold", "{'display_name':'日本支社 / R','labels':{}}", "日本支社" },
		{ "somebody's words", "{'display_name':'The / R','labels':{'azure-devops-project':'P'}}", NULL },
		{ "somebody's words, and no label", "{'display_name':'The / R','labels':{}}", NULL },
		{ "no separator", "{'display_name':'P','labels':{'azure-devops-project':'P'}}", NULL },
		{ "nothing", "{}", NULL },
		{ "no text", "{'display_name':5,'labels':[]}", NULL },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		json_t *service = j(rows[i].service);
		_cleanup_free_ char *project = document_project_shown(service);

		T_OK_MSG((project == NULL) == (rows[i].project == NULL), rows[i].what);
		if (project != NULL && rows[i].project != NULL)
			T_EQ_STR(project, rows[i].project);
		json_decref(service);
	}
}

int main(void)
{
	test_service_names();
	test_long_service_names();
	test_display_names();
	test_label_values();
	test_label_bytes();
	test_service();
	test_sparse_service();
	test_states();
	test_branches();
	test_instance();
	test_canonical();
	test_of_service();
	test_patch();
	test_edited();
	test_project_shown();
	return t_done();
}
