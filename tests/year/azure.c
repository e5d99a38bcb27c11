/* Fifty organizations as Azure DevOps shows them, and what goes wrong on the way. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../../lib/util.h"
#include "year.h"

static void name_guid(char guid[37], unsigned kind)
{
	(void)snprintf(guid, 37, "%08x-%04x-4000-8000-%012x", ++y.serial, kind, dice(UINT32_MAX));
}

static void name_repo(struct repo_life *r)
{
	static const char *const shapes[] = { "service-", "api.", "Web UI ", "résumé-", "日本 " };

	(void)snprintf(r->name, sizeof(r->name), "%s%u", shapes[dice(ELEMENTSOF(shapes))], ++y.serial);
}

static void create(struct org *o)
{
	struct repo_life *r;

	if (o->n_repos == REPOS_MAX)
		return;
	r = &o->repos[o->n_repos++];
	*r = (struct repo_life){ .project = (int)dice(N_PROJECTS), .branch = (int)dice(3), .fork = once_in(10) };
	name_guid(r->guid, 1);
	name_repo(r);
	y.f.created++;
}

void azure_begin(struct org *o, int number)
{
	*o = (struct org){ .pat = 1, .pat_good = true, .exclude = -1 };
	(void)snprintf(o->name, sizeof(o->name), "org-%02d", number);
	for (int i = 0; i < N_PROJECTS; i++) {
		name_guid(o->projects[i].id, 2);
		(void)snprintf(o->projects[i].name, sizeof(o->projects[i].name), "Project %u", ++y.serial);
	}
	for (uint32_t n = 8 + dice(8); n > 0; n--)
		create(o);
}

static void changed(struct org *o)
{
	free(o->listing);
	o->listing = NULL;
}

struct org *azure_org(const char *name)
{
	for (int i = 0; i < N_ORGS; i++)
		if (strcmp(y.orgs[i].name, name) == 0)
			return &y.orgs[i];
	return NULL;
}

struct repo_life *azure_repo(struct org *o, const char *guid)
{
	for (int i = 0; i < o->n_repos; i++)
		if (strcmp(o->repos[i].guid, guid) == 0)
			return &o->repos[i];
	return NULL;
}

bool azure_is_listed(const struct org *o, const struct repo_life *r)
{
	return r->place == LISTED && !o->projects[r->project].hidden;
}

bool azure_is_excluded(const struct org *o, const struct repo_life *r)
{
	return o->exclude >= 0 && strcmp(o->projects[r->project].name, o->exclude_name) == 0;
}

/* A listing of those that pass; more: how much the count is wrong, twice: the first stands in it twice. */
static char *list(struct org *o, bool (*passes)(const struct org *o, const struct repo_life *r), const char *project, int more, bool twice)
{
	static const char *const branches[] = { "main", "develop", "release/2.x" };
	char *all = NULL;
	size_t size;
	FILE *f = open_memstream(&all, &size);
	int n = 0;

	fputs("{\"value\":[", f);
	for (int i = 0; i < o->n_repos; i++) {
		struct repo_life *r = &o->repos[i];
		const struct project_life *p = &o->projects[r->project];

		if (!passes(o, r) || (project != NULL && strcmp(project, p->id) != 0))
			continue;
		fprintf(f, "%s{\"id\":\"%s\",\"name\":\"%s\",\"project\":{\"id\":\"%s\",\"name\":\"%s\",\"visibility\":\"private\"},", n++ > 0 ? "," : "",
			r->guid, r->name, p->id, p->name);
		fprintf(f, "\"defaultBranch\":\"refs/heads/%s\",\"isDisabled\":%s,\"isFork\":%s,\"webUrl\":\"https://dev.azure.com/%s/%s/_git/%s\"}",
			branches[r->branch], r->disabled ? "true" : "false", r->fork ? "true" : "false", o->name, p->id, r->guid);
		if (twice) {
			twice = false;
			i--;
		}
	}
	fprintf(f, "],\"count\":%d}", n + more);
	(void)fclose(f);
	return all;
}

