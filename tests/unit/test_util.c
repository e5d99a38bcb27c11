#include "t.h"
#include "util.h"

static void test_numbers(void)
{
	int64_t v = 7;

	T_EQ_INT(parse_int("42", 0, 100, &v), 0);
	T_EQ_INT(v, 42);
	T_OK(parse_int("", 0, 100, &v) < 0);
	T_OK(parse_int("42 ", 0, 100, &v) < 0);
	T_OK(parse_int("101", 0, 100, &v) < 0);
	T_OK(parse_int("99999999999999999999", 0, INT64_MAX, &v) < 0);
	T_EQ_INT(v, 42);
}

static void test_spans(void)
{
	static const struct {
		const char *text;
		int64_t sec;
	} good[] = { { "15min", 900 }, { "1h 30s", 3630 }, { "90", 90 }, { "2d", 172800 }, { "1w1h", 608400 },
		     { " 5 min ", 300 } };
	static const char *bad[] = { "", "min", "5 fortnights", "-5s", "1.5h", "9223372036854775807w" };
	char buf[64];
	int64_t v;

	for (size_t i = 0; i < ELEMENTSOF(good); i++) {
		v = -1;
		T_OK_MSG(parse_span(good[i].text, &v) == 0, good[i].text);
		T_EQ_INT(v, good[i].sec);
	}
	for (size_t i = 0; i < ELEMENTSOF(bad); i++)
		T_OK_MSG(parse_span(bad[i], &v) < 0, bad[i]);
	T_EQ_STR(format_span(buf, sizeof(buf), 3630), "1h 30s");
	T_EQ_STR(format_span(buf, sizeof(buf), 0), "0s");
	T_EQ_STR(COUNT_OF(0, "day"), "0 days");
	T_EQ_STR(COUNT_OF(1, "day"), "1 day");
	T_EQ_STR(COUNT_OF(1, "repository"), "1 repository");
	T_EQ_STR(COUNT_OF(2, "repository"), "2 repositories");
	T_EQ_STR(COUNT_OF(UINT64_MAX, "recycle bin"), "18446744073709551615 recycle bins");
}

static void test_dates(void)
{
	int64_t v;

	T_EQ_INT(parse_date("2026-12-01", &v), 0);
	T_EQ_INT(v, 1796083200);
	T_OK(parse_date("2026-02-30", &v) < 0);
	T_OK(parse_date("2026-1-01", &v) < 0);
	T_EQ_INT(parse_http_date("Tue, 01 Dec 2026 00:00:10 GMT", &v), 0);
	T_EQ_INT(v, 1796083210);
	T_OK(parse_http_date("1 Dec 2026", &v) < 0);
}

static void test_text(void)
{
	char buf[32];

	T_EQ_INT(utf8_next("a", 1), 1);
	T_EQ_INT(utf8_next("\xc3\xa9", 2), 2);
	T_EQ_INT(utf8_next("\xed\xa0\x80", 3), 0);
	T_EQ_INT(utf8_next("\xc0\xaf", 2), 0);
	T_EQ_INT(utf8_next("\xf0\x9f\x98", 3), 0);
	T_EQ_INT(utf8_prefix("\xc3\xa9" "ab", 2), 3);
	T_EQ_STR(printable(buf, sizeof(buf), "a\x1b[31mb\nc\xff"), "a?[31mb c?");
	T_EQ_STR(printable(buf, sizeof(buf), "\xc2\x9b\xc2\xa0\x7f\x01\t\r"), "?\xc2\xa0??  ");
	T_EQ_STR(printable(buf, sizeof(buf), "\xe2\x80\xa8\xe2\x80\xaeg\xe2\x81\xa6\xe2\x81\xa9"), "??g??");
	T_EQ_STR(printable(buf, sizeof(buf), "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5"), "\xe2\x80\xa7\xe2\x80\xaf\xe2\x81\xa5");
	T_EQ_STR(printable(buf, 4, "\xc3\xa9\xc3\xa9"), "\xc3\xa9");
}

static void test_secret_zero(void)
{
	char text[] = "hunter2hunter2";

	secret_zero(text, 7);
	T_OK(memcmp(text, "\0\0\0\0\0\0\0hunter2", sizeof(text)) == 0);
}

static void test_globs(void)
{
	T_OK(glob_match("Payments/*", "Payments", "api"));
	T_OK(glob_match("payments", "Payments", "anything"));
	T_OK(glob_match("*", "p", "r"));
	T_OK(!glob_match("*/user-*", "Payments", "api"));
	T_OK(glob_match("*/user-*", "Payments", "USER-api"));
	T_OK(!glob_match("Pay", "Payments", "api"));
	T_OK(glob_match("P?yments/a*i", "Payments", "api"));
	T_OK(!glob_match("a*a*a*a*a*a*a*b", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", "r"));
}

static void test_guids(void)
{
	uint8_t g[16];
	char text[37];

	T_EQ_INT(guid_parse("4A2EFA60-a068-4dcf-bd45-35c457004a3f", g), 0);
	guid_format(g, text);
	T_EQ_STR(text, "4a2efa60-a068-4dcf-bd45-35c457004a3f");
	T_OK(guid_parse("4a2efa60-a068-4dcf-bd45-35c457004a3", g) < 0);
	T_OK(guid_parse("4a2efa60-a068-4dcf-bd45-35c457004a3f0", g) < 0);
	T_OK(guid_parse("4a2efa60xa068-4dcf-bd45-35c457004a3f", g) < 0);
	T_OK(guid_parse("", g) < 0);
}

int main(void)
{
	test_numbers();
	test_spans();
	test_dates();
	test_text();
	test_secret_zero();
	test_globs();
	test_guids();
	return t_done();
}
