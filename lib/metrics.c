#include "metrics.h"

#include <inttypes.h>

#include "repo.h"

/* A family has one value for the daemon, one for each instance, or a function of its own. */
struct family {
	const char *name, *type, *help;
	int64_t (*daemon)(const struct status *s);
	int64_t (*instance)(const struct status_instance *i);
	void (*write)(struct out *o, const char *name, const struct status *s);
	int64_t per;		/* what the value is divided by, to be in base units; 0 = 1 */
	bool known_only;	/* a value of 0 is not known, and is left out */
};

/* Thousandths and the like as a decimal number, exactly. */
static void write_number(struct out *o, int64_t v, int64_t per)
{
	if (per > 1)
		out_format(o, " %" PRId64 ".%03" PRId64 "\n", v / per, v % per * 1000 / per);
	else
		out_format(o, " %" PRId64 "\n", v);
}

/* The label is not called "instance": Prometheus keeps that one for what it scrapes. */
static void write_instance(struct out *o, const char *name, const struct status_instance *i, const char *label, const char *value,
			   uint64_t v)
{
	out_format(o, "%s{name=\"", name);
	out_label(o, i->name);
	if (label != NULL)
		out_format(o, "\",%s=\"%s", label, value);
	out_format(o, "\"} %" PRIu64 "\n", v);
}

static void write_build(struct out *o, const char *name, const struct status *s)
{
	out_format(o, "%s{version=\"", name);
	out_label(o, s->version);
	out_text(o, "\"} 1\n");
}

static void write_info(struct out *o, const char *name, const struct status *s)
{
	for (size_t i = 0; i < s->n_instances; i++) {
		out_format(o, "%s{name=\"", name);
		out_label(o, s->instances[i].name);
		out_text(o, "\",organization=\"");
		out_label(o, s->instances[i].organization);
		out_text(o, "\"} 1\n");
	}
}

/* One for each state, of which one is 1. A poll is no state here: an alert on a state must not end with each try. */
static void write_states(struct out *o, const char *name, const struct status *s)
{
	for (size_t i = 0; i < s->n_instances; i++)
		for (enum instance_state k = INSTANCE_WAITING; k <= INSTANCE_PAUSED; k++)
			if (k != INSTANCE_POLLING)
				write_instance(o, name, &s->instances[i], "state", instance_state_name(k), s->instances[i].state == k);
}

static void write_polls(struct out *o, const char *name, const struct status *s)
{
	for (size_t i = 0; i < s->n_instances; i++)
		for (enum verdict v = VERDICT_OK; v < VERDICT_KINDS; v++)
			write_instance(o, name, &s->instances[i], "verdict", verdict_name(v), s->instances[i].polls.ended[v]);
}

/* A summary has its sum and its count in one family. */
static void write_poll_seconds(struct out *o, const char *name, const struct status *s)
{
	for (size_t i = 0; i < s->n_instances; i++) {
		const struct status_polls *p = &s->instances[i].polls;

		out_format(o, "%s_sum{name=\"", name);
		out_label(o, s->instances[i].name);
		out_text(o, "\"}");
		write_number(o, (int64_t)p->ms, 1000);
		out_format(o, "%s_count{name=\"", name);
		out_label(o, s->instances[i].name);
		out_text(o, "\"}");
		write_number(o, (int64_t)p->n, 1);
	}
}

static void write_repositories(struct out *o, const char *name, const struct status *s)
{
	for (size_t i = 0; i < s->n_instances; i++)
		for (enum repo_state k = REPO_ACTIVE; k <= REPO_REMOVED; k++)
			write_instance(o, name, &s->instances[i], "state", repo_state_name(k), s->instances[i].counts.states[k]);
}

