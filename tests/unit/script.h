/* Plays Konnect for the converge tests: each line is the request that must come and the answer it gets. */
#pragma once

#include <jansson.h>
#include <stdlib.h>

#include "konnect.h"
#include "t.h"

struct line {
	const char *request;	/* "METHOD path", then a line feed and the body if it has one */
	int status;
	const char *answer;	/* JSON; NULL or broken = an answer that is none */
};

static inline char *show_request(const struct konnect_request *r)
{
	char *s = NULL;
	size_t n;
	FILE *f = open_memstream(&s, &n);

	fprintf(f, "%s %s%s%s", r->method, r->path, r->body != NULL ? "\n" : "", r->body != NULL ? r->body : "");
	(void)fclose(f);
	return s;
}

/* Runs to the end of the script, and sees that nothing is asked beyond it. */
#define PLAY(prefix, c, lines)                                                                                       \
	do {                                                                                                         \
		struct konnect_request request_;                                                                     \
                                                                                                                     \
		for (size_t i_ = 0; i_ < sizeof(lines) / sizeof((lines)[0]); i_++) {                                 \
			json_t *answer_ = (lines)[i_].answer != NULL ? json_loads((lines)[i_].answer, 0, NULL) : NULL; \
			char *got_ = NULL;                                                                           \
                                                                                                                     \
			if (prefix##_request(c, &request_))                                                          \
				got_ = show_request(&request_);                                                      \
			T_EQ_STR(got_, (lines)[i_].request);                                                         \
			prefix##_answer(c, (lines)[i_].status, answer_);                                             \
			konnect_request_done(&request_);                                                             \
			json_decref(answer_);                                                                        \
			free(got_);                                                                                  \
		}                                                                                                    \
		T_OK_MSG(!prefix##_request(c, &request_), "nothing more is asked");                                  \
		konnect_request_done(&request_);                                                                     \
	} while (0)