static bool is_binned(const struct org *o, const struct repo_life *r)
{
	(void)o;
	return r->place == BINNED;
}

static void json_error(struct fake_behaviour *b, int status, const char *message)
{
	b->status = status;
	b->body = xasprintf("{\"$id\":\"1\",\"message\":\"%s\"}", message);
}

static void html(struct fake_behaviour *b, int status)
{
	b->status = status;
	b->body = xstrdup("<!DOCTYPE html><html><title>Azure DevOps Services | Sign In</title></html>");
	b->headers = xstrdup("Content-Type: text/html; charset=utf-8\n");
}

/* Whether the trouble answers for the organization. */
static bool troubled(struct org *o, struct fake_behaviour *b)
{
	switch (o->trouble) {
	case UNREACHABLE:
		b->error = xstrdup("could not connect");
		return true;
	case SILENT:
		b->never = true;
		return true;
	case STOPPED:
		json_error(b, 503, "TF24668: The following team project collection is stopped");
		return true;
	case SERVER_ERROR:
		json_error(b, 500, "Internal error");
		return true;
	case SIGN_IN:
		html(b, 203);
		return true;
	case HTML_200:
		html(b, 200);
		return true;
	case THROTTLED:
		json_error(b, 429, "TF400733: The request has been canceled");
		b->headers = xstrdup("Retry-After: 300\n");
		return true;
	case CUT:
		b->status = 200;
		b->body = list(o, azure_is_listed, NULL, 0, false);
		b->body[strlen(b->body) * 2 / 3] = '\0';
		return true;
	case GARBAGE:
		b->status = 200;
		b->body = xstrdup("this is no listing");
		return true;
	case WRONG_COUNT:
		b->status = 200;
		b->body = list(o, azure_is_listed, NULL, once_in(2) ? 1 : -1, false);
		return true;
	case EMPTY_OBJECT:
		b->status = 200;
		b->body = xstrdup(once_in(2) ? "{}" : "");
		return true;
	case TWICE:
		b->status = 200;
		b->body = list(o, azure_is_listed, NULL, 0, true);
		return true;
	case POLICY:
		json_error(b, 403, "VS403463: The conditional access policy failed");
		return true;
	case UNKNOWN:
		json_error(b, 404, "The resource cannot be found");
		return true;
	case ODD_401:
		b->status = 401;
		b->body = list(o, azure_is_listed, NULL, 0, false);
		return true;
	case THROTTLED_200:
		b->headers = xstrdup("Retry-After: 600\nX-RateLimit-Delay: 12.5\n");
		return false;
	case SLOW:
		b->delay_ms = 60000;
		return false;
	case FINE:
	case N_TROUBLES:
		break;
	}
	return false;
}

static void served(struct org *o)
{
	y.f.good_polls++;
	for (int i = 0; i < o->n_repos; i++) {
		struct repo_life *r = &o->repos[i];

		if (azure_is_listed(o, r)) {
			r->before = r->now;
			r->now = (struct knowledge){ .listed = now(), .excluded = azure_is_excluded(o, r) };
			r->gone_since = 0;
		} else if (r->gone_since == 0) {
			r->gone_since = now();
		}
	}
}

static void answer_bin(struct org *o, const char *url, struct fake_behaviour *b)
{
	const char *project = strstr(url, o->name);
	char id[37];

	y.f.bins++;
	project = project != NULL ? strchr(project, '/') : NULL;
	(void)snprintf(id, sizeof(id), "%.36s", project != NULL ? project + 1 : "");
	for (int i = 0; i < N_PROJECTS; i++) {
		if (strcmp(o->projects[i].id, id) != 0)
			continue;
		if (o->projects[i].hidden) {
			json_error(b, once_in(2) ? 404 : 403, "TF200016: The following project does not exist");
			return;
		}
		b->status = 200;
		b->body = list(o, is_binned, id, 0, false);
		for (int k = 0; k < o->n_repos; k++)
			if (o->repos[k].place == BINNED && o->repos[k].project == i)
				o->repos[k].now.binned = now();
		return;
	}
	wrong("the bin of a project that never was: %s", url);
	b->status = 404;
}

