#include <errno.h>

#include "limits.h"
#include "repo.h"
#include "quotes.h"
#include "t.h"
#include "util.h"

#define ID "0f1e2d3c-4b5a-4978-8a6b-5c4d3e2f1a0b"
#define PROJECT_ID "9a8b7c6d-5e4f-4a3b-8c1d-0e9f8a7b6c5d"
#define PROJECT "'project':{'id':'" PROJECT_ID "','name':'Payments'}"
#define REPO "'id':'" ID "','name':'user-api'," PROJECT
#define URL "https://dev.azure.com/contoso/Payments/_git/user-api"

static int parse(const char *s, struct repo *ret, const char **ret_error)
{
	_cleanup_free_ char *text = unquote(s);

	*ret_error = NULL;
	return repo_parse(text, strlen(text), ret, ret_error);
}

static int parse_named(const char *name, const char *project, struct repo *ret, const char **ret_error)
{
	_cleanup_free_ char *text = xasprintf("{'id':'" ID "','name':'%s',"
					      "'project':{'id':'" PROJECT_ID "','name':'%s'}}", name, project);

	return parse(text, ret, ret_error);
}

static void test_every_field(void)
{
	struct repo r = { 0 };
	const char *error;
	char guid[37];

	T_EQ_INT(parse("{'id':'0F1E2D3C-4B5A-4978-8A6B-5C4D3E2F1A0B','name':'user-api','url':'https://x/y',"
		       "'project':{'id':'9A8B7C6D-5E4F-4A3B-8C1D-0E9F8A7B6C5D','name':'Payments',"
		       "'description':'Money\\nin, \\u00e9',"
		       "'url':'https://x/z','state':'wellFormed','revision':44170907,'visibility':'organization',"
		       "'lastUpdateTime':'0001-01-01T00:00:00'},"
		       "'defaultBranch':'refs/heads/main','size':51630689921,'remoteUrl':'https://o@dev.azure.com/x',"
		       "'sshUrl':'git@ssh.dev.azure.com:v3/x','webUrl':'" URL "','isDisabled':true,'isInMaintenance':true,"
		       "'isFork':true,'type':'normal','_links':{'self':{'href':'x'}},'validRemoteUrls':['a','b'],"
		       "'parentRepository':null}",
		       &r, &error), 0);
	guid_format(r.guid, guid);
	T_EQ_STR(guid, ID);
	T_EQ_STR(r.name, "user-api");
	T_EQ_STR(r.project_id, PROJECT_ID);
	T_EQ_STR(r.project_name, "Payments");
	T_EQ_STR(r.description, "Money\nin, \xc3\xa9");
	T_EQ_STR(r.visibility, "organization");
	T_EQ_STR(r.default_branch, "refs/heads/main");
	T_EQ_STR(r.web_url, URL);
	T_OK(r.disabled);
	T_OK(r.maintenance);
	T_OK(r.fork);
	repo_done(&r);
	T_NULL(r.name);
	repo_done(&r);
}

static void test_what_may_be_absent(void)
{
	static const char *const rows[] = {
		"{" REPO "}",
		"{" REPO ",'defaultBranch':null,'webUrl':null,'remoteUrl':null,"
			"'isDisabled':null,'isInMaintenance':null,'isFork':null}",
		"{" REPO ",'defaultBranch':'','webUrl':'','isDisabled':'true','isInMaintenance':1,'isFork':[true]}",
		"{" REPO ",'defaultBranch':7,'webUrl':{},'remoteUrl':[],"
			"'isDisabled':false,'isInMaintenance':false,'isFork':false}",
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		struct repo r = { 0 };
		const char *error;

		T_EQ_INT_MSG(parse(rows[i], &r, &error), 0, rows[i]);
		T_NULL(r.description);
		T_NULL(r.visibility);
		T_NULL(r.default_branch);
		T_NULL(r.web_url);
		T_OK(!r.disabled && !r.maintenance && !r.fork);
		T_EQ_INT(repo_listed_state(&r), REPO_EMPTY);
		repo_done(&r);
	}
}

