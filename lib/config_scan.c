/*
 * The look at a configuration file before libConfuse gets it. libConfuse lets a repeated key, an empty list after a
 * full one or a path ("konnect|region") overwrite silently, drops characters it does not know, takes an unquoted glob
 * for the start of a comment, stops at the first unknown key and keeps no line numbers. So the structure is checked
 * here, with all errors at once; the values stay libConfuse's. Both read the same language because everything on
 * which they could differ is refused.
 */
#include "config_internal.h"

#include <string.h>

#include "limits.h"

enum token {
	TOKEN_END,
	TOKEN_ERROR,		/* reported */
	TOKEN_WORD,
	TOKEN_STRING,
	TOKEN_OPEN,
	TOKEN_CLOSE,
	TOKEN_EQUALS,
	TOKEN_COMMA,
};

struct scan {
	const char *file;
	size_t source;
	char *p, *end;
	unsigned line;
	size_t n_instances;	/* of this file */
	const char *start;	/* the last word, or string without its quotes */
	size_t len;
	char quote;
	struct config_sections *sections;
	struct config_errors *e;
};

static bool is_word(char c)
{
	return ascii_is_alnum(c) || c == '_' || c == '.' || c == '%' || c == '-';
}

static enum token fail(struct scan *s, const char *what)
{
	config_errorf(s->e, s->file, s->line, NULL, "%s", what);
	return TOKEN_ERROR;
}

static void blank(struct scan *s, char *to)
{
	for (; s->p < to; s->p++) {
		if (*s->p == '\n')
			s->line++;
		else
			*s->p = ' ';
	}
}

/* Whitespace and comments. False: reported. */
static bool skip_blank(struct scan *s)
{
	while (s->p < s->end) {
		char *to;

		if (*s->p == ' ' || *s->p == '\t' || *s->p == '\r') {
			s->p++;
		} else if (*s->p == '\n') {
			s->line++;
			s->p++;
		} else if (*s->p == '#' || (s->p[0] == '/' && s->p[1] == '/')) {
			to = memchr(s->p, '\n', (size_t)(s->end - s->p));
			blank(s, to ? to : s->end);
		} else if (s->p[0] == '/' && s->p[1] == '*') {
			to = memmem(s->p + 2, (size_t)(s->end - s->p) - 2, "*/", 2);
			if (!to) {
				fail(s, "a comment begins here and does not end; a pattern with * stands in quotes");
				return false;
			}
			blank(s, to + 2);
		} else {
			break;
		}
	}
	return true;
}

/* After "${": NAME or NAME:-DEFAULT up to the brace. */
static bool skip_variable(struct scan *s)
{
	char *p = s->p;

	while (ascii_is_alnum(*p) || *p == '_')
		p++;
	if (p == s->p)
		return false;
	if (p[0] == ':' && p[1] == '-')
		while (*p && *p != '}' && *p != '"' && *p != '\\' && *p != '\n')
			p++;
	if (*p != '}')
		return false;
	s->p = p + 1;
	return true;
}

/* At the character after a backslash in double quotes. */
static bool skip_escape(struct scan *s)
{
	char *p = s->p, *digits;
	unsigned value = 0;

	if (*p == '\n') {
		s->line++;
		s->p++;
		return true;
	}
	digits = p;
	if (*p >= '0' && *p <= '9') {
		for (; *p >= '0' && *p <= '9'; p++) {
			if (*p > '7' || p - digits == 3)
				return false;
			value = value * 8 + (unsigned)(*p - '0');
		}
		s->p = p;
		return value > 0 && value <= 0xff;
	}
	if (*p == 'x') {
		digits = ++p;
		while (p - digits < 2 && strchr("0123456789abcdefABCDEF", *p) && *p)
			p++;
		s->p = p;
		return p == digits || strspn(digits, "0") < (size_t)(p - digits);
	}
	s->p++;
	return true;
}

static enum token scan_string(struct scan *s)
{
	s->quote = *s->p++;
	s->start = s->p;
	while (s->p < s->end && *s->p != s->quote) {
		if (*s->p == '\n')
			return fail(s, "a string does not end on its line; write \\n in double quotes, or a \\ "
				       "before the end of the line to go on");
		if (*s->p == '\\' && s->p + 1 < s->end) {
			s->p++;
			if (s->quote == '"') {
				if (!skip_escape(s))
					return fail(s, "a \\ with a number that is no byte; allowed: \\1 to \\377, \\x1 to "
						       "\\xff");
			} else {
				if (*s->p == '\n')
					s->line++;
				s->p++;
			}
		} else if (s->quote == '"' && s->p[0] == '$' && s->p[1] == '{') {
			s->p += 2;
			if (!skip_variable(s))
				return fail(s, "${ begins a variable; allowed: ${NAME}, ${NAME:-DEFAULT}, or \\${ for the "
					       "characters themselves");
		} else {
			s->p++;
		}
	}
	if (s->p >= s->end)
		return fail(s, "a string begins here and does not end");
	s->len = (size_t)(s->p - s->start);
	s->p++;
	return TOKEN_STRING;
}

