#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "buf.h"
#include "t.h"
#include "util.h"

static void test_grows_to_its_maximum(void)
{
	struct buf b;

	buf_init(&b, 1000);
	T_NULL(b.data);
	for (int i = 0; i < 1000; i++)
		if (buf_add(&b, "x", 1) < 0)
			T_OK_MSG(false, "a byte within the maximum is taken");
	T_EQ_INT(b.len, 1000);
	T_EQ_INT(strlen(b.data), 1000);
	T_EQ_INT(buf_add(&b, "y", 1), -E2BIG);
	T_EQ_INT(b.len, 1000);
	T_OK(strchr(b.data, 'y') == NULL);
	buf_done(&b);
	T_NULL(b.data);
	T_EQ_INT(b.len, 0);
	T_EQ_INT(buf_add(&b, "again", 5), 0);
	T_EQ_STR(b.data, "again");
	buf_done(&b);
	buf_done(&b);
}

/* What does not fit leaves no part of itself behind, unless asked to. */
static void test_all_or_some(void)
{
	struct buf b;

	buf_init(&b, 4);
	T_EQ_INT(buf_add(&b, "abcde", 5), -E2BIG);
	T_EQ_INT(b.len, 0);
	T_EQ_INT(buf_add(&b, "ab", 2), 0);
	T_EQ_INT(buf_add(&b, "cde", 3), -E2BIG);
	T_EQ_STR(b.data, "ab");
	buf_add_some(&b, "cde", 3);
	T_EQ_STR(b.data, "abcd");
	buf_add_some(&b, "f", 1);
	T_EQ_STR(b.data, "abcd");
	T_EQ_INT(buf_add(&b, "x", SIZE_MAX), -E2BIG);
	buf_clear(&b);
	T_EQ_STR(b.data, "");
	T_EQ_INT(b.len, 0);
	buf_add_some(&b, "abcde", 5);
	T_EQ_STR(b.data, "abcd");
	buf_done(&b);
}

static void test_nothing(void)
{
	struct buf b;

	buf_init(&b, 0);
	buf_clear(&b);
	T_EQ_INT(buf_add(&b, NULL, 0), 0);
	T_EQ_STR(b.data, "");
	T_EQ_INT(buf_add(&b, "x", 1), -E2BIG);
	buf_add_some(&b, "x", 1);
	T_EQ_INT(b.len, 0);
	buf_done(&b);
}

static void test_bytes(void)
{
	struct buf b;

	buf_init(&b, 1 << 16);
	T_EQ_INT(buf_add(&b, "a\0b", 3), 0);
	T_EQ_INT(buf_add(&b, "\0", 1), 0);
	T_EQ_INT(b.len, 4);
	T_OK(memcmp(b.data, "a\0b\0", 5) == 0);
	buf_done(&b);
}

/* What is given back is lost, and all behind it is as it was. */
static void test_give_back(void)
{
	static const size_t all = 1 << 20, some = (1 << 19) + 1;
	char *text = xcalloc(all, 1);
	struct buf b;
	bool zeros = true;

	buf_init(&b, all);
	buf_give_back(&b, 1);
	memset(text, 'x', all);
	T_EQ_INT(buf_add(&b, text, all), 0);
	buf_give_back(&b, all + 1);
	T_OK_MSG(memcmp(b.data, text, all) == 0, "more than it holds: nothing happens");
	buf_give_back(&b, some);
	T_OK(b.gone > some / 2 && b.gone <= some && b.len == all);
	T_OK(memcmp(b.data + some, text, all - some) == 0);
	for (size_t i = 0; i < b.gone; i++)
		zeros = zeros && b.data[i] == '\0';
	T_OK(zeros);
	buf_clear(&b);
	T_EQ_INT(buf_add(&b, text, all), 0);
	T_OK_MSG(b.gone == 0 && memcmp(b.data, text, all) == 0, "it can be filled again");
	buf_done(&b);
	free(text);
}

int main(void)
{
	test_grows_to_its_maximum();
	test_all_or_some();
	test_nothing();
	test_bytes();
	test_give_back();
	return t_done();
}
