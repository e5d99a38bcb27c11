/* Konnect: what it answers, who else works in it, what it must never be asked for, and whether it is right in the end. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "../../daemon/http.h"
#include "../../lib/util.h"
#include "year.h"

#define KILL_WINDOW 120	/* seconds in which a killed daemon may have missed an answer */

static const char *text(const json_t *o, const char *key)
{
	const char *s = json_string_value(json_object_get(o, key));

	return s != NULL ? s : "";
}

static const char *label(const json_t *o, const char *key)
{
	return text(json_object_get(o, "labels"), key);
}

/* The repository that a service or a resource stands for; NULL when it is none of ours. */
static struct repo_life *repo_of(const json_t *o, struct org **ret_org)
{
	const json_t *config = json_object_get(o, "config");
	const char *organization = config != NULL ? text(config, "organization") : label(o, "azure-devops-organization"),
		   *guid = config != NULL ? text(config, "repository_id") : label(o, "azure-devops-repository-id");

	*ret_org = azure_org(organization);
	return *ret_org != NULL ? azure_repo(*ret_org, guid) : NULL;
}

/* Whether what was known allows the removal. */
static bool allows(const struct org *o, const struct repo_life *r, const struct knowledge *k, bool or_excluded)
{
	if (k->binned > k->listed || k->approved)
		return true;
	if (o->remove_unexplained > 0 && r->gone_since > 0 && now() - r->gone_since >= o->remove_unexplained * DAY - HOUR)
		return true;
	return or_excluded && (k->excluded || azure_is_excluded(o, r));
}

/* Nothing that still exists is ever removed: the promise, looked at in every request. */
static void removal(const json_t *o, bool or_excluded, const char *what)
{
	struct org *org;
	struct repo_life *r = repo_of(o, &org);
	bool missed;

	if (r == NULL) {
		wrong("%s of what is not ours: %s", what, text(o, "name"));
		return;
	}
	missed = r->now.listed <= y.killed_at && r->now.listed > y.killed_at - KILL_WINDOW;
	if (!allows(org, r, &r->now, or_excluded) && !(missed && allows(org, r, &r->before, or_excluded)))
		wrong("%s of %s %s (%s), which nothing proves to be gone: listed %lld, in the bin %lld", what, org->name, r->name, r->guid,
		      (long long)r->now.listed, (long long)r->now.binned);
}

static void inspect(const struct http_request *q, const char *path)
{
	json_t *o = json_object_get(fake_konnect_objects(), strrchr(path, '/') + 1), *body;

	if (o == NULL)
		return;
	if (strcmp(q->method, "DELETE") == 0) {
		if (strcmp(text(o, "kind"), "catalog-services") == 0)
			removal(o, true, "DELETE");
		else
			wrong("DELETE %s", path);
	} else if (strcmp(q->method, "PATCH") == 0) {
		body = json_loads(q->body, 0, NULL);
		if (strcmp(label(body, "azure-devops-state"), "removed") == 0)
			removal(o, false, "the label removed");
		if (json_is_true(json_object_get(body, "archived")))
			removal(o, true, "the archiving");
		json_decref(body);
	}
}

static bool refuse(struct fake_behaviour *b, int status, const char *headers)
{
	b->status = status;
	b->body = xasprintf("{\"status\":%d,\"title\":\"Not now\"}", status);
	b->headers = headers != NULL ? xstrdup(headers) : NULL;
	y.f.refused++;
	return true;
}

static bool troubled(struct fake_behaviour *b)
{
	switch (y.incident) {
	case KONNECT_503:
		return refuse(b, 503, NULL);
	case KONNECT_429:
		return once_in(2) && refuse(b, 429, "Retry-After: 30\n");
	case KONNECT_SILENT:
		b->never = true;
		return true;
	case KONNECT_401:
		return refuse(b, 401, NULL);
	case KONNECT_HTML:
		b->status = 200;
		b->body = xstrdup("<html><title>Maintenance</title></html>");
		b->headers = xstrdup("Content-Type: text/html\n");
		return true;
	case KONNECT_FINE:
	case KONNECT_LOSES:
	case N_INCIDENTS:
		break;
	}
	if (!y.token_good)
		return refuse(b, 401, NULL);
	return !y.calm && once_in(500) && refuse(b, 500, NULL);
}