static enum token next(struct scan *s)
{
	char shown[2] = "";

	if (!skip_blank(s))
		return TOKEN_ERROR;
	if (s->p >= s->end)
		return TOKEN_END;
	if (*s->p == '"' || *s->p == '\'')
		return scan_string(s);
	if (is_word(*s->p)) {
		s->start = s->p;
		s->quote = '\0';
		while (is_word(*s->p))
			s->p++;
		s->len = (size_t)(s->p - s->start);
		return TOKEN_WORD;
	}
	switch (*s->p) {
	case '{':
		s->p++;
		return TOKEN_OPEN;
	case '}':
		s->p++;
		return TOKEN_CLOSE;
	case '=':
		s->p++;
		return TOKEN_EQUALS;
	case ',':
		s->p++;
		return TOKEN_COMMA;
	case '+':
		return fail(s, "+ stands here; lists are written whole: KEY = { \"...\", \"...\" }");
	default:
		shown[0] = *s->p > 0x20 && *s->p < 0x7f ? *s->p : '?';
		config_errorf(s->e, s->file, s->line, NULL, "the character %s stands outside quotes; values of more than "
			      "letters, digits and _ . %% - stand in double quotes", shown);
		return TOKEN_ERROR;
	}
}

/* Past the brace that closes the one just read. */
static bool skip_block(struct scan *s)
{
	size_t depth = 1;

	while (depth > 0) {
		enum token t = next(s);

		if (t == TOKEN_ERROR)
			return false;
		if (t == TOKEN_END) {
			fail(s, "the file ends before a closing }");
			return false;
		}
		if (t == TOKEN_OPEN)
			depth++;
		if (t == TOKEN_CLOSE)
			depth--;
	}
	return true;
}

/* Past whatever follows a key or section nobody knows, so that the rest can still be judged. */
static bool skip_unknown(struct scan *s, enum token t)
{
	if (t == TOKEN_EQUALS || t == TOKEN_WORD || t == TOKEN_STRING)
		t = next(s);
	if (t == TOKEN_OPEN)
		return skip_block(s);
	if (t == TOKEN_WORD || t == TOKEN_STRING)
		return true;
	if (t != TOKEN_ERROR)
		fail(s, "a value or { is missing");
	return false;
}

static bool scan_list(struct scan *s)
{
	for (;;) {
		enum token t = next(s);

		if (t == TOKEN_CLOSE)
			return true;
		if (t == TOKEN_WORD || t == TOKEN_STRING) {
			t = next(s);
			if (t == TOKEN_COMMA)
				continue;
			if (t == TOKEN_CLOSE)
				return true;
		}
		if (t != TOKEN_ERROR)
			fail(s, "a list is wrong here; allowed: KEY = { \"...\", \"...\" }");
		return false;
	}
}

static bool scan_value(struct scan *s, const char *key, bool list)
{
	unsigned line;
	enum token t;

	t = next(s);
	if (t == TOKEN_EQUALS) {
		t = next(s);
		if (t == TOKEN_WORD || t == TOKEN_STRING)
			return true;
		if (t == TOKEN_OPEN) {
			line = s->line;
			if (!scan_list(s))
				return false;
			if (!list)
				config_errorf(s->e, s->file, line, key, "is a list; allowed: one value");
			return true;
		}
	}
	if (t != TOKEN_ERROR)
		config_errorf(s->e, s->file, s->line, key, "has no value; allowed: %s = \"...\"", key);
	return false;
}

static void unknown_key(struct scan *s, enum config_section_kind kind, const char *key)
{
	_cleanup_free_ char *list = xstrdup("");

	for (size_t i = 0; i < config_n_options; i++) {
		char *longer;

		if (!config_option_in(&config_options[i], kind))
			continue;
		longer = xasprintf("%s%s%s", list, *list ? ", " : "", config_options[i].key);
		free(list);
		list = longer;
	}
	config_errorf(s->e, s->file, s->line, key, "unknown key in %s; allowed: %s%s", config_section_name(kind), list,
		      kind == SECTION_INSTANCE ? ", map \"SERVICE\" { ... }" : "");
}

