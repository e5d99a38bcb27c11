/* Texts packed against what is known of them. */
#include "pack.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "t.h"
#include "util.h"

static const char pieces[] = "{\"labels\":{\"managed-by\":\"us\"},\"name\":\"";

/* What it comes to in bytes; it is what it was again. */
static size_t there_and_back(struct pack *p, const char *known, const char *text)
{
	_cleanup_free_ char *back = NULL;
	_cleanup_free_ uint8_t *kept = NULL;
	const uint8_t *packed;
	size_t n = 0;

	pack_begin(p);
	pack_know(p, known);
	T_EQ_INT(pack_text(p, text, &packed, &n), 0);
	kept = memcpy(xcalloc(n, 1), packed, n);
	pack_begin(p);
	pack_know(p, known);
	T_EQ_INT(pack_open(p, kept, n, &back), 0);
	T_OK(back != NULL && strcmp(back, text) == 0);
	return n;
}

static char *repeated(char c, size_t n)
{
	return memset(xcalloc(n + 1, 1), c, n);
}

static void test_texts(struct pack *p)
{
	static const char known[] = "payments.user-api", text[] = "{\"labels\":{\"managed-by\":\"us\"},\"name\":\"payments.user-api\"}";
	_cleanup_free_ char *longest = repeated('x', PACK_TEXT_MAX), *over = repeated('x', PACK_TEXT_MAX + 1);
	char *noise = xcalloc(50001, 1);
	const uint8_t *packed;
	uint64_t seed = 7;
	size_t n;

	T_OK(there_and_back(p, known, text) < 20);
	T_OK(there_and_back(p, NULL, text) > there_and_back(p, known, text));
	(void)there_and_back(p, known, "");
	(void)there_and_back(p, "", "x");
	(void)there_and_back(p, longest, longest);
	pack_begin(p);
	T_EQ_INT(pack_text(p, over, &packed, &n), -E2BIG);
	for (size_t i = 0; i < 50000; i++) {
		seed = seed * 6364136223846793005U + 1;
		noise[i] = (char)(1 + (seed >> 33) % 255);
	}
	T_OK_MSG(there_and_back(p, known, noise) > 40000, "what cannot be made smaller");
	T_OK_MSG(there_and_back(p, noise, noise) > 40000, "of what is known the start counts only");
	free(noise);
}

/* Not what was packed, or not with what was known: refused, and the next is none the worse. */
static void test_refused(struct pack *p)
{
	static const char text[] = "{\"name\":\"payments.user-api\",\"more\":\"0123456789abcdefghijklmnopqrstuvwxyz\"}";
	const uint8_t *packed;
	uint8_t kept[256], other[257];
	char *back = NULL;
	size_t n;

	pack_begin(p);
	pack_know(p, "payments");
	T_EQ_INT(pack_text(p, text, &packed, &n), 0);
	T_OK(n < sizeof(kept));
	memcpy(kept, packed, n);
	for (size_t cut = 0; cut < n; cut++)
		T_EQ_INT(pack_open(p, kept, cut, &back), -EBADMSG);
	/* each that is of use: the sum of the dictionary, that of the text, the codes */
	for (size_t at = 2; at < n; at++) {
		memcpy(other, kept, n);
		other[at] ^= 0x10;
		if (pack_open(p, other, n, &back) == 0) {
			T_OK_MSG(strcmp(back, text) == 0, "a bit that only fills the last byte");
			free(back);
			back = NULL;
		}
	}
	memcpy(other, kept, n);
	other[n] = 0;
	T_EQ_INT_MSG(pack_open(p, other, n + 1, &back), -EBADMSG, "something follows");
	pack_begin(p);
	pack_know(p, "payment");
	T_EQ_INT_MSG(pack_open(p, kept, n, &back), -EBADMSG, "something else is known");
	T_NULL(back);
	pack_begin(p);
	pack_know(p, "payments");
	T_EQ_INT(pack_open(p, kept, n, &back), 0);
	T_EQ_STR(back, text);
	free(back);
}

/* What inflates to more than a text may have ends there. */
static void test_bomb(struct pack *p)
{
	_cleanup_free_ char *longest = repeated('x', PACK_TEXT_MAX);
	const uint8_t *packed;
	_cleanup_free_ uint8_t *bomb = NULL;
	char *back = NULL;
	size_t n;

	pack_begin(p);
	T_EQ_INT(pack_text(p, longest, &packed, &n), 0);
	/* the body without its end, again and again */
	bomb = xcalloc(n * 8, 1);
	memcpy(bomb, packed, n);
	for (size_t at = n / 2; at + n / 4 < n * 8; at += n / 4)
		memcpy(bomb + at, packed + n / 4, n / 4);
	T_EQ_INT(pack_open(p, bomb, n * 8, &back), -EBADMSG);
	T_NULL(back);
}

int main(void)
{
	struct pack *p = pack_new(pieces);

	test_texts(p);
	test_refused(p);
	test_bomb(p);
	T_NULL(pack_free(p));
	T_NULL(pack_free(NULL));
	return t_done();
}