void catalog_answer(const struct http_request *q, struct fake_behaviour *b)
{
	const char *path = strstr(q->url, "/v1/");
	bool write = strcmp(q->method, "GET") != 0;

	y.f.requests++;
	y.f.writes += write;
	if (troubled(b))
		return;
	inspect(q, path);
	b->body = fake_konnect_answer(q->method, path, q->body, &b->status);
	if (y.calm || !once_in(y.incident == KONNECT_LOSES ? 4 : 300))
		return;
	/* it was done, and nobody hears of it */
	y.f.lost_answers++;
	b->error = xstrdup("Connection reset by peer");
}

static json_t *pick(const char *kind)
{
	json_t *objects = fake_konnect_objects(), *o;
	uint32_t n = 0;
	const char *id;

	json_object_foreach(objects, id, o)
		n += strcmp(text(o, "kind"), kind) == 0;
	n = dice(n);
	json_object_foreach(objects, id, o)
		if (strcmp(text(o, "kind"), kind) == 0 && n-- == 0)
			return o;
	return NULL;
}

/* Somebody deletes the mappings of a service: nothing says any more which resource was its. */
static void unmap(const char *service)
{
	json_t *objects = fake_konnect_objects(), *o;
	const char *id;
	void *next;

	json_object_foreach_safe(objects, next, id, o) {
		if (strcmp(text(o, "kind"), "resource-mappings") == 0 && strcmp(text(o, "service"), service) == 0) {
			json_object_set_new(json_object_get(objects, text(o, "resource")), "orphaned", json_true());
			fake_konnect_delete(id);
		}
	}
}

void catalog_edit(void)
{
	json_t *service = pick("catalog-services"), *mapping = pick("resource-mappings");
	_cleanup_free_ char *words = xasprintf("words %u", ++y.serial);

	if (service == NULL)
		return;
	y.f.konnect_edits++;
	switch (dice(6)) {
	case 0:
		unmap(text(service, "id"));
		fake_konnect_delete(text(service, "id"));
		break;
	case 1:
		unmap(text(mapping, "service"));
		break;
	case 2:
		json_object_set_new(json_object_get(service, "labels"), "azure-devops-state", json_string("broken"));
		break;
	case 3:
		json_object_set_new(json_object_get(service, "labels"), "own", json_string(words));
		json_object_set_new(service, "own", json_string(words));
		break;
	case 4:
		json_object_set_new(service, "display_name", json_string(words));
		json_object_set_new(service, "edited", json_string(words));
		break;
	default:
		json_object_set_new(service, "damaged", json_true());
		json_object_set_new(json_object_get(service, "custom_fields"), "git_repo", json_pack("{s:s,s:s}", "name", "x", "link", "https://x.org/"));
		break;
	}
}

void catalog_forget(void)
{
	const char *id;
	json_t *o;

	json_object_foreach(fake_konnect_objects(), id, o) {
		const struct org *org = azure_org(label(o, "azure-devops-instance"));
		_cleanup_free_ char *team = org != NULL ? xasprintf("t%u", org->label) : NULL;

		if (org != NULL && *label(o, "team") != '\0' && strcmp(label(o, "team"), team) != 0)
			json_object_set_new(o, "left", json_string(label(o, "team")));
	}
}

void catalog_leave(const struct org *org)
{
	const char *id;
	json_t *o;

	json_object_foreach(fake_konnect_objects(), id, o)
		if (strcmp(label(o, "azure-devops-instance"), org->name) == 0 && *label(o, "team") != '\0')
			json_object_set_new(o, "left", json_string(label(o, "team")));
}

/* What there is of one repository. */
struct found {
	unsigned services, mappings, resources, archived, orphaned;
	json_t *service;
};

static struct found find(const struct org *org, const struct repo_life *r)
{
	struct found f = { 0 };
	const char *id, *config;
	json_t *o;

	json_object_foreach(fake_konnect_objects(), id, o) {
		config = text(json_object_get(o, "config"), "repository_id");
		if (strcmp(label(o, "azure-devops-repository-id"), r->guid) == 0 && strcmp(label(o, "azure-devops-instance"), org->name) == 0) {
			f.services++;
			f.service = o;
		} else if (strcmp(config, r->guid) == 0) {
			f.resources++;
			f.archived += json_is_true(json_object_get(o, "archived"));
			f.orphaned += json_is_true(json_object_get(o, "orphaned"));
		}
	}
	json_object_foreach(fake_konnect_objects(), id, o)
		f.mappings += strcmp(text(o, "kind"), "resource-mappings") == 0 && f.service != NULL &&
			      strcmp(text(o, "service"), text(f.service, "id")) == 0;
	return f;
}

