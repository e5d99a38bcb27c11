#include <stdlib.h>

#include "document.h"
#include "plan.h"
#include "t.h"
#include "util.h"

#define ID "0a1b2c3d-0000-0000-0000-000000000001"

static struct label team = { .key = (char[]){ "team" }, .value = (char[]){ "red" } };
static char *none[] = { NULL };
static struct config_instance config = { .name = (char[]){ "contoso" }, .organization = (char[]){ "Contoso" },
					 .include = none, .exclude = none, .include_disabled = true };

static const uint8_t key[DIGEST_KEY_LEN] = { 1 };

/* A row that Konnect has as it is wanted. */
static struct cache_row acknowledged(void)
{
	struct cache_row r = {
		.repo = { .name = xstrdup("user-api"), .project_id = xstrdup("p-1"), .project_name = xstrdup("Payments"),
			  .visibility = xstrdup("private"), .default_branch = xstrdup("refs/heads/main"), .web_url = xstrdup("https://x/1") },
		.service_name = xstrdup("contoso.payments.user-api"), .service_id = xstrdup("s-1"), .mapping_id = xstrdup("m-1"),
	};

	(void)guid_parse(ID, r.repo.guid);
	r.ack = document_row(&config, &r);
	r.have = r.want = digest_bytes(key, r.ack, strlen(r.ack));
	return r;
}

static void set(char **field, const char *value)
{
	free(*field);
	*field = value != NULL ? xstrdup(value) : NULL;
}

/* The kind and the text of what the row's plan is; takes the row. */
static void check(struct cache_row *row, const char *kind, const char *text, int line)
{
	struct plan_action a;
	char buf[1024];

	plan_of_row(&config, row, &a);
	t_eq_str(plan_kind_name(a.kind), kind, __FILE__, line, kind);
	t_eq_str(plan_differences_text(&a, buf, sizeof(buf)), text, __FILE__, line, text);
	plan_action_done(&a);
	cache_row_done(row);
}

#define CHECK(row, kind, text) check(row, kind, text, __LINE__)

static void test_kinds(void)
{
	struct cache_row r = acknowledged();

	CHECK(&r, "nothing", "");
	r = acknowledged();
	set(&r.service_id, NULL);
	CHECK(&r, "create", "");
	r = acknowledged();
	set(&r.mapping_id, NULL);
	memset(&r.map_want, 1, sizeof(r.map_want));
	CHECK(&r, "map", "");
	r = acknowledged();
	set(&r.repo.name, "login");
	CHECK(&r, "rename", "display_name \"Payments / user-api\" -> \"Payments / login\", git_repo.name \"user-api\" -> \"login\"");
	r = acknowledged();
	set(&r.repo.project_id, "p-2");
	set(&r.repo.name, "login");
	CHECK(&r, "move", "display_name \"Payments / user-api\" -> \"Payments / login\", git_repo.name \"user-api\" -> \"login\", "
	      "labels.azure-devops-project-id \"p-1\" -> \"p-2\"");
	r = acknowledged();
	r.repo.disabled = true;
	r.state = repo_listed_state(&r.repo);
	CHECK(&r, "disable", "labels.azure-devops-state \"active\" -> \"disabled\"");
	r = acknowledged();
	set(&r.repo.default_branch, NULL);
	r.state = repo_listed_state(&r.repo);
	CHECK(&r, "change", "labels.azure-devops-state \"active\" -> \"empty\", labels.azure-devops-default-branch \"main\" -> (none)");
	r = acknowledged();
	set(&r.repo.description, "Money");
	CHECK(&r, "change", "description (none) -> \"Money\"");
	r = acknowledged();
	set(&r.repo.web_url, "https://x/2");
	CHECK(&r, "change", "git_repo.link \"https://x/1\" -> \"https://x/2\"");
}

/* What becomes of one that is not listed any more, or that a filter keeps out. */
static void test_gone(void)
{
	static const struct {
		enum repo_state state;
		const char *kind;
	} rows[] = { { REPO_EXCLUDED, "exclude" }, { REPO_MISSING, "missing" }, { REPO_REMOVED, "remove" } };

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *text = xasprintf("labels.azure-devops-state \"active\" -> \"%s\"", repo_state_name(rows[i].state));
		_cleanup_free_ char *back = xasprintf("labels.azure-devops-state \"%s\" -> \"active\"", repo_state_name(rows[i].state));
		struct cache_row r = acknowledged();

		r.state = rows[i].state;
		CHECK(&r, rows[i].kind, text);
		/* said already, and returned */
		r = acknowledged();
		r.state = rows[i].state;
		free(r.ack);
		r.ack = document_row(&config, &r);
		r.have = digest_bytes(key, r.ack, strlen(r.ack));
		r.state = REPO_ACTIVE;
		CHECK(&r, "change", back);
		/* said already, and its service or its mapping is to go too */
		for (int what = 0; what < 2; what++) {
			r = acknowledged();
			r.state = rows[i].state;
			free(r.ack);
			r.ack = document_row(&config, &r);
			if (what == 0)
				r.want = (struct digest){ 0 };
			else
				memset(&r.map_want, 1, sizeof(r.map_want));
			CHECK(&r, rows[i].kind, "");
		}
		/* what was never there */
		r = acknowledged();
		r.state = rows[i].state;
		set(&r.service_id, NULL);
		set(&r.ack, NULL);
		r.have = r.want = (struct digest){ 0 };
		CHECK(&r, "nothing", "");
	}
}

