#include "events.h"

static const struct {
	const char *name, *message_id;
} events[EVENTS] = {
	[EVENT_NONE] = { 0 },
	[EVENT_STARTED] = { "started", 0 },
	[EVENT_STOPPED] = { "stopped", 0 },
	[EVENT_RELOADED] = { "reloaded", 0 },
	[EVENT_RELOAD_REFUSED] = { "reload_refused", "22a8454ea0734ed8b07f66a871fb7587" },
	[EVENT_POLL_OK] = { "poll_ok", 0 },
	[EVENT_POLL_FAILED] = { "poll_failed", "03f1903a74184becb26cf2158c411d25" },
	[EVENT_POLL_RECOVERED] = { "poll_recovered", "1fb5d0b3bcfe48df8d926dfa0ca8b66f" },
	[EVENT_THROTTLED] = { "throttled", "5435d1185c28452799e7a390a2c2a759" },
	[EVENT_CREDENTIAL_LOST] = { "credential_lost", "a97db236562a4c548542ef547403e193" },
	[EVENT_CREDENTIAL_REMINDER] = { "credential_reminder", "b75f2a08171d493198c1eef9b645e58e" },
	[EVENT_CREDENTIAL_RESTORED] = { "credential_restored", "17bb0421e48143a4b4111bf61d106acf" },
	[EVENT_PAT_EXPIRING] = { "pat_expiring", "1b3707911fcc4339a38c9677cc3c90ce" },
	[EVENT_BLOCKED] = { "blocked", "098f333a60634f27b971da01eee59d68" },
	[EVENT_UNBLOCKED] = { "unblocked", "8978026118c2475a925f265e9494c796" },
	[EVENT_CREATED] = { "created", 0 },
	[EVENT_CHANGED] = { "changed", 0 },
	[EVENT_REMOVED] = { "removed", 0 },
	[EVENT_MISSING] = { "missing", "e307a22c6495479baa9bd3d5e97d4462" },
	[EVENT_RETURNED] = { "returned", 0 },
	[EVENT_ADOPTED] = { "adopted", 0 },
	[EVENT_REPAIRED] = { "repaired", 0 },
	[EVENT_PARKED] = { "parked", "1c1ed28dbeca4353b2ce46f8e34d218f" },
	[EVENT_NAME_TAKEN] = { "name_taken", "ce18e8b75c814f058d5384b951613594" },
	[EVENT_HELD] = { "held", "0dd4eab063a445928a7b865e17b5f171" },
	[EVENT_APPROVED] = { "approved", 0 },
	[EVENT_RELEASED] = { "released", "2ba8c803bfde45758207890bf4ac261f" },
	[EVENT_SINK_LOST] = { "sink_lost", "6c9f35e46fe14972b769ea7991fc787d" },
	[EVENT_SINK_RESTORED] = { "sink_restored", "b7ce8e49087646adab959160867b5f52" },
	[EVENT_SECOND_WRITER] = { "second_writer", "efd889d49da644d9b6208fb9540e05f7" },
	[EVENT_CACHE_REBUILT] = { "cache_rebuilt", "eafdecb33a2742288cac0adcecf3bbc6" },
	[EVENT_WITHDRAWN] = { "withdrawn", "b48940f67cc24b3c9888e3285c193e8d" },
};

const char *event_name(enum event_id e)
{
	return events[e].name;
}

const char *event_message_id(enum event_id e)
{
	return events[e].message_id;
}
