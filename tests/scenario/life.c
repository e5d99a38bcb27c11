#include "life.h"

#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../../daemon/approval.h"
#include "../../daemon/loop.h"
#include "../../lib/buf.h"
#include "../../lib/util.h"
#include "fake.h"

bool life_begin(struct life *l)
{
	*l = (struct life){ .directory = "/dev/shm/adosyncd-scenario-XXXXXX" };
	/* thousands of polls write thousands of times */
	if (access("/dev/shm", W_OK) < 0)
		(void)snprintf(l->directory, sizeof(l->directory), "/tmp/adosyncd-scenario-XXXXXX");
	if (mkdtemp(l->directory) == NULL)
		return false;
	l->config_file = xasprintf("%s/adosyncd.conf", l->directory);
	return true;
}

static int remove_one(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st;
	(void)flag;
	(void)ftw;
	return remove(path);
}

void life_end(struct life *l)
{
	life_kill(l);
	free(l->config_file);
	(void)nftw(l->directory, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

bool life_write(const struct life *l, const char *name, const char *text)
{
	_cleanup_free_ char *path = xasprintf("%s/%s", l->directory, name), *temp = xasprintf("%s/new", l->directory);
	FILE *f = fopen(temp, "w");

	if (f == NULL)
		return false;
	if (fputs(text, f) < 0) {
		(void)fclose(f);
		return false;
	}
	return fclose(f) == 0 && chmod(temp, 0600) == 0 && rename(temp, path) == 0;
}

char *life_start(struct life *l)
{
	char *error = NULL, *notice = NULL;

	if (config_load(l->config_file, &l->config, &error) < 0)
		return error;
	if (cache_open(l->directory, loop_wall_sec(NULL), &l->cache, &notice) < 0)
		return notice;
	free(notice);
	/* time may have passed without a daemon */
	loop_free(l->loop);
	l->loop = loop_new();
	if (syncd_new(l->loop, l->cache, l->config, l->config_file, SYNCD_DAEMON, &l->d) < 0)
		return xstrdup("the daemon cannot start");
	/* returns at once: fake_loop_pass() is the loop */
	(void)syncd_run(l->d);
	return NULL;
}

void life_kill(struct life *l)
{
	l->d = syncd_free(l->d);
	l->loop = loop_free(l->loop);
	l->cache = cache_close(l->cache);
	l->config = config_free(l->config);
}

static void on_approval(struct buf *answer, void *arg)
{
	*(json_t **)arg = json_loadb(answer->data, answer->len, 0, NULL);
}

json_t *life_command(struct life *l, json_t *request)
{
	struct command c = { 0 };
	json_t *answer;

	command_run(l->d, request, &c);
	answer = json_incref(c.answer);
	if (c.kind == COMMAND_APPROVAL) {
		(void)approval_start(l->d, c.source, c.hash, on_approval, &answer);
		while (answer == NULL && fake_loop_pass(l->loop, 0) == 0)
			;
	}
	command_done(&c);
	json_decref(request);
	return answer;
}

bool life_approve(struct life *l, const char *instance)
{
	json_t *plan = life_command(l, json_pack("{s:s,s:[s]}", "command", "plan", "instances", instance)),
	       *answer = life_command(l, json_pack("{s:s,s:[s],s:O}", "command", "approve", "instances", instance, "hash",
						   json_object_get(plan, "hash")));
	bool ok = json_is_true(json_object_get(answer, "ok"));

	json_decref(plan);
	json_decref(answer);
	return ok;
}
