/* Who runs the daemon: the configuration, the secrets, restarts, and what is held. */
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "../../lib/util.h"
#include "year.h"

#define FOUND_DAYS 14	/* after losing the cache: by then even an organization in trouble is read, if it is configured */

static void write_file(const char *name, const char *content)
{
	if (!life_write(&y.life, name, content))
		wrong("%s cannot be written", name);
}

void operator_renew(struct org *o)
{
	_cleanup_free_ char *file = xasprintf("%s.pat", o->name), *pat = xasprintf("pat-%s-%u", o->name, ++o->pat);

	write_file(file, pat);
	o->pat_good = true;
}

void operator_renew_token(void)
{
	_cleanup_free_ char *token = xasprintf("token-%u", ++y.token);

	write_file("konnect-token", token);
	y.token_good = true;
}

void operator_begin(void)
{
	for (int i = 0; i < N_ORGS; i++)
		operator_renew(&y.orgs[i]);
	operator_renew_token();
	operator_configure();
}

void operator_configure(void)
{
	static const char *const on_remove[] = { "mark", "archive", "delete" };
	char *all = NULL;
	size_t size;
	FILE *f = open_memstream(&all, &size);

	fprintf(f, "daemon { state_directory = \"%s\" control_socket = \"%s/socket\" listen = \"\" }\nkonnect { reconcile_interval = 10d }\n", y.life.directory,
		y.life.directory);
	for (int i = 0; i < N_ORGS; i++) {
		const struct org *o = &y.orgs[i];

		if (o->absent)
			continue;
		fprintf(f, "instance \"%s\" {\n\torganization = \"%s\"\n\tpoll_interval = 12h\n\ton_remove = \"%s\"\n", o->name, o->name, on_remove[o->on_remove]);
		if (o->exclude >= 0)
			fprintf(f, "\texclude = { \"%s\" }\n", o->exclude_name);
		if (o->label > 0)
			fprintf(f, "\tlabels = { \"team=t%u\" }\n", o->label);
		if (o->remove_unexplained > 0)
			fprintf(f, "\tremove_unexplained = %lldd\n", (long long)o->remove_unexplained);
		fprintf(f, "}\n");
	}
	(void)fclose(f);
	write_file("adosyncd.conf", all);
	free(all);
}

void operator_change(struct org *o)
{
	switch (dice(4)) {
	case 0:
		o->exclude = (int)dice(N_PROJECTS);
		(void)snprintf(o->exclude_name, sizeof(o->exclude_name), "%s", o->projects[o->exclude].name);
		break;
	case 1:
		o->exclude = -1;
		break;
	case 2:
		if (y.lost_at > 0 && (o->absent || now() - y.lost_at < FOUND_DAYS * DAY))
			catalog_leave(o);
		o->label = dice(4);
		break;
	default:
		o->absent = !o->absent && once_in(3);
		break;
	}
}

void operator_reload(bool good)
{
	if (good)
		operator_configure();
	else
		write_file("adosyncd.conf", "instance {");
	if (y.life.d != NULL)
		fake_loop_signal(y.life.loop, SIGHUP);
	y.f.reloads += good;
	y.f.bad_reloads += !good;
	if (!good)
		operator_configure();
}

void operator_lose_cache(void)
{
	static const char *const files[] = { "cache.db", "cache.db-wal", "cache.db-shm" };

	life_kill(&y.life);
	for (size_t i = 0; i < ELEMENTSOF(files); i++) {
		_cleanup_free_ char *path = xasprintf("%s/%s", y.life.directory, files[i]);

		(void)unlink(path);
	}
	y.f.caches_lost++;
	y.lost_at = now();
	catalog_forget();
	operator_restart();
}

void operator_restart(void)
{
	char *error;

	life_kill(&y.life);
	y.killed_at = now();
	error = life_start(&y.life);
	if (error != NULL)
		wrong("the daemon does not start: %s", error);
	free(error);
	y.f.restarts++;
}

/* Whether every action of the plan is about what really happened. */
static bool is_true(struct org *o, const json_t *actions)
{
	const json_t *action;
	size_t i;

	json_array_foreach(actions, i, action) {
		const char *id = json_string_value(json_object_get(action, "id"));
		struct repo_life *r = id != NULL ? azure_repo(o, id) : NULL;

		if (r == NULL || (r->place == LISTED && !azure_is_excluded(o, r)))
			return false;
	}
	return json_array_size(actions) > 0;
}

static void mark(struct org *o, const json_t *actions, bool approved)
{
	const json_t *action;
	size_t i;

	json_array_foreach(actions, i, action)
		azure_repo(o, json_string_value(json_object_get(action, "id")))->now.approved = approved;
}

/* Approves what was looked at. It is marked before: what is let through may be in Konnect before the answer is here. */
static void approve(struct org *o, const json_t *plan)
{
	const json_t *actions = json_object_get(plan, "actions");
	json_t *answer;

	mark(o, actions, true);
	answer = life_command(&y.life, json_pack("{s:s,s:[s],s:O}", "command", "approve", "instances", o->name, "hash",
						 json_object_get(plan, "hash")));
	if (json_is_true(json_object_get(answer, "ok")))
		y.f.approvals++;
	else
		mark(o, actions, false);
	json_decref(answer);
}

static void look(struct org *o)
{
	json_t *plan = life_command(&y.life, json_pack("{s:s,s:[s]}", "command", "plan", "instances", o->name));
	const json_t *actions = json_object_get(plan, "actions");

	y.f.holds += json_is_string(json_object_get(plan, "why")) && json_array_size(actions) > 0;
	if (is_true(o, actions))
		approve(o, plan);
	json_decref(plan);
}

void operator_look(void)
{
	for (int i = 0; i < N_ORGS; i++)
		if (!y.orgs[i].absent)
			look(&y.orgs[i]);
}
