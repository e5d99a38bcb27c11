/* Everything that is not a word of ours goes through out_html(): names and reasons come from Azure DevOps, Konnect and the
 * configuration. */
#include "page.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "page_style.h"
#include "repo.h"

#define RELOAD_SEC 30

const char page_policy[] = "default-src 'none'; style-src '" PAGE_STYLE_HASH "'; img-src data:; base-uri 'none'; form-action 'none'; "
			   "frame-ancestors 'none'";

/* How much somebody should look, the most first: also the order on the page, and the classes of the style. */
enum rank { RANK_BAD, RANK_WARN, RANK_BUSY, RANK_OFF, RANK_OK, RANKS };

static const char *const classes[RANKS] = { "bad", "warn", "busy", "off", "ok" };

static enum rank rank_of(const struct status_instance *i, int64_t now)
{
	if (i->state == INSTANCE_PAUSED)
		return RANK_OFF;
	if (i->state == INSTANCE_CREDENTIAL || i->state == INSTANCE_BLOCKED || i->refused != NULL || !i->fresh)
		return RANK_BAD;
	if (i->pat_expires != 0 && i->pat_expires <= now)
		return RANK_BAD;
	if (status_needs_somebody(i, now) || i->state != INSTANCE_WAITING || i->parked > 0)
		return RANK_WARN;
	return i->pushing || i->last_complete == 0 ? RANK_BUSY : RANK_OK;
}

/* 1234567 as "1,234,567". */
static void number(struct out *o, uint64_t n)
{
	char digits[32];
	int len = snprintf(digits, sizeof(digits), "%" PRIu64, n);

	for (int i = 0; i < len; i++)
		out_format(o, "%s%c", i > 0 && (len - i) % 3 == 0 ? "," : "", digits[i]);
}

static void counted(struct out *o, uint64_t n, const char *one, const char *many)
{
	number(o, n);
	out_format(o, " %s", n == 1 ? one : many);
}

/* "3min ago", "in 2h", with the time itself for who points at it. */
static void moment(struct out *o, int64_t at, int64_t now)
{
	int64_t away = at > now ? at - now : now - at;
	char span[64], text[64] = "?";
	time_t t = (time_t)at;
	struct tm tm;

	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%dT%H:%M:%SZ", &tm);
	/* nobody waits for the second of something so far away */
	(void)format_span_short(span, sizeof(span), away >= 600 ? away - away % 60 : away);
	out_format(o, "<time datetime=\"%s\" title=\"%s\">", text, text);
	if (at == now)
		out_text(o, "now");
	else
		out_format(o, at > now ? "in %s" : "%s ago", span);
	out_text(o, "</time>");
}

/* How it goes, in words. */
static const char *sentence(const struct status_instance *i)
{
	switch (i->state) {
	case INSTANCE_BACKOFF:
		return "It could not be read, and is tried again by itself.";
	case INSTANCE_THROTTLED:
		return "Azure DevOps asks to wait; it is read again by itself.";
	case INSTANCE_CREDENTIAL:
		return "Its PAT is not accepted. What is in the catalog stays as it is.";
	case INSTANCE_BLOCKED:
		return "Azure DevOps refuses, and somebody has to change that. What is in the catalog stays as it is.";
	case INSTANCE_PAUSED:
		return "An operator has paused it.";
	case INSTANCE_WAITING:
	case INSTANCE_POLLING:
		break;
	}
	if (i->refused != NULL)
		return "It is read, but Konnect does not take it.";
	if (i->pushing)
		return "It is read, and the catalog is brought up to date.";
	if (i->last_complete == 0)
		return i->polling ? "It is read for the first time." : "It has not been read yet.";
	if (!i->fresh)
		return "Nothing complete has been read for too long.";
	if (i->held > 0)
		return "The catalog is in step with it, but for what is held.";
	if (i->parked > 0)
		return "The catalog is in step with it, but for what Konnect refuses.";
	return i->pending > 0 ? "It is read; changes wait to be pushed." : "The catalog is in step with it.";
}

static void write_state(struct out *o, const struct status_instance *i)
{
	out_format(o, "<span class=\"state\">%s%s%s%s</span>", instance_state_name(i->state), i->polling ? ", polling" : "",
		   i->pushing ? ", pushing" : "", i->held > 0 ? ", held" : "");
}