/* Sizes passed 2^31 long ago; nothing that moves without meaning may change what is read. */
static void test_numbers(void)
{
	static const char *const rows[] = {
		"{" REPO ",'size':0}", "{" REPO ",'size':2147483648}", "{" REPO ",'size':30134050676}",
		"{" REPO ",'size':9223372036854775807}", "{" REPO ",'size':-1}", "{" REPO ",'size':1.5e3}",
		"{" REPO ",'size':null}",
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		struct repo r = { 0 };
		const char *error;

		T_EQ_INT_MSG(parse(rows[i], &r, &error), 0, rows[i]);
		T_EQ_STR(r.name, "user-api");
		repo_done(&r);
	}
}

static void test_names(void)
{
	static const struct {
		const char *json, *want;
	} rows[] = {
		{ "Ecommerce 3.0", "Ecommerce 3.0" },
		{ "T\\u00east Repo", "T\xc3\xaast Repo" },
		{ "Shop\\u2122", "Shop\xe2\x84\xa2" },
		{ "T\xc3\xaast", "T\xc3\xaast" },
		{ "a (b) - c%2520+d", "a (b) - c%2520+d" },
		{ "\\u65e5\\u672c\\u8a9e", "\xe6\x97\xa5\xe6\x9c\xac\xe8\xaa\x9e" },
		{ "\\ud83d\\ude00", "\xf0\x9f\x98\x80" },
		{ " ", " " },
		{ "..", ".." },
		{ "a/b\\\\c", "a/b\\c" },
		{ "\\u0001\\u001b[31m", "\x01\x1b[31m" },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		struct repo r = { 0 };
		const char *error;

		T_EQ_INT_MSG(parse_named(rows[i].json, rows[i].json, &r, &error), 0, rows[i].json);
		T_EQ_STR(r.name, rows[i].want);
		T_EQ_STR(r.project_name, rows[i].want);
		repo_done(&r);
	}
}

static void test_links(void)
{
	static const struct {
		const char *fields, *want;
	} rows[] = {
		{ "'webUrl':'" URL "','remoteUrl':'https://contoso@dev.azure.com/other'", URL },
		{ "'remoteUrl':'https://contoso@dev.azure.com/contoso/Ecommerce%203.0/_git/a%20b'",
		  "https://dev.azure.com/contoso/Ecommerce%203.0/_git/a%20b" },
		{ "'remoteUrl':'https://contoso:secret@dev.azure.com/x'", "https://dev.azure.com/x" },
		{ "'remoteUrl':'https://a@b@dev.azure.com/x@y'", "https://dev.azure.com/x@y" },
		{ "'remoteUrl':'https://tfs.example/tfs/x/_git/user@home'", "https://tfs.example/tfs/x/_git/user@home" },
		{ "'remoteUrl':'http://tfs:8080?a=b@c'", "http://tfs:8080?a=b@c" },
		{ "'remoteUrl':'HTTPS://o@h'", "HTTPS://h" },
		{ "'webUrl':'https://u:p@h/x'", "https://h/x" },
		{ "'webUrl':'javascript:alert(1)','remoteUrl':'https://h/x'", "https://h/x" },
		{ "'webUrl':'javascript:alert(1)//https://h/'", NULL },
		{ "'remoteUrl':'git@ssh.dev.azure.com:v3/contoso/p/r'", NULL },
		{ "'remoteUrl':'ssh://git@h/x'", NULL },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *text = xasprintf("{" REPO ",%s}", rows[i].fields);
		struct repo r = { 0 };
		const char *error;

		T_EQ_INT_MSG(parse(text, &r, &error), 0, rows[i].fields);
		T_EQ_STR(r.web_url, rows[i].want);
		repo_done(&r);
	}
}

#define NO_JSON "an element is not JSON"
#define NO_ID "a repository has no GUID in \"id\""
#define NO_NAME "a repository has no usable \"name\""
#define NO_PROJECT "a repository has no usable \"project\""