void azure_answer(const char *organization, bool bin, const char *url, struct fake_behaviour *b)
{
	struct org *o = azure_org(organization);

	if (o == NULL) {
		wrong("a request to an organization that never was: %s", url);
		b->status = 404;
		return;
	}
	y.f.polls += !bin;
	/* one request by itself */
	if (!y.calm && o->trouble == FINE && once_in(400)) {
		b->error = xstrdup("Connection reset by peer");
		return;
	}
	if (troubled(o, b))
		return;
	if (!o->pat_good) {
		json_error(b, 401, "Access Denied: The Personal Access Token used has expired.");
		return;
	}
	if (bin) {
		answer_bin(o, url, b);
		return;
	}
	if (o->listing == NULL)
		o->listing = list(o, azure_is_listed, NULL, 0, false);
	b->status = 200;
	b->body = xstrdup(o->listing);
	served(o);
}

/* One that is there, or NULL. */
static struct repo_life *pick(struct org *o)
{
	for (int tries = 0; tries < 20 && o->n_repos > 0; tries++) {
		struct repo_life *r = &o->repos[dice((uint32_t)o->n_repos)];

		if (r->place == LISTED)
			return r;
	}
	return NULL;
}

static int count(const struct org *o)
{
	int n = 0;

	for (int i = 0; i < o->n_repos; i++)
		n += o->repos[i].place == LISTED;
	return n;
}

void azure_delete(struct org *o, struct repo_life *r)
{
	if (r == NULL || r->place != LISTED)
		return;
	/* an administrator can leave the bin out */
	r->place = once_in(10) ? PURGED : BINNED;
	r->binned_at = now();
	y.f.deleted++;
	changed(o);
}

void azure_undelete(struct org *o)
{
	for (int i = 0; i < o->n_repos; i++) {
		if (o->repos[i].place == BINNED && once_in(2)) {
			o->repos[i].place = LISTED;
			y.f.undeleted++;
			changed(o);
			return;
		}
	}
}

void azure_delete_project(struct org *o)
{
	int project = (int)dice(N_PROJECTS);

	for (int i = 0; i < o->n_repos; i++)
		if (o->repos[i].project == project)
			azure_delete(o, &o->repos[i]);
}

void azure_purge(struct org *o)
{
	for (int i = 0; i < o->n_repos; i++) {
		if (o->repos[i].place == BINNED && now() - o->repos[i].binned_at > BIN_DAYS * DAY) {
			o->repos[i].place = PURGED;
			y.f.purged++;
		}
	}
}

void azure_hide(struct org *o, bool everything)
{
	int project = (int)dice(N_PROJECTS);

	for (int i = 0; i < N_PROJECTS; i++)
		o->projects[i].hidden = everything || i == project;
	y.f.hidden++;
	changed(o);
}

void azure_show(struct org *o)
{
	for (int i = 0; i < N_PROJECTS; i++)
		o->projects[i].hidden = false;
	changed(o);
}

void azure_edit(struct org *o)
{
	struct repo_life *r = pick(o);

	changed(o);
	switch (dice(12)) {
	case 0:
	case 1:
	case 2:
		if (count(o) < 14)
			create(o);
		return;
	case 3:
		(void)snprintf(o->projects[dice(N_PROJECTS)].name, sizeof(o->projects[0].name), "Project %u", ++y.serial);
		y.f.renamed++;
		return;
	case 4:
		azure_undelete(o);
		return;
	default:
		break;
	}
	if (r == NULL)
		return;
	switch (dice(8)) {
	case 0:
	case 1:
		name_repo(r);
		y.f.renamed++;
		return;
	case 2:
		r->project = (int)dice(N_PROJECTS);
		r->moved = true;
		y.f.moved++;
		return;
	case 3:
	case 4:
		r->branch = (int)dice(3);
		return;
	case 5:
		r->disabled = !r->disabled;
		return;
	default:
		if (count(o) > 5)
			azure_delete(o, r);
		return;
	}
}