static void test_configuration(void)
{
	struct cache_row r = acknowledged();

	config.labels = &team;
	config.n_labels = 1;
	CHECK(&r, "change", "labels.team (none) -> \"red\"");
	r = acknowledged();
	config.n_labels = 0;
	CHECK(&r, "change", "labels.team \"red\" -> (none)");
}

/* Without an acknowledged document everything is new; one that cannot be read is as good as none. */
static void test_nothing_remembered(void)
{
	struct cache_row r = acknowledged();
	struct plan_action a;

	set(&r.ack, NULL);
	plan_of_row(&config, &r, &a);
	T_OK(a.kind != PLAN_NOTHING && a.n > 5);
	plan_action_done(&a);
	set(&r.ack, "{broken");
	plan_of_row(&config, &r, &a);
	T_OK(a.kind != PLAN_NOTHING && a.n > 5);
	for (size_t i = 0; i < a.n; i++)
		T_NULL(a.differences[i].old);
	plan_action_done(&a);
	T_EQ_INT(a.n, 0);
	cache_row_done(&r);
}

/* What somebody has edited in Konnect is his, and no difference. */
static void test_theirs(void)
{
	struct cache_row r = acknowledged();

	set(&r.repo.description, "Money");
	r.theirs = DOCUMENT_DESCRIPTION;
	CHECK(&r, "nothing", "");
}

static void test_text(void)
{
	struct cache_row r = acknowledged();
	struct plan_action a;
	char buf[24];

	set(&r.repo.description, "a\nb\x1b[31m");
	plan_of_row(&config, &r, &a);
	(void)plan_differences_text(&a, buf, sizeof(buf));
	T_OK_MSG(strlen(buf) < sizeof(buf) && strchr(buf, '\n') == NULL && strchr(buf, 27) == NULL, "one printable line that fits");
	plan_action_done(&a);
	cache_row_done(&r);
	for (int k = PLAN_NOTHING; k <= PLAN_MAP; k++)
		for (int l = PLAN_NOTHING; l < k; l++)
			T_OK(strcmp(plan_kind_name((enum plan_kind)k), plan_kind_name((enum plan_kind)l)) != 0);
}

static void test_removal_limit(void)
{
	static const struct {
		struct removal_limit limit;
		uint32_t known, want;
	} rows[] = {
		{ { 20, true }, 0, 5 },	    { { 20, true }, 10, 5 },	    { { 20, true }, 29, 5 },
		{ { 20, true }, 30, 6 },    { { 20, true }, 34, 6 },	    { { 20, true }, 100, 20 },
		{ { 1, true }, 100000, 1000 }, { { 100, true }, 7, 7 },	    { { 100, true }, UINT32_MAX, UINT32_MAX },
		{ { 0, true }, 1000, 5 },   { { 0, false }, 1000, 0 },	    { { 3, false }, 1000, 3 },
		{ { 3, false }, 1, 3 },	    { { 1000000, false }, 5, 1000000 },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++)
		T_EQ_INT(plan_removal_limit(&rows[i].limit, rows[i].known), rows[i].want);
}

static void test_excludes(void)
{
	static const struct {
		const char *include[3], *exclude[3];
		bool include_disabled, disabled, want;
	} rows[] = {
		{ { NULL }, { NULL }, true, false, false },
		{ { NULL }, { NULL }, true, true, false },
		{ { NULL }, { NULL }, false, true, true },
		{ { NULL }, { NULL }, false, false, false },
		{ { "payments" }, { NULL }, true, false, false },
		{ { "Other" }, { NULL }, true, false, true },
		{ { "Other", "*/user-*" }, { NULL }, true, false, false },
		{ { NULL }, { "Payments/user-*" }, true, false, true },
		{ { NULL }, { "Payments/login" }, true, false, false },
		{ { "Payments" }, { "*/user-api" }, true, false, true },
	};
	struct cache_row r = acknowledged();

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		struct config_instance c = { .include = (char **)(uintptr_t)rows[i].include,
					     .exclude = (char **)(uintptr_t)rows[i].exclude,
					     .include_disabled = rows[i].include_disabled };

		r.repo.disabled = rows[i].disabled;
		T_EQ_INT(plan_excludes(&c, &r.repo), rows[i].want);
	}
	cache_row_done(&r);
}

int main(void)
{
	test_kinds();
	test_gone();
	test_configuration();
	test_nothing_remembered();
	test_theirs();
	test_text();
	test_removal_limit();
	test_excludes();
	return t_done();
}
