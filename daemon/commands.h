/* What adosyncctl can ask for. A command is one JSON object; its answer is any number of data lines and a last line that
 * has "ok". */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

struct check;
struct source;
struct syncd;

enum command_kind {
	COMMAND_ANSWERED,	/* answer is the last line */
	COMMAND_STREAM,		/* call command_stream_next() for more lines */
	COMMAND_CHECK,		/* the answer comes later: start a check of source */
	COMMAND_APPROVAL,	/* it comes later: start an approval of source, with hash if there is one */
	COMMAND_WITHDRAW,	/* it comes later: start a withdrawal of name, with hash */
};

struct command {
	enum command_kind kind;
	json_t *answer;
	struct source *source;
	const char *name, *hash;	/* borrowed from the request */
	int64_t cursor;
	uint32_t count;
};

/* Carries out a request. */
void command_run(struct syncd *d, const json_t *request, struct command *ret);

/* Forgets an answer that was not sent. */
void command_done(struct command *c);

/* The next line of COMMAND_STREAM, owned by the caller; *ret_last says that it was the last one. The source is looked up by
 * the caller again, as it may be gone: NULL ends the stream. */
json_t *command_stream_next(struct syncd *d, struct command *c, struct source *s, bool *ret_last);