static void write_command(struct out *o, const char *command, const char *name, const char *hash)
{
	out_format(o, "<code>adosyncctl %s ", command);
	out_html(o, name);
	out_format(o, "%s%s</code>", *hash != '\0' ? " " : "", hash);
}

/* What is wrong, and what to do about it. */
static void write_trouble(struct out *o, const struct status_instance *i)
{
	bool failed = i->verdict != VERDICT_OK && i->state != INSTANCE_WAITING;
	/* what is held has a place of its own */
	bool held = i->held > 0 && i->state == INSTANCE_WAITING;
	const char *why = i->refused != NULL ? i->refused : held ? NULL : i->why;

	if (why != NULL) {
		out_text(o, "<p class=\"why\">");
		out_html(o, why);
		out_text(o, "</p>");
	}
	if (failed && (i->state == INSTANCE_CREDENTIAL || i->state == INSTANCE_BLOCKED)) {
		out_text(o, "<p><strong>To do:</strong> ");
		out_html(o, verdict_advice(i->verdict));
		if (i->state == INSTANCE_BLOCKED) {
			out_text(o, ". Then:</p>");
			write_command(o, "sync", i->name, "");
		} else {
			out_text(o, ", ");
			out_html(o, i->pat_file);
			out_text(o, ". It is noticed within seconds.</p>");
		}
	}
	if (i->state == INSTANCE_PAUSED)
		write_command(o, "resume", i->name, "");
}

static void write_progress(struct out *o, const struct status_instance *i)
{
	uint64_t percent = i->push_total > 0 ? (uint64_t)i->push_done * 100 / i->push_total : 100;
	char left[64];

	if (!i->pushing || i->push_total == 0)
		return;
	out_text(o, "<p>Pushed to Konnect: <strong>");
	number(o, i->push_done);
	out_text(o, "</strong> of ");
	number(o, i->push_total);
	out_format(o, " (%" PRIu64 "%%)", percent);
	if (i->push_left > 0)
		out_format(o, ", about %s left", format_span_short(left, sizeof(left), i->push_left));
	out_format(o, "<progress value=\"%" PRIu32 "\" max=\"%" PRIu32 "\">%" PRIu64 "%%</progress></p>", i->push_done, i->push_total, percent);
}

/* A reason that is the same as the one before it is not repeated. */
static void write_actions(struct out *o, const struct status_instance *i)
{
	const char *before = "";

	if (i->n_actions == 0)
		return;
	out_text(o, "<ul>");
	for (size_t k = 0; k < i->n_actions; k++) {
		const struct status_action *a = &i->actions[k];

		out_text(o, "<li>");
		out_html(o, a->what);
		out_text(o, " <bdi>");
		out_html(o, a->title);
		out_text(o, "</bdi>");
		if (strcmp(a->why, before) != 0) {
			out_text(o, "<span>: ");
			out_html(o, a->why);
			out_text(o, "</span>");
		}
		out_text(o, "</li>");
		before = a->why;
	}
	if (i->waiting > i->n_actions) {
		out_text(o, "<li><span>and ");
		number(o, i->waiting - i->n_actions);
		out_text(o, " more</span></li>");
	}
	out_text(o, "</ul>");
}

static void write_held(struct out *o, const struct status_instance *i)
{
	static const char prefix[] = "held: ";

	out_text(o, "<p><strong class=\"tone\">Held:</strong> ");
	if (i->why != NULL && strncmp(i->why, prefix, sizeof(prefix) - 1) == 0) {
		out_html(o, i->why + sizeof(prefix) - 1);
		out_text(o, ".</p>");
		return;
	}
	counted(o, i->held, "repository", "repositories");
	out_text(o, ". Nothing is done about them before somebody approves.</p>");
}

/* What waits for an approval, and the commands for it. */
static void write_waiting(struct out *o, const struct status_instance *i)
{
	if (i->held == 0 && i->counts.missing == 0)
		return;
	out_text(o, "<div class=\"note\">");
	if (i->held > 0) {
		write_held(o, i);
	} else {
		out_text(o, "<p>");
		counted(o, i->counts.missing, "repository is missing without an explanation; its service is kept.",
			"repositories are missing without an explanation; their services are kept.");
		out_text(o, "</p>");
	}
	write_actions(o, i);
	out_text(o, "<p>To see what waits, and why:</p>");
	write_command(o, "plan", i->name, "");
	if (i->hash[0] != '\0') {
		out_text(o, "<p>To let exactly this through:</p>");
		write_command(o, "approve", i->name, i->hash);
	}
	out_text(o, "</div>");
}

