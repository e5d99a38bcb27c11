#include "../../lib/metrics.h"
#include "t.h"

static struct buf text;

static void make(const struct status *s)
{
	struct out o = { .buf = &text };

	buf_done(&text);
	metrics_write(&o, s);
	T_EQ_INT(o.error, 0);
}

static void has(const char *line)
{
	const char *at = strstr(text.data, line);

	T_OK_MSG(at != NULL && at[strlen(line)] == '\n' && (at == text.data || at[-1] == '\n'), line);
}

static void test_values(void)
{
	struct status_requests requests = { 0 };
	struct status_instance instances[2] = {
		{ .name = "contoso", .organization = "Con\"to\\so", .state = INSTANCE_CREDENTIAL, .fresh = true, .last_poll = 1700000000,
		  .poll_interval = 900, .pending = 7, .held = 3, .pushes.created = 12, .polls = { .n = 3, .ms = 4005 } },
		{ .name = "fabrikam", .organization = "fabrikam", .refused = "x", .polling = true, .next_poll = 1700000100,
		  .pat_expires = 1800000000 },
	};
	struct status s = { .version = "1.2.3", .started = 1690000000, .instances = instances, .n_instances = 2, .lag_ms = 12, .longest_us = 20999,
			    .cpu_ms = 61007, .konnect = { .requests = &requests, .state = SINK_BACKOFF } };

	requests.n[METHOD_POST][CLASS_5XX] = 4;
	instances[0].polls.ended[VERDICT_CREDENTIAL_EXPIRED] = 2;
	instances[0].counts.states[5] = 6;
	make(&s);
	has("adosyncd_build_info{version=\"1.2.3\"} 1");
	has("adosyncd_instance_info{name=\"contoso\",organization=\"Con\\\"to\\\\so\"} 1");
	has("adosyncd_instance_state{name=\"contoso\",state=\"credential\"} 1");
	has("adosyncd_instance_state{name=\"contoso\",state=\"waiting\"} 0");
	has("adosyncd_instance_polling{name=\"fabrikam\"} 1");
	has("adosyncd_instance_refused{name=\"fabrikam\"} 1");
	has("adosyncd_instance_fresh{name=\"fabrikam\"} 0");
	has("adosyncd_last_poll_timestamp_seconds{name=\"contoso\"} 1700000000");
	has("adosyncd_last_poll_timestamp_seconds{name=\"fabrikam\"} 0");
	has("adosyncd_next_poll_timestamp_seconds{name=\"fabrikam\"} 1700000100");
	has("adosyncd_pat_expiry_timestamp_seconds{name=\"fabrikam\"} 1800000000");
	has("adosyncd_polls_total{name=\"contoso\",verdict=\"credential_expired\"} 2");
	has("adosyncd_polls_total{name=\"contoso\",verdict=\"cache_failed\"} 0");
	has("adosyncd_poll_duration_seconds_sum{name=\"contoso\"} 4.005");
	has("adosyncd_poll_duration_seconds_count{name=\"contoso\"} 3");
	has("adosyncd_repositories{name=\"contoso\",state=\"missing\"} 6");
	has("adosyncd_repositories_pending{name=\"contoso\"} 7");
	has("adosyncd_repositories_held{name=\"contoso\"} 3");
	has("adosyncd_pushes_total{name=\"contoso\",result=\"created\"} 12");
	has("adosyncd_konnect_state{state=\"backoff\"} 1");
	has("adosyncd_konnect_requests_total{method=\"POST\",status=\"5xx\"} 4");
	has("adosyncd_konnect_requests_total{method=\"GET\",status=\"429\"} 0");
	has("adosyncd_loop_callback_seconds_max 0.020");
	has("adosyncd_config_last_reload_successful 1");
	has("adosyncd_loop_lag_seconds 0.012");
	has("process_cpu_seconds_total 61.007");
	/* a date that is not known is not 1970 */
	T_NULL(strstr(text.data, "adosyncd_pat_expiry_timestamp_seconds{name=\"contoso\"}"));
	T_NULL(strstr(text.data, "adosyncd_next_poll_timestamp_seconds{name=\"contoso\"}"));
	T_NULL(strstr(text.data, "adosyncd_konnect_token_expiry_timestamp_seconds"));
	/* Prometheus keeps this label for itself */
	T_NULL(strstr(text.data, "instance=\""));
}

static void test_full(void)
{
	struct status_requests requests = { 0 };
	struct status s = { .version = "1", .konnect.requests = &requests };
	struct buf small;
	struct out o = { .buf = &small };

	buf_init(&small, 100);
	metrics_write(&o, &s);
	T_OK(o.error < 0);
	buf_done(&small);
}

int main(void)
{
	buf_init(&text, 1 << 20);
	test_values();
	test_full();
	buf_done(&text);
	return t_done();
}
