/* The log: one line to stderr an event, in the form its reader wants. A function logs or returns, never both. */
#pragma once

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <syslog.h>

#include "../lib/config.h"
#include "../lib/util.h"
#include "events.h"

/* Structured fields of an event, all optional. Names from outside are made printable here. */
struct log_fields {
	enum event_id event;		/* ADOSYNC_EVENT, and its MESSAGE_ID */
	const char *instance;		/* ADOSYNC_INSTANCE */
	const char *organization;	/* ADOSYNC_ORGANIZATION */
	const char *repository;		/* ADOSYNC_REPOSITORY, the GUID */
	int http_status;		/* ADOSYNC_HTTP_STATUS, 0 = none */
	const char *activity_id;	/* ADOSYNC_ACTIVITY_ID */
	const char *trace;		/* ADOSYNC_TRACE */
};

/* LOG_FORMAT_AUTO: the journal when stderr is the journal, text on a terminal, JSON lines otherwise. The journal is spoken to
 * in its own protocol; where only stderr is there, in lines with "<priority>" in front. */
void log_setup(enum log_format format, int max_priority);

/* Whether it is plain text, as on a terminal. */
bool log_is_text(void);

/* Whether a message of this priority would be written. */
bool log_wants(int priority);

/* "subject: message", the subject first: an instance's name, "konnect", "cache", "config". f may be NULL. */
void log_event(int priority, const struct log_fields *f, const char *subject, const char *fmt, ...) _printf_(4, 5);

void log_eventv(int priority, const struct log_fields *f, const char *subject, const char *fmt, va_list ap) _printf_(4, 0);

#define log_debug(subject, ...) log_event(LOG_DEBUG, NULL, subject, __VA_ARGS__)
#define log_info(subject, ...) log_event(LOG_INFO, NULL, subject, __VA_ARGS__)
#define log_notice(subject, ...) log_event(LOG_NOTICE, NULL, subject, __VA_ARGS__)
#define log_warning(subject, ...) log_event(LOG_WARNING, NULL, subject, __VA_ARGS__)
#define log_error(subject, ...) log_event(LOG_ERR, NULL, subject, __VA_ARGS__)
