#include "pick.h"

#include <errno.h>

#include "quotes.h"
#include "t.h"
#include "util.h"

enum { ID, FLAG, INNER, PICKS };

static const struct pick wanted[PICKS] = { { .key = "id" }, { .key = "flag" }, { .object = "in", .key = "id" } };

/* What the scan is to find, or that it leaves the text to jansson. */
static const struct {
	const char *json;
	bool scans;
	const char *id, *inner;
	bool flag;
} rows[] = {
	{ "{}", true, NULL, NULL, false },
	{ " \t\r\n{ } \n", true, NULL, NULL, false },
	{ "{'id':'a','flag':true,'in':{'id':'b'}}", true, "a", "b", true },
	{ "{ 'in' : { 'x' : { 'id' : 'no' } , 'id' : 'b' } , 'id' : '' }", true, "", "b", false },
	{ "{'in':[{'id':'no'}],'id':'a'}", true, "a", NULL, false },
	{ "{'x':{'in':{'id':'no'}},'y':[{'id':'no'},[{'in':{'id':'no'}}]]}", true, NULL, NULL, false },
	{ "{'in':'text','id':7,'flag':'true'}", true, NULL, NULL, false },
	{ "{'id':null,'flag':false,'in':null}", true, NULL, NULL, false },
	{ "{'id':{'id':'no'},'flag':[true],'in':{'id':{'id':'no'}}}", true, NULL, NULL, false },
	{ "{'n':[0,-0,-1,123456789012345678],'id':'a'}", true, "a", NULL, false },
	{ "{'ident':'no','i':'no','id':'a'}", true, "a", NULL, false },
	{ "{'id':'\xc3\xa9'}", true, "\xc3\xa9", NULL, false },
	{ "{'x':1,'x':2,'id':'a'}", true, "a", NULL, false },
	/* jansson knows these */
	{ "{'id':'a\\n'}", false, "a\n", NULL, false },
	{ "{'\\u0069d':'a'}", false, "a", NULL, false },
	{ "{'n':1.5,'id':'a'}", false, "a", NULL, false },
	{ "{'n':[1e3],'id':'a'}", false, "a", NULL, false },
	{ "{'n':1234567890123456789,'id':'a'}", false, "a", NULL, false },
	{ "{'id':'a','id':'b'}", false, "b", NULL, false },
	{ "{'id':1,'id':'b'}", false, "b", NULL, false },
	{ "{'in':{'id':'a'},'in':{'id':'b'}}", false, NULL, "b", false },
	{ "{'in':{'id':'a','id':null}}", false, NULL, NULL, false },
	{ "{'x':[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]],'id':'a'}", false, "a", NULL, false },
	{ "[{'id':'no'}]", false, NULL, NULL, false },
};

static const char *const broken[] = {
	"", " ", "{", "}", "{'id'}", "{'id':}", "{'id':'a'", "{'id':'a'}}", "{'id':'a'} x", "{'id':'a',}", "{,}", "{'id' 'a'}", "{'id':'a}",
	"{'id':'\x1f'}", "{'id':'\xff'}", "{'id':'\xc3'}", "{'id':'\xed\xa0\x80'}", "{'id':tru}", "{'id':nul}", "{'id':truex}",
	"{'n':01}", "{'n':-}", "{'n':+1}", "{'n':1x}", "{'n':[1,]}", "{'n':[1}", "{'n':[1]", "{id:'a'}", "{'id':\\'a'}", "nul", "1", "'a'",
};

static void expect(const struct pick *picks, size_t i)
{
	_cleanup_free_ char *id = picks[ID].text != NULL ? xstrndup(picks[ID].text, picks[ID].len) : NULL,
			    *inner = picks[INNER].text != NULL ? xstrndup(picks[INNER].text, picks[INNER].len) : NULL;

	T_EQ_STR(id, rows[i].id);
	T_EQ_STR(inner, rows[i].inner);
	T_OK_MSG(picks[FLAG].is_true == rows[i].flag, rows[i].json);
}

int main(void)
{
	struct pick picks[PICKS];
	json_t *j;

	memcpy(picks, wanted, sizeof(picks));
	for (size_t i = 0; i < ELEMENTSOF(rows); i++) {
		_cleanup_free_ char *text = unquote(rows[i].json);
		bool scans = pick_scan(text, strlen(text), picks, PICKS);

		T_EQ_INT_MSG(scans, rows[i].scans, rows[i].json);
		if (scans)
			expect(picks, i);
		T_EQ_INT(pick_values(text, strlen(text), 0, picks, PICKS, &j), 0);
		T_OK((j == NULL) == scans);
		expect(picks, i);
		json_decref(j);
	}
	for (size_t i = 0; i < ELEMENTSOF(broken); i++) {
		_cleanup_free_ char *text = unquote(broken[i]);

		T_OK_MSG(!pick_scan(text, strlen(text), picks, PICKS), broken[i]);
		T_EQ_INT_MSG(pick_values(text, strlen(text), 0, picks, PICKS, &j), -EBADMSG, broken[i]);
	}
	return t_done();
}