static void field(const struct org *o, const struct repo_life *r, const char *what, const char *is, const char *wanted)
{
	if (strcmp(is, wanted) != 0)
		wrong("%s %s (%s): %s is \"%s\" and not \"%s\"", o->name, r->name, r->guid, what, is, wanted);
}

static void judge_listed(const struct org *o, const struct repo_life *r, const struct found *f)
{
	const json_t *git_repo = json_object_get(json_object_get(f->service, "custom_fields"), "git_repo");
	_cleanup_free_ char *shown = xasprintf("%s / %s", o->projects[r->project].name, r->name), *team = xasprintf("t%u", o->label),
			    *link = xasprintf("https://dev.azure.com/%s/%s/_git/%s", o->name, o->projects[r->project].id, r->guid);
	const char *edited = text(f->service, "edited"), *display_name = text(f->service, "display_name");

	/* a mapping that is made again after a move is of another resource */
	if (f->services != 1 || f->mappings != 1 || (f->resources != 1 && !r->moved) || f->archived != 0) {
		wrong("%s %s (%s): %u services, %u mappings, %u resources, %u of them archived", o->name, r->name, r->guid, f->services, f->mappings,
		      f->resources, f->archived);
		return;
	}
	field(o, r, "the state", label(f->service, "azure-devops-state"), r->disabled ? "disabled" : "active");
	if (o->label > 0 || *label(f->service, "team") != '\0')
		field(o, r, "the team", label(f->service, "team"), o->label > 0 ? team : text(f->service, "left"));
	field(o, r, "the name", text(git_repo, "name"), r->name);
	field(o, r, "the link", text(git_repo, "link"), link);
	field(o, r, "somebody's label", label(f->service, "own"), text(f->service, "own"));
	/* a cache that is lost while git_repo is somebody's cannot tell whose the display name is */
	if (y.f.caches_lost > 0 && json_is_true(json_object_get(f->service, "damaged")))
		return;
	if (*edited == '\0' || strcmp(display_name, edited) != 0)
		field(o, r, "the display name", display_name, shown);
}

/* Listed and excluded, or not listed. */
static void judge_gone(const struct org *o, const struct repo_life *r, const struct found *f, bool excluded)
{
	const char *state = label(f->service, "azure-devops-state");
	bool removed = excluded || strcmp(state, "removed") == 0 || strcmp(state, "excluded") == 0;

	if (f->services > 1 || (f->resources > 1 && !r->moved)) {
		wrong("%s %s (%s): %u services, %u resources", o->name, r->name, r->guid, f->services, f->resources);
		return;
	}
	if (f->services == 0)
		return;
	if (o->on_remove == DELETE && removed)
		wrong("%s %s (%s): its service, %s, should be gone", o->name, r->name, r->guid, state);
	if (o->on_remove == ARCHIVE && removed && f->resources > f->orphaned && f->archived == 0)
		wrong("%s %s (%s): its resource, %s, should be archived", o->name, r->name, r->guid, state);
	/* what is excluded is left alone, whatever somebody made of its label */
	if ((excluded || r->now.excluded) && strcmp(state, "broken") == 0)
		return;
	if (excluded)
		field(o, r, "the state", state, "excluded");
	else if (!removed)
		field(o, r, "the state", state, "missing");
	if (r->now.binned > r->now.listed && !removed)
		wrong("%s %s (%s): was in the bin, and says %s", o->name, r->name, r->guid, state);
}

void catalog_judge(void)
{
	for (int i = 0; i < N_ORGS; i++) {
		const struct org *o = &y.orgs[i];

		for (int k = 0; k < o->n_repos; k++) {
			struct found f = find(o, &o->repos[k]);

			if (azure_is_listed(o, &o->repos[k]) && !azure_is_excluded(o, &o->repos[k]))
				judge_listed(o, &o->repos[k], &f);
			else
				judge_gone(o, &o->repos[k], &f, azure_is_listed(o, &o->repos[k]));
		}
	}
}
