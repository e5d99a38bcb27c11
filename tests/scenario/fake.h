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

/* Log lines as they were written: "priority event instance: message". */
struct fake_line {
	int priority;
	const char *event;	/* "" = none */
	char *instance, *message;
	bool expected;		/* by the scenario */
};
struct fake_line *fake_log(size_t *ret_n);
void fake_log_reset(void);