static void write_expiry(struct out *o, int64_t at, int64_t now)
{
	int64_t days = status_days_left(at, now);

	if (at <= now)
		out_text(o, "<strong class=\"tone\">expired</strong>");
	else if (days < STATUS_EXPIRES_SOON_DAYS)
		out_format(o, "<strong class=\"tone\">%" PRId64 " day%s left</strong>", days, days == 1 ? "" : "s");
	else
		out_format(o, "%" PRId64 " days left", days);
}

static void write_repositories(struct out *o, const struct status_instance *i)
{
	const char *before = " <small>(";

	number(o, i->counts.known);
	for (enum repo_state k = REPO_DISABLED; k <= REPO_REMOVED; k++) {
		if (i->counts.states[k] == 0)
			continue;
		out_text(o, before);
		number(o, i->counts.states[k]);
		out_format(o, " %s", repo_state_name(k));
		before = ", ";
	}
	if (*before == ',')
		out_text(o, ")</small>");
}

static void write_facts(struct out *o, const struct status_instance *i, int64_t now)
{
	out_text(o, "<dl><dt>Last complete listing</dt><dd>");
	if (i->last_complete != 0)
		moment(o, i->last_complete, now);
	else
		out_text(o, "none yet");
	out_text(o, "</dd><dt>Next poll</dt><dd>");
	if (i->next_poll > now)
		moment(o, i->next_poll, now);
	else
		out_text(o, i->state == INSTANCE_PAUSED ? "when it is resumed" : "now");
	out_text(o, "</dd><dt>Repositories</dt><dd>");
	write_repositories(o, i);
	out_text(o, "</dd>");
	if (i->pending > 0 && !i->pushing) {
		out_text(o, "<dt>To be pushed</dt><dd>");
		number(o, i->pending);
		out_text(o, "</dd>");
	}
	if (i->parked > 0) {
		out_text(o, "<dt>Refused by Konnect</dt><dd>");
		number(o, i->parked);
		out_text(o, "</dd>");
	}
	out_text(o, "<dt>PAT</dt><dd>");
	if (i->pat_expires != 0)
		write_expiry(o, i->pat_expires, now);
	else
		out_text(o, "<small>pat_expires is not set</small>");
	out_text(o, "</dd></dl>");
}

static void write_instance(struct out *o, const struct status_instance *i, int64_t now)
{
	out_format(o, "<article class=\"%s\"><header><h2><bdi>", classes[rank_of(i, now)]);
	out_html(o, i->display_name != NULL ? i->display_name : i->name);
	out_text(o, "</bdi><small>");
	out_html(o, i->name);
	if (strcmp(i->name, i->organization) != 0) {
		out_text(o, ", organization <bdi>");
		out_html(o, i->organization);
		out_text(o, "</bdi>");
	}
	out_text(o, "</small></h2>");
	write_state(o, i);
	out_format(o, "</header><p>%s</p>", sentence(i));
	write_trouble(o, i);
	write_progress(o, i);
	write_waiting(o, i);
	if (i->parked > 0) {
		out_text(o, "<div class=\"note\"><p>What Konnect refuses, and why:</p>");
		write_command(o, "status", i->name, "");
		out_text(o, "</div>");
	}
	write_facts(o, i, now);
	out_text(o, "</article>\n");
}

static enum rank konnect_rank(const struct status *s)
{
	const struct status_konnect *k = &s->konnect;

	if (k->state == SINK_CREDENTIAL || (k->token_expires != 0 && k->token_expires <= s->now))
		return RANK_BAD;
	if (k->state != SINK_READY ||
	    (k->token_expires != 0 && status_days_left(k->token_expires, s->now) < STATUS_EXPIRES_SOON_DAYS))
		return RANK_WARN;
	return RANK_OK;
}

static const char *konnect_sentence(enum sink_state state)
{
	switch (state) {
	case SINK_READY:
		return "It takes changes.";
	case SINK_THROTTLED:
		return "It asks to wait; changes wait until then, and nothing is lost.";
	case SINK_BACKOFF:
		return "It cannot be reached, or fails; changes wait, nothing is lost, and it is tried again by itself.";
	case SINK_CREDENTIAL:
		return "It does not accept our token. Changes wait until there is a new one, and nothing is lost.";
	}
	return "?";
}

