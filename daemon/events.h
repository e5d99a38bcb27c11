/* The events of the log: a contract with whoever watches it. Those an operator acts on have a MESSAGE_ID, under which the
 * journal's catalog (systemd/adosyncd.catalog) explains them. */
#pragma once

enum event_id {
	EVENT_NONE,	/* a message without a name */
	EVENT_STARTED,
	EVENT_STOPPED,
	EVENT_RELOADED,
	EVENT_RELOAD_REFUSED,
	EVENT_POLL_OK,
	EVENT_POLL_FAILED,
	EVENT_POLL_RECOVERED,
	EVENT_THROTTLED,
	EVENT_CREDENTIAL_LOST,
	EVENT_CREDENTIAL_REMINDER,
	EVENT_CREDENTIAL_RESTORED,
	EVENT_PAT_EXPIRING,
	EVENT_BLOCKED,
	EVENT_UNBLOCKED,
	EVENT_CREATED,
	EVENT_CHANGED,
	EVENT_REMOVED,
	EVENT_MISSING,
	EVENT_RETURNED,
	EVENT_ADOPTED,
	EVENT_REPAIRED,
	EVENT_PARKED,
	EVENT_NAME_TAKEN,
	EVENT_HELD,
	EVENT_APPROVED,
	EVENT_RELEASED,
	EVENT_SINK_LOST,
	EVENT_SINK_RESTORED,
	EVENT_SECOND_WRITER,
	EVENT_CACHE_REBUILT,
	EVENT_WITHDRAWN,
	EVENTS,
};

/* ADOSYNC_EVENT, or NULL for EVENT_NONE. */
const char *event_name(enum event_id e);

/* 32 hex digits, or NULL. */
const char *event_message_id(enum event_id e);
