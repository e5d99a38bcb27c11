#include "../../lib/page.h"
#include "../../lib/repo.h"
#include "t.h"

#define NOW 1795521600
#define DAY 86400
#define EVIL "</title><script>alert('1')</script>\"><img src=x onerror=\"a\">"

static struct buf text;
static struct status_requests requests;

static void make(struct status_instance *i, size_t n)
{
	struct status s = { .version = "1.2.3", .now = NOW, .started = NOW - 3 * DAY, .instances = i, .n_instances = n,
			    .konnect = { .url = "https://eu.api.konghq.com", .requests = &requests, .token_expires = NOW + 100 * DAY } };
	struct out o = { .buf = &text };

	buf_done(&text);
	page_write(&o, &s);
	T_EQ_INT(o.error, 0);
}

static struct status_instance healthy(const char *name)
{
	return (struct status_instance){ .name = name, .organization = name, .pat_file = "contoso.pat", .fresh = true,
					 .last_complete = NOW - 180, .next_poll = NOW + 721, .poll_interval = 900 };
}

static void has(const char *part)
{
	T_OK_MSG(strstr(text.data, part) != NULL, part);
}

static void has_not(const char *part)
{
	T_OK_MSG(strstr(text.data, part) == NULL, part);
}

/* Where a text from outside may be, it is no markup. */
static void test_escapes(void)
{
	struct status_action action = { .what = (char[]){ EVIL }, .title = (char[]){ EVIL }, .why = (char[]){ EVIL } };
	struct status_instance i = { .name = EVIL, .organization = "o" EVIL, .display_name = EVIL, .pat_file = EVIL, .why = EVIL,
				     .refused = EVIL, .held = 1, .actions = &action, .n_actions = 1, .waiting = 1, .hash = "0123456789ab" };
	struct status s = { .version = EVIL, .now = NOW, .instances = &i, .n_instances = 1,
			    .konnect = { .url = EVIL, .why = EVIL, .requests = &requests } };

	for (enum instance_state k = INSTANCE_WAITING; k <= INSTANCE_PAUSED; k++) {
		for (int refused = 0; refused < 2; refused++) {
			struct out o = { .buf = &text };

			buf_done(&text);
			i.state = k;
			i.verdict = VERDICT_REFUSED;
			i.refused = refused ? EVIL : NULL;
			page_write(&o, &s);
			has_not("<script");
			has_not("<img");
			has_not("onerror=\"");
			has("&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&quot;&gt;&lt;img");
		}
	}
}

static void test_states(void)
{
	static const struct {
		enum instance_state state;
		const char *words;
	} states[] = {
		{ INSTANCE_WAITING, "The catalog is in step with it." },
		{ INSTANCE_BACKOFF, "tried again by itself" },
		{ INSTANCE_THROTTLED, "asks to wait" },
		{ INSTANCE_CREDENTIAL, "Its PAT is not accepted" },
		{ INSTANCE_BLOCKED, "somebody has to change that" },
		{ INSTANCE_PAUSED, "adosyncctl resume contoso" },
	};

	for (size_t k = 0; k < sizeof(states) / sizeof(states[0]); k++) {
		struct status_instance i = healthy("contoso");

		i.state = states[k].state;
		i.verdict = i.state == INSTANCE_CREDENTIAL ? VERDICT_CREDENTIAL_EXPIRED : VERDICT_OK;
		make(&i, 1);
		has(states[k].words);
		has(instance_state_name(states[k].state));
	}
}

static void test_facts(void)
{
	struct status_instance i = healthy("contoso");

	i.counts.known = 1234;
	i.counts.states[REPO_ACTIVE] = 1230;
	i.counts.states[REPO_DISABLED] = 4;
	make(&i, 1);
	has("<title>All is well - adosyncd</title>");
	has("3min ago</time>");
	has("title=\"2026-11-24T11:57:00Z\"");
	has("in 12min</time>");
	has("1,234 <small>(4 disabled)</small>");
	has("pat_expires is not set");
	has("100 days left");
	has_not("<progress");
	has_not("plan contoso");
	i.pat_expires = NOW + 9 * DAY;
	make(&i, 1);
	has("9 days left");
	has("class=\"warn\"");
	has("<title>The organization needs attention");
	i.pat_expires = NOW - 1;
	make(&i, 1);
	has(">expired<");
	has("class=\"bad\"");
	i = healthy("contoso");
	i.last_complete = 0;
	make(&i, 1);
	has("none yet");
	make(NULL, 0);
	has("No organization is configured");
}

static void test_progress(void)
{
	struct status_instance i = healthy("contoso");

	i.pushing = true;
	i.push_done = 2500;
	i.push_total = 10000;
	i.push_left = 90;
	make(&i, 1);
	has("<strong>2,500</strong> of 10,000 (25%), about 1min 30s left<progress value=\"2500\" max=\"10000\">");
	has("class=\"busy\"");
}

static void test_held(void)
{
	struct status_action actions[] = {
		{ .what = (char[]){ "remove" }, .title = (char[]){ "Web / shop" }, .why = (char[]){ "gone" } },
		{ .what = (char[]){ "remove" }, .title = (char[]){ "Web / blog" }, .why = (char[]){ "gone" } },
	};
	struct status_instance i = healthy("contoso");

	i.held = 7;
	i.why = "held: 7 of 9 are missing";
	i.actions = actions;
	i.n_actions = 2;
	i.waiting = 7;
	(void)snprintf(i.hash, sizeof(i.hash), "0123456789ab");
	make(&i, 1);
	has("Held:</strong> 7 of 9 are missing.");
	has("remove <bdi>Web / shop</bdi><span>: gone</span>");
	has("remove <bdi>Web / blog</bdi></li>");
	has("and 5 more");
	has("<code>adosyncctl plan contoso</code>");
	has("<code>adosyncctl approve contoso 0123456789ab</code>");
	/* after a restart the reason is not known before the next poll; nor is the hash, of very many */
	i.why = NULL;
	i.hash[0] = '\0';
	make(&i, 1);
	has("Held:</strong> 7 repositories.");
	has("adosyncctl plan contoso");
	has_not("adosyncctl approve");
}

/* What somebody should look at comes first. */
static void test_order(void)
{
	struct status_instance i[] = { healthy("alpha"), healthy("beta"), healthy("gamma") };

	i[2].state = INSTANCE_CREDENTIAL;
	i[1].held = 1;
	make(i, 3);
	T_OK(strstr(text.data, ">gamma<") < strstr(text.data, ">beta<"));
	T_OK(strstr(text.data, ">beta<") < strstr(text.data, ">alpha<"));
	has("2 of 3 organizations need attention");
	i[1].held = 0;
	make(i, 3);
	has("1 of 3 organizations needs attention");
}

int main(void)
{
	buf_init(&text, 1 << 20);
	test_escapes();
	test_states();
	test_facts();
	test_progress();
	test_held();
	test_order();
	buf_done(&text);
	return t_done();
}
