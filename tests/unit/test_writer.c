/* The id of the daemon that writes: made once, new until it is settled, and never half of one. */
#include "writer.h"

#include <stdlib.h>
#include <unistd.h>

#include "t.h"
#include "util.h"

static char dir[] = "/tmp/adosyncd-writer-XXXXXX";

static void put(const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/writer", dir);
	FILE *f = fopen(path, "w");

	T_OK(f != NULL && fputs(text, f) >= 0 && fclose(f) == 0);
}

static void test_life(void)
{
	char first[WRITER_LEN + 1], id[WRITER_LEN + 1];
	bool is_new = false;

	T_EQ_INT(writer_load(dir, true, id, &is_new), 0);
	T_EQ_STR(id, "");
	T_EQ_INT(writer_load(dir, false, first, &is_new), 0);
	T_OK(is_new);
	T_EQ_INT(strlen(first), WRITER_LEN);
	/* a crash before Konnect has it everywhere: still the same one, and still new */
	T_EQ_INT(writer_load(dir, false, id, &is_new), 0);
	T_OK(is_new);
	T_EQ_STR(id, first);
	T_EQ_INT(writer_settle(dir, first), 0);
	T_EQ_INT(writer_load(dir, false, id, &is_new), 0);
	T_OK(!is_new);
	T_EQ_STR(id, first);
}

static void test_files(void)
{
	static const char *const bad[] = { "", "0123", "0123456789abcdef0123456789abcde", "0123456789ABCDEF0123456789abcdef\n",
					   "not an id at all, but long enough for one\n" };
	static const char good[] = "0123456789abcdef0123456789abcdef";
	char id[WRITER_LEN + 1];
	bool is_new = false;

	for (size_t i = 0; i < ELEMENTSOF(bad); i++) {
		put(bad[i]);
		T_EQ_INT(writer_load(dir, false, id, &is_new), 0);
		T_OK_MSG(is_new && strcmp(id, bad[i]) != 0 && strlen(id) == WRITER_LEN, "another one is made");
	}
	/* without its line's end, too */
	put(good);
	T_EQ_INT(writer_load(dir, false, id, &is_new), 0);
	T_OK(!is_new);
	T_EQ_STR(id, good);
}

int main(void)
{
	_cleanup_free_ char *path = NULL, *none = NULL;
	char id[WRITER_LEN + 1];
	bool is_new;

	if (mkdtemp(dir) == NULL)
		return 1;
	path = xasprintf("%s/writer", dir);
	none = xasprintf("%s/none", dir);
	test_life();
	test_files();
	T_OK(writer_load(none, false, id, &is_new) < 0);
	T_OK(unlink(path) == 0 && rmdir(dir) == 0);
	return t_done();
}
