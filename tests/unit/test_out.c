#include <errno.h>

#include "../../lib/out.h"
#include "t.h"

static void test_html(void)
{
	struct buf b;
	struct out o = { .buf = &b };

	buf_init(&b, 1000);
	out_html(&o, "<script>alert(\"1\" & '2')</script>");
	T_EQ_STR(b.data, "&lt;script&gt;alert(&quot;1&quot; &amp; &#39;2&#39;)&lt;/script&gt;");
	buf_clear(&b);
	out_html(&o, "Gr\xc3\xb6\xc3\x9f" "e \xf0\x9f\x98\x80");
	T_EQ_STR(b.data, "Gr\xc3\xb6\xc3\x9f" "e \xf0\x9f\x98\x80");
	buf_clear(&b);
	out_html(&o, "a\xff\xc0\xaf" "b\x1b\x7f" "c\nd\te");
	T_EQ_STR(b.data, "a\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd" "b\xef\xbf\xbd\xef\xbf\xbd" "c d e");
	buf_done(&b);
}

static void test_label(void)
{
	struct buf b;
	struct out o = { .buf = &b };

	buf_init(&b, 1000);
	out_label(&o, "a\\b\"c\nd\xff{}=<");
	T_EQ_STR(b.data, "a\\\\b\\\"c\\nd\xef\xbf\xbd{}=<");
	buf_done(&b);
}

/* Nothing after what did not fit, or the text would have a hole. */
static void test_full(void)
{
	struct buf b;
	struct out o = { .buf = &b };

	buf_init(&b, 8);
	out_format(&o, "%d", 1234);
	out_text(&o, "too much of it");
	out_text(&o, "x");
	out_html(&o, "&");
	T_EQ_STR(b.data, "1234");
	T_EQ_INT(o.error, -E2BIG);
	buf_done(&b);
	buf_init(&b, 10000);
	o.error = 0;
	out_format(&o, "%5000d", 1);
	T_EQ_INT(o.error, -E2BIG);
	T_EQ_INT(b.len, 0);
	buf_done(&b);
}

int main(void)
{
	test_html();
	test_label();
	test_full();
	return t_done();
}