static void write_pushes(struct out *o, const char *name, const struct status *s)
{
	for (size_t i = 0; i < s->n_instances; i++) {
		const struct status_instance *n = &s->instances[i];

		write_instance(o, name, n, "result", "created", n->pushes.created);
		write_instance(o, name, n, "result", "changed", n->pushes.changed);
		write_instance(o, name, n, "result", "adopted", n->pushes.adopted);
		write_instance(o, name, n, "result", "repaired", n->pushes.repaired);
		write_instance(o, name, n, "result", "parked", n->pushes.parked);
	}
}

static void write_sink(struct out *o, const char *name, const struct status *s)
{
	for (enum sink_state k = SINK_READY; k <= SINK_CREDENTIAL; k++)
		out_format(o, "%s{state=\"%s\"} %d\n", name, sink_state_name(k), s->konnect.state == k);
}

static void write_requests(struct out *o, const char *name, const struct status *s)
{
	for (enum status_method m = METHOD_GET; m < METHOD_KINDS; m++)
		for (enum status_class c = CLASS_NONE; c < CLASS_KINDS; c++)
			out_format(o, "%s{method=\"%s\",status=\"%s\"} %" PRIu64 "\n", name, status_method_name(m), status_class_name(c),
				   s->konnect.requests->n[m][c]);
}

#define OF_DAEMON(fn, value) \
	static int64_t fn(const struct status *s) \
	{ \
		return (int64_t)(value); \
	}
#define OF_INSTANCE(fn, value) \
	static int64_t fn(const struct status_instance *i) \
	{ \
		return (int64_t)(value); \
	}

OF_DAEMON(reload_good, !s->reload_refused)
OF_DAEMON(reloaded, s->reloaded)
OF_DAEMON(instances, s->n_instances)
OF_DAEMON(in_flight, s->konnect.in_flight)
OF_DAEMON(token_expires, s->konnect.token_expires)
OF_DAEMON(cache_size, s->cache_bytes)
OF_DAEMON(lag, s->lag_ms)
OF_DAEMON(longest, s->longest_us / 1000)
OF_DAEMON(resident, s->resident_bytes)
OF_DAEMON(cpu, s->cpu_ms)
OF_DAEMON(started, s->started)

OF_INSTANCE(polling, i->polling)
OF_INSTANCE(fresh, i->fresh)
OF_INSTANCE(interval, i->poll_interval)
OF_INSTANCE(last_poll, i->last_poll)
OF_INSTANCE(last_complete, i->last_complete)
OF_INSTANCE(last_reconcile, i->last_reconcile)
OF_INSTANCE(next_poll, i->next_poll)
OF_INSTANCE(pat_expires, i->pat_expires)
OF_INSTANCE(pending, i->pending)
OF_INSTANCE(parked, i->parked)
OF_INSTANCE(held, i->held)
OF_INSTANCE(refused, i->refused != NULL)

#define MS 1000

