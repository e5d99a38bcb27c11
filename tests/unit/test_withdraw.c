#include "withdraw.h"

#include "t.h"
#include "util.h"

static bool none_is_ours(void *arg, const char *mapping_id, const char *service_name)
{
	(void)arg;
	(void)service_name;
	(void)mapping_id;
	return false;
}

static void answer(struct withdraw *w, const char *text)
{
	json_t *j = json_loads(text, 0, NULL);

	withdraw_answer(w, 200, j);
	json_decref(j);
}

/* What is shown when Konnect lists these services; *ret_hash is theirs. */
static void list(struct withdraw *w, const char *hash, const char *services, unsigned total, char ret_hash[APPROVE_HASH_LEN + 1])
{
	_cleanup_free_ char *page = xasprintf("{\"data\":[%s],\"meta\":{\"page\":{\"total\":%u}}}", services, total);

	withdraw_init(w, "a", hash, none_is_ours, NULL);
	answer(w, "{\"data\":[]}");
	answer(w, page);
	if (w->step == WITHDRAW_MAPPINGS)
		answer(w, "{\"data\":[],\"meta\":{\"page\":{\"total\":0}}}");
	withdraw_hash(w, ret_hash);
}

#define SERVICE(id) "{\"id\":\"" id "\",\"name\":\"n\",\"labels\":{\"managed-by\":\"adosyncd\",\"azure-devops-instance\":\"a\"}}"

/* The hash is of what was listed, in whatever order, and of nothing else. */
static void test_hash(void)
{
	char one[APPROVE_HASH_LEN + 1], two[APPROVE_HASH_LEN + 1], again[APPROVE_HASH_LEN + 1], more[APPROVE_HASH_LEN + 1];
	struct withdraw w;

	list(&w, NULL, SERVICE("x"), 1, one);
	T_EQ_INT(w.step, WITHDRAW_SHOWN);
	T_EQ_INT(w.n, 1);
	withdraw_done(&w);
	list(&w, NULL, SERVICE("x") "," SERVICE("y"), 2, two);
	T_EQ_INT(w.n, 2);
	withdraw_done(&w);
	list(&w, NULL, SERVICE("y") "," SERVICE("x"), 2, again);
	withdraw_done(&w);
	T_EQ_STR(again, two);
	T_OK(strcmp(one, two) != 0);
	list(&w, one, SERVICE("x") "," SERVICE("y") "," SERVICE("y"), 3, more);
	T_OK_MSG(strcmp(one, more) != 0, "one that is listed twice is not left out");
	T_EQ_INT(w.step, WITHDRAW_SHOWN);
	T_OK(w.wrong_hash);
	withdraw_done(&w);
	list(&w, one, SERVICE("x"), 1, again);
	T_EQ_INT(w.step, WITHDRAW_DELETE);
	withdraw_done(&w);
}

/* What is somebody else's is not in it, and a list that is not whole is none. */
static void test_lists(void)
{
	char hash[APPROVE_HASH_LEN + 1];
	struct withdraw w;

	list(&w, NULL, "{\"id\":\"x\",\"name\":\"n\",\"labels\":{\"managed-by\":\"adosyncd\",\"azure-devops-instance\":\"b\"}},"
		       "{\"id\":\"y\",\"name\":\"n\",\"labels\":{}}", 2, hash);
	T_EQ_INT(w.n, 0);
	T_EQ_STR(hash, "");
	withdraw_done(&w);
	list(&w, NULL, SERVICE("x"), 2, hash);
	T_EQ_INT(w.step, WITHDRAW_FAILED);
	withdraw_done(&w);
}

int main(void)
{
	test_hash();
	test_lists();
	return t_done();
}
