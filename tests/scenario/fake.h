/* The world of a scenario: no time, no network, no files but the daemon's own; what it logs is kept. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct loop;

/* Lets time pass and everything happen that is due. 0, or -ELOOP when one moment never ends. */
int fake_loop_pass(struct loop *l, int64_t ms);
bool fake_loop_stopped(const struct loop *l);
void fake_loop_signal(struct loop *l, int signo);
/* The wall clock is set, by so many seconds. */
void fake_loop_clock(int64_t sec);
/* Back to the beginning of time. */
void fake_loop_reset(void);

/* How the servers behave from now on. Texts are copied; status 0 is no answer at all, with error as the reason. */
struct fake_behaviour {
	int status;
	char *body;
	char *headers;		/* "Name: value" lines */
	char *error;
	int64_t delay_ms;
	unsigned times;		/* this many requests, then everything works again; 0 = all */
	bool never;		/* not even an error, until the request's own time is over */
};
void fake_behaviour_done(struct fake_behaviour *b);

/* Of an organization (its name is the first part of the path), and of Konnect. With a NULL behaviour they work: the
 * organization answers with its listing, Konnect with what it is asked. */
void fake_ado_set(const char *organization, const struct fake_behaviour *b);
void fake_ado_list(const char *organization, const char *listing);
void fake_konnect_set(const struct fake_behaviour *b);

/* Asked for the answer to every request instead, as long as it is set; organization: "" = Konnect. The texts of *ret are taken
 * over. */
struct http_request;
typedef void (*fake_answer_fn)(const char *organization, bool bin, const struct http_request *q, struct fake_behaviour *ret);
void fake_http_ask(fake_answer_fn fn);

/* Requests since the last call for that organization ("" = Konnect). */
unsigned fake_requests(const char *organization);
/* Those to Konnect that were no GET, since the last call. */
unsigned fake_writes(void);

/* What was sent to Konnect since the last call, one "METHOD path" a line; owned by the caller. */
char *fake_konnect_log(void);
void fake_http_reset(void);

/* What a Konnect that works answers; owned by the caller. */
char *fake_konnect_answer(const char *method, const char *path, const char *body, int *ret_status);
void fake_konnect_reset(void);

/* Everything that Konnect holds, by id: each has a "kind", the last part of the path of its collection. Borrowed, and may be
 * edited as somebody else would. */
struct json_t;
struct json_t *fake_konnect_objects(void);
/* As its interface would: mappings go with what they map. */
void fake_konnect_delete(const char *id);

/* Log lines as they were written: "priority event instance: message". */
struct fake_line {
	int priority;
	const char *event;	/* "" = none */
	char *instance, *message;
	bool expected;		/* by the scenario */
};
struct fake_line *fake_log(size_t *ret_n);
void fake_log_reset(void);
/* Gets every line instead of having it kept, as long as it is set. */
void fake_log_watch(void (*fn)(const struct fake_line *l));