static const struct family families[] = {
	{ "adosyncd_build_info", "gauge", "The version of the program, always 1.", .write = write_build },
	{ "adosyncd_config_last_reload_successful", "gauge", "Whether the last reading of the configuration was good (1) or refused (0).",
	  .daemon = reload_good },
	{ "adosyncd_config_last_reload_success_timestamp_seconds", "gauge", "When the configuration in force was read.", .daemon = reloaded },
	{ "adosyncd_instances", "gauge", "Instances in the configuration.", .daemon = instances },
	{ "adosyncd_instance_info", "gauge", "The organization of each instance, always 1.", .write = write_info },
	{ "adosyncd_instance_state", "gauge", "1 for the state that the instance is in; a poll under way counts as the state before it.",
	  .write = write_states },
	{ "adosyncd_instance_polling", "gauge", "Whether a poll is under way.", .instance = polling },
	{ "adosyncd_instance_fresh", "gauge", "Whether the last complete listing is younger than three poll intervals.", .instance = fresh },
	{ "adosyncd_instance_refused", "gauge", "Whether Konnect refuses the integration instance, so that nothing is pushed.",
	  .instance = refused },
	{ "adosyncd_poll_interval_seconds", "gauge", "The time between two polls, as configured.", .instance = interval },
	{ "adosyncd_last_poll_timestamp_seconds", "gauge", "When the last poll began; 0 if there was none.", .instance = last_poll },
	{ "adosyncd_last_complete_timestamp_seconds", "gauge", "When the last complete listing was taken over; 0 if there was none.",
	  .instance = last_complete },
	{ "adosyncd_last_reconcile_timestamp_seconds", "gauge", "When Konnect was last compared to the end; 0 if never.",
	  .instance = last_reconcile },
	{ "adosyncd_next_poll_timestamp_seconds", "gauge", "When the next poll is due; left out while that is not known.",
	  .instance = next_poll, .known_only = true },
	{ "adosyncd_pat_expiry_timestamp_seconds", "gauge", "The day on which the PAT expires, by pat_expires; left out without it.",
	  .instance = pat_expires, .known_only = true },
	{ "adosyncd_polls_total", "counter", "Polls that have ended, by what the answer meant.", .write = write_polls },
	{ "adosyncd_poll_duration_seconds", "summary", "How long the polls took that have ended.", .write = write_poll_seconds },
	{ "adosyncd_repositories", "gauge", "Repositories that are known, by the state that their services show.",
	  .write = write_repositories },
	{ "adosyncd_repositories_pending", "gauge", "Services and mappings that are still to be pushed to Konnect, held ones aside.",
	  .instance = pending },
	{ "adosyncd_repositories_parked", "gauge", "Those that Konnect refuses.", .instance = parked },
	{ "adosyncd_repositories_held", "gauge", "Those that wait for an approval, as a limit is exceeded.", .instance = held },
	{ "adosyncd_pushes_total", "counter", "Services that were pushed, by what became of them.", .write = write_pushes },
	{ "adosyncd_konnect_state", "gauge", "1 for the state that Konnect is in.", .write = write_sink },
	{ "adosyncd_konnect_requests_total", "counter", "Requests to Konnect that have ended, by method and kind of answer.",
	  .write = write_requests },
	{ "adosyncd_konnect_requests_in_flight", "gauge", "Requests to Konnect that are under way.", .daemon = in_flight },
	{ "adosyncd_konnect_token_expiry_timestamp_seconds", "gauge",
	  "The day on which Konnect's token expires, by token_expires; left out without it.", .daemon = token_expires, .known_only = true },
	{ "adosyncd_cache_size_bytes", "gauge", "The cache on disk.", .daemon = cache_size },
	{ "adosyncd_loop_lag_seconds", "gauge", "The latest that anything was, of what was due in the last 5 to 10 minutes.", .daemon = lag,
	  .per = MS },
	{ "adosyncd_loop_callback_seconds_max", "gauge", "The longest that one turn of the work took since the start.", .daemon = longest,
	  .per = MS },
	{ "process_cpu_seconds_total", "counter", "Time on the processor, of the user and of the system.", .daemon = cpu, .per = MS },
	{ "process_resident_memory_bytes", "gauge", "Resident memory.", .daemon = resident },
	{ "process_start_time_seconds", "gauge", "When the program was started.", .daemon = started },
};

static void write_values(struct out *o, const struct family *f, const struct status *s)
{
	for (size_t n = 0; n < s->n_instances; n++) {
		int64_t v = f->instance(&s->instances[n]);

		if (v != 0 || !f->known_only)
			write_instance(o, f->name, &s->instances[n], NULL, NULL, (uint64_t)v);
	}
}

void metrics_write(struct out *o, const struct status *s)
{
	for (size_t i = 0; i < ELEMENTSOF(families); i++) {
		const struct family *f = &families[i];

		if (f->daemon != NULL && f->known_only && f->daemon(s) == 0)
			continue;
		out_format(o, "# HELP %s %s\n# TYPE %s %s\n", f->name, f->help, f->name, f->type);
		if (f->write != NULL) {
			f->write(o, f->name, s);
		} else if (f->instance != NULL) {
			write_values(o, f, s);
		} else {
			out_text(o, f->name);
			write_number(o, f->daemon(s), f->per);
		}
	}
}