static bool scan_map(struct scan *s, size_t parent);

/* at: of the section, whose place moves when there are more of them. */
static bool scan_key(struct scan *s, size_t at)
{
	struct config_section *sec = &s->sections->v[at];
	_cleanup_free_ char *key = xstrndup(s->start, s->len);
	char shown[80];
	size_t i;

	if (sec->kind == SECTION_INSTANCE && strcmp(key, config_section_name(SECTION_MAP)) == 0)
		return scan_map(s, at);
	printable(shown, sizeof(shown), key);
	i = config_option_find(sec->kind, s->start, s->len);
	if (i == SIZE_MAX) {
		unknown_key(s, sec->kind, shown);
		return skip_unknown(s, next(s));
	}
	if (sec->lines[i])
		config_errorf(s->e, s->file, s->line, key, "given twice (first on line %u); allowed: once in a section",
			      sec->lines[i]);
	sec->lines[i] = s->line;
	return scan_value(s, key, config_options[i].type->list);
}

static bool scan_body(struct scan *s, size_t at)
{
	const struct config_section *sec;

	for (;;) {
		enum token t = next(s);

		if (t == TOKEN_CLOSE)
			return true;
		if (t == TOKEN_WORD) {
			if (!scan_key(s, at))
				return false;
			continue;
		}
		sec = &s->sections->v[at];
		if (t == TOKEN_END)
			config_errorf(s->e, s->file, s->line, config_section_name(sec->kind),
				      "the file ends inside the section that begins on line %u; } is missing", sec->line);
		else if (t != TOKEN_ERROR)
			fail(s, "a key is expected here, without quotes; allowed: KEY = \"VALUE\", or }");
		return false;
	}
}

/* The title just read, with ${NAME} replaced as libConfuse replaces it. */
static char *expand_title(const struct scan *s)
{
	char *r = xstrdup("");
	const char *p = s->start, *end = s->start + s->len;

	while (p < end) {
		_cleanup_free_ char *part = NULL;
		const char *value, *close = NULL;
		char *longer, *fallback;

		if (s->quote == '"' && end - p >= 2 && p[0] == '$' && p[1] == '{' && p[-1] != '\\')
			close = memchr(p, '}', (size_t)(end - p));
		if (close) {
			part = xstrndup(p + 2, (size_t)(close - p) - 2);
			fallback = strstr(part, ":-");
			if (fallback)
				*fallback = '\0';
			value = getenv(part);
			if (!value)
				value = fallback ? fallback + 2 : "";
			p = close + 1;
		} else {
			const char *stop = memchr(p + 1, '$', (size_t)(end - p) - 1);

			if (!stop)
				stop = end;
			value = part = xstrndup(p, (size_t)(stop - p));
			p = stop;
		}
		longer = xasprintf("%s%s", r, value);
		free(r);
		r = longer;
	}
	return r;
}