static void test_refuses(void)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", NO_JSON },
		{ "{", NO_JSON },
		{ "{" REPO, NO_JSON },
		{ "{" REPO "}x", NO_JSON },
		{ "{" REPO ",'name':'twice'}", NO_JSON },
		{ "{" REPO ",'webUrl':}", NO_JSON },
		{ "{" REPO ",'webUrl':'\xff'}", NO_JSON },
		{ "{" REPO ",'webUrl':'\\ud83d'}", NO_JSON },
		{ "{" REPO ",'a\\u0000b':1}", NO_JSON },
		{ "{" REPO ",'size':99999999999999999999}", NO_JSON },
		{ "{}", NO_ID },
		{ "[]", NO_ID },
		{ "{'id':null,'name':'a'," PROJECT "}", NO_ID },
		{ "{'id':7,'name':'a'," PROJECT "}", NO_ID },
		{ "{'id':'','name':'a'," PROJECT "}", NO_ID },
		{ "{'id':'0f1e2d3c4b5a49788a6b5c4d3e2f1a0b','name':'a'," PROJECT "}", NO_ID },
		{ "{'id':'" ID "0','name':'a'," PROJECT "}", NO_ID },
		{ "{'id':'" ID "'," PROJECT "}", NO_NAME },
		{ "{'id':'" ID "','name':''," PROJECT "}", NO_NAME },
		{ "{'id':'" ID "','name':'\\u0000a'," PROJECT "}", NO_NAME },
		{ "{'id':'" ID "','name':['a']," PROJECT "}", NO_NAME },
		{ "{'id':'" ID "','name':'a'}", NO_PROJECT },
		{ "{'id':'" ID "','name':'a','project':null}", NO_PROJECT },
		{ "{'id':'" ID "','name':'a','project':'Payments'}", NO_PROJECT },
		{ "{'id':'" ID "','name':'a','project':{'id':'" PROJECT_ID "'}}", NO_PROJECT },
		{ "{'id':'" ID "','name':'a','project':{'id':'" PROJECT_ID "','name':''}}", NO_PROJECT },
		{ "{'id':'" ID "','name':'a','project':{'name':'Payments'}}", NO_PROJECT },
		{ "{'id':'" ID "','name':'a','project':{'id':'Payments','name':'Payments'}}", NO_PROJECT },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		struct repo r = { .fork = true };
		const char *error;

		T_EQ_INT_MSG(parse(rows[i].text, &r, &error), -EBADMSG, rows[i].text);
		T_EQ_STR(error, rows[i].why);
		T_OK_MSG(r.fork && r.name == NULL, "a refused repository is left untouched");
	}
}

/* Every length of the bytes up to the whole, none of which may be read past its end. */
static void test_truncated(void)
{
	_cleanup_free_ char *text = unquote("{" REPO ",'isFork':true}");
	size_t n = strlen(text), refused = 0;

	for (size_t i = 0; i < n; i++) {
		_cleanup_free_ char *part = xcalloc(i > 0 ? i : 1, 1);
		struct repo r;
		const char *error;

		memcpy(part, text, i);
		refused += repo_parse(part, i, &r, &error) == -EBADMSG;
	}
	T_EQ_INT(refused, n);
}

static char *repeat(const char *s, size_t n)
{
	char *text = xcalloc(n * strlen(s) + 1, 1);

	for (size_t i = 0; i < n; i++)
		(void)memcpy(text + i * strlen(s), s, strlen(s));
	return text;
}

static void test_long_names(void)
{
	/* 64 UTF-16 units of three bytes are what Azure DevOps allows */
	_cleanup_free_ char *allowed = repeat("\xe6\x97\xa5", 64), *most = repeat("x", NAME_MAX_BYTES),
			    *over = repeat("x", NAME_MAX_BYTES + 1);
	struct repo r = { 0 };
	const char *error;

	T_EQ_INT(parse_named(allowed, allowed, &r, &error), 0);
	T_EQ_STR(r.name, allowed);
	T_EQ_STR(r.project_name, allowed);
	repo_done(&r);
	T_EQ_INT(parse_named(most, most, &r, &error), 0);
	T_EQ_STR(r.name, most);
	T_EQ_STR(r.project_name, most);
	repo_done(&r);
	T_EQ_INT(parse_named(over, "p", &r, &error), -EBADMSG);
	T_EQ_STR(error, NO_NAME);
	T_EQ_INT(parse_named("n", over, &r, &error), -EBADMSG);
	T_EQ_STR(error, NO_PROJECT);
}