static void write_konnect(struct out *o, const struct status *s)
{
	const struct status_konnect *k = &s->konnect;

	out_format(o, "<article class=\"wide %s\"><header><h2>Konnect<small>", classes[konnect_rank(s)]);
	out_html(o, k->url);
	out_format(o, "</small></h2><span class=\"state\">%s</span></header><p>%s", sink_state_name(k->state), konnect_sentence(k->state));
	if (k->token_expires != 0) {
		out_text(o, " Token: ");
		write_expiry(o, k->token_expires, s->now);
		out_text(o, ".");
	}
	out_text(o, "</p>");
	if (k->why != NULL) {
		out_text(o, "<p class=\"why\">");
		out_html(o, k->why);
		out_text(o, "</p>");
	}
	if (s->reload_refused)
		out_text(o, "<p><strong>The configuration was refused when it was read last</strong>; the old one is in force. What is wrong:</p>"
			    "<code>adosyncctl reload</code>");
	out_text(o, "</article>\n");
}

/* The page in one sentence. */
static void write_summary(struct out *o, const struct status *s)
{
	size_t bad = 0;

	for (size_t i = 0; i < s->n_instances; i++)
		bad += rank_of(&s->instances[i], s->now) <= RANK_WARN;
	if (konnect_rank(s) == RANK_BAD || s->konnect.state != SINK_READY)
		out_text(o, "Nothing can be pushed to Konnect");
	else if (bad > 0 && s->n_instances > 1)
		out_format(o, "%zu of %zu organizations need%s attention", bad, s->n_instances, bad == 1 ? "s" : "");
	else if (bad > 0)
		out_text(o, "The organization needs attention");
	else
		out_text(o, s->n_instances == 0 ? "No organization is configured" : "All is well");
}

static void write_head(struct out *o, const struct status *s)
{
	static const char *const colours[RANKS] = { "c0182a", "d98a00", "0b62c4", "6a737d", "1a7f37" };
	enum rank worst = konnect_rank(s);

	for (size_t i = 0; i < s->n_instances; i++)
		if (rank_of(&s->instances[i], s->now) < worst)
			worst = rank_of(&s->instances[i], s->now);
	out_format(o, "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
		      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
		      "<meta http-equiv=\"refresh\" content=\"%d\"><title>", RELOAD_SEC);
	write_summary(o, s);
	out_format(o, " - adosyncd</title><link rel=\"icon\" href=\"data:image/svg+xml,%%3Csvg xmlns='http://www.w3.org/2000/svg' "
		      "viewBox='0 0 8 8'%%3E%%3Ccircle cx='4' cy='4' r='4' fill='%%23%s'/%%3E%%3C/svg%%3E\"><style>", colours[worst]);
	out_text(o, PAGE_STYLE);
	out_text(o, "</style></head>\n<body><header><h1>adosyncd: Azure DevOps to Konnect</h1><p>");
	write_summary(o, s);
	out_text(o, "</p></header>\n<main>\n");
}

static void write_foot(struct out *o, const struct status *s)
{
	char span[64], text[64] = "?";
	time_t t = (time_t)s->now;
	struct tm tm;

	if (gmtime_r(&t, &tm) != NULL)
		(void)strftime(text, sizeof(text), "%Y-%m-%d %H:%M:%S", &tm);
	out_text(o, "</main>\n<footer>adosyncd ");
	out_html(o, s->version);
	out_format(o, ", up %s. As of %s UTC; the page reads itself again every %d s. For programs: <a href=\"/metrics\">metrics</a>, "
		      "<a href=\"/status\">status</a>, <a href=\"/freshz\">freshness</a>, <a href=\"/healthz\">health</a>.</footer>\n"
		      "</body></html>\n", format_span_short(span, sizeof(span), s->now - s->started), text, RELOAD_SEC);
}

void page_write(struct out *o, const struct status *s)
{
	write_head(o, s);
	write_konnect(o, s);
	for (enum rank r = RANK_BAD; r < RANKS; r++)
		for (size_t i = 0; i < s->n_instances; i++)
			if (rank_of(&s->instances[i], s->now) == r)
				write_instance(o, &s->instances[i], s->now);
	write_foot(o, s);
}