/* [0-9a-z]([0-9a-z.-]{0,38}[0-9a-z])?, Konnect's rule for the name of an integration instance. */
static bool instance_name_valid(const char *name)
{
	static const char alnum[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	size_t n = strlen(name);

	return n >= 1 && n <= INSTANCE_NAME_MAX && strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz.-") == n &&
	       strchr(alnum, name[0]) && strchr(alnum, name[n - 1]);
}

/* The optional title; *t is the token after it. False: reported, and the file cannot be read on. */
static bool scan_title(struct scan *s, struct config_section *sec, enum token *t)
{
	const char *name = config_section_name(sec->kind);
	char shown[160];

	if (*t != TOKEN_WORD && *t != TOKEN_STRING) {
		if (sec->kind == SECTION_INSTANCE && *t == TOKEN_OPEN)
			config_errorf(s->e, s->file, s->line, name, "has no name; allowed: instance \"NAME\" { ... }");
		return *t != TOKEN_ERROR;
	}
	if (sec->kind != SECTION_INSTANCE) {
		config_errorf(s->e, s->file, s->line, name, "has a name; allowed: %s { ... }", name);
	} else {
		sec->name = expand_title(s);
		if (!instance_name_valid(sec->name))
			config_errorf(s->e, s->file, s->line, name, "\"%s\" is not a name; allowed: 1 to 40 of 0-9 a-z . -, "
				      "beginning and ending with 0-9 or a-z", printable(shown, sizeof(shown), sec->name));
	}
	*t = next(s);
	return *t != TOKEN_ERROR;
}

static struct config_section *add_section(struct scan *s, enum config_section_kind kind)
{
	struct config_sections *l = s->sections;
	struct config_section *sec;

	if (l->n == l->allocated) {
		l->allocated = l->allocated ? l->allocated * 2 : 16;
		l->v = xrealloc(l->v, l->allocated, sizeof(*l->v));
	}
	sec = &l->v[l->n++];
	*sec = (struct config_section){ .kind = kind, .source = s->source, .line = s->line };
	if (kind == SECTION_INSTANCE) {
		l->n_instances++;
		sec->index = s->n_instances++;
	}
	return sec;
}

/* Konnect's rule for the name of a service. */
static bool service_name_valid(const char *name)
{
	size_t n = strlen(name);

	return n >= 1 && n <= KONNECT_NAME_MAX && strspn(name, "0123456789abcdefghijklmnopqrstuvwxyz.-") == n;
}

/* A map of the instance, after its word. */
static bool scan_map(struct scan *s, size_t parent)
{
	static const char allowed[] = "map \"SERVICE\" { repositories = { \"...\" } }";
	struct config_section *sec = add_section(s, SECTION_MAP);
	size_t at = (size_t)(sec - s->sections->v);
	char shown[160];
	enum token t = next(s);

	sec->parent = parent;
	sec->index = s->sections->v[parent].n_maps++;
	if (t != TOKEN_WORD && t != TOKEN_STRING) {
		if (t != TOKEN_ERROR)
			config_errorf(s->e, s->file, s->line, "map", "has no name; allowed: %s", allowed);
		return false;
	}
	sec->name = expand_title(s);
	if (!service_name_valid(sec->name))
		config_errorf(s->e, s->file, s->line, "map", "\"%s\" is not the name of a service; allowed: 1 to 120 of 0-9 a-z . -",
			      printable(shown, sizeof(shown), sec->name));
	for (size_t i = 0; i < at; i++)
		if (s->sections->v[i].kind == SECTION_MAP && s->sections->v[i].parent == parent &&
		    strcmp(s->sections->v[i].name, sec->name) == 0)
			config_errorf(s->e, s->file, s->line, "map", "\"%s\" is given twice (first on line %u); allowed: once in an "
				      "instance", printable(shown, sizeof(shown), sec->name), s->sections->v[i].line);
	t = next(s);
	if (t != TOKEN_OPEN) {
		if (t != TOKEN_ERROR)
			config_errorf(s->e, s->file, s->line, "map", "{ is missing after the name; allowed: %s", allowed);
		return false;
	}
	return scan_body(s, at);
}

static bool scan_section(struct scan *s)
{
	_cleanup_free_ char *word = xstrndup(s->start, s->len);
	enum config_section_kind kind;
	struct config_section *sec;
	char shown[80];
	enum token t;

	for (kind = SECTION_KONNECT; kind < SECTION_MAP; kind++)
		if (strcmp(word, config_section_name(kind)) == 0)
			break;
	if (kind == SECTION_MAP) {
		config_errorf(s->e, s->file, s->line, printable(shown, sizeof(shown), word),
			      "unknown section; allowed: konnect, daemon, defaults, instance \"NAME\"");
		return skip_unknown(s, next(s));
	}
	if (kind == SECTION_INSTANCE && s->sections->n_instances >= INSTANCES_MAX) {
		config_errorf(s->e, s->file, s->line, word, "is one too many; allowed: %d instances", INSTANCES_MAX);
		return false;
	}
	sec = add_section(s, kind);
	t = next(s);
	if (!scan_title(s, sec, &t))
		return false;
	if (t != TOKEN_OPEN) {
		config_errorf(s->e, s->file, s->line, word, "{ is missing after the section's %s",
			      kind == SECTION_INSTANCE ? "name" : "word");
		return false;
	}
	return scan_body(s, (size_t)(sec - s->sections->v));
}

void config_scan(const char *file, size_t source, char *text, size_t len, struct config_sections *ret,
		 struct config_errors *e)
{
	struct scan s = {
		.file = file, .source = source, .p = text, .end = text + len, .line = 1, .sections = ret, .e = e,
	};

	for (char *p = text; p < s.end && *p; p++)
		s.line += *p == '\n';
	if (strlen(text) < len) {
		fail(&s, "a NUL byte; the configuration is text");
		return;
	}
	s.line = 1;
	if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		blank(&s, text + 3);
	for (;;) {
		enum token t = next(&s);

		if (t == TOKEN_END)
			return;
		if (t == TOKEN_WORD && scan_section(&s))
			continue;
		if (t != TOKEN_WORD && t != TOKEN_ERROR)
			fail(&s, "a section is expected here; allowed: konnect, daemon, defaults, instance \"NAME\"");
		return;
	}
}