/* The other texts are cut, never within a code point; a link is not cut but left out. */
static void test_long_texts(void)
{
	_cleanup_free_ char *accents = repeat("\xc3\xa9", 4000), *ascii = repeat("d", KONNECT_DESCRIPTION_MAX),
			    *path = repeat("p", URL_MAX_BYTES - strlen("https://h/"));
	_cleanup_free_ char *cut = xasprintf("{'id':'" ID "','name':'a','defaultBranch':'r%s',"
					     "'project':{'id':'" PROJECT_ID "','name':'p','visibility':'v%s',"
					     "'description':'%s'}}", accents, accents, accents);
	_cleanup_free_ char *fits = xasprintf("{'id':'" ID "','name':'a','webUrl':'https://h/%s',"
					      "'project':{'id':'" PROJECT_ID "','name':'p','description':'%s'}}", path,
					      ascii);
	_cleanup_free_ char *left_out = xasprintf("{" REPO ",'webUrl':'https://h/x%s','remoteUrl':'https://o@h/%s/'}", path,
						  path);
	struct repo r = { 0 };
	const char *error;

	T_EQ_INT(parse(cut, &r, &error), 0);
	T_EQ_INT(strlen(r.description), 2 * KONNECT_DESCRIPTION_MAX);
	T_OK(strncmp(r.description, accents, strlen(r.description)) == 0);
	T_EQ_INT(strlen(r.default_branch), NAME_MAX_BYTES - 1);
	T_OK(strncmp(r.default_branch + 1, accents, strlen(r.default_branch + 1)) == 0);
	T_EQ_INT(strlen(r.visibility), NAME_MAX_BYTES - 1);
	repo_done(&r);

	T_EQ_INT(parse(fits, &r, &error), 0);
	T_EQ_STR(r.description, ascii);
	T_EQ_INT(strlen(r.web_url), URL_MAX_BYTES);
	repo_done(&r);

	T_EQ_INT(parse(left_out, &r, &error), 0);
	T_NULL(r.web_url);
	repo_done(&r);
}

static void test_states(void)
{
	static const struct {
		const char *fields;
		enum repo_state want;
		const char *name;
	} rows[] = {
		{ "'defaultBranch':'refs/heads/main'", REPO_ACTIVE, "active" },
		{ "'defaultBranch':'refs/heads/main','size':0", REPO_ACTIVE, "active" },
		{ "'defaultBranch':'refs/heads/main','isDisabled':false,'isInMaintenance':false", REPO_ACTIVE, "active" },
		{ "'size':1839", REPO_EMPTY, "empty" },
		{ "'isDisabled':true", REPO_DISABLED, "disabled" },
		{ "'isDisabled':true,'isInMaintenance':true,'defaultBranch':'refs/heads/main'", REPO_DISABLED, "disabled" },
		{ "'isInMaintenance':true", REPO_MAINTENANCE, "maintenance" },
		{ "'isInMaintenance':true,'defaultBranch':'refs/heads/main'", REPO_MAINTENANCE, "maintenance" },
	};

	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *text = xasprintf("{" REPO ",%s}", rows[i].fields);
		struct repo r = { 0 };
		const char *error;

		T_EQ_INT_MSG(parse(text, &r, &error), 0, rows[i].fields);
		T_EQ_INT(repo_listed_state(&r), rows[i].want);
		T_EQ_STR(repo_state_name(repo_listed_state(&r)), rows[i].name);
		repo_done(&r);
	}
	T_EQ_STR(repo_state_name(REPO_EXCLUDED), "excluded");
	T_EQ_STR(repo_state_name(REPO_MISSING), "missing");
}

int main(void)
{
	test_every_field();
	test_what_may_be_absent();
	test_numbers();
	test_names();
	test_links();
	test_refuses();
	test_truncated();
	test_long_names();
	test_long_texts();
	test_states();
	return t_done();
}
