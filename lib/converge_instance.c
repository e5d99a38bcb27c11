/* Converging an integration instance: created if missing, adopted if it is the same organization's, else refused. */
#include <errno.h>
#include <string.h>

#include "converge.h"
#include "document.h"
#include "limits.h"
#include "util.h"

bool converge_instance_written_by(const struct cache_instance *instance, const char *writer)
{
	json_t *ack = instance->ack != NULL ? json_loads(instance->ack, 0, NULL) : NULL;
	bool is = *writer != '\0' && strcmp(konnect_text(json_object_get(ack, "labels"), LABEL_WRITER), writer) == 0;

	json_decref(ack);
	return is;
}

static void refuse(struct converge_instance *c, char *why)
{
	free(c->error);
	c->error = why;
	c->step = INSTANCE_REFUSED;
}

static void refuse_answer(struct converge_instance *c, const char *what, int status, const json_t *answer)
{
	char reason[MESSAGE_MAX];

	(void)konnect_reason(answer, reason, sizeof(reason));
	if (status >= 200 && status < 300)
		refuse(c, xasprintf("%s was answered with %d, but not with what was asked for", what, status));
	else
		refuse(c, xasprintf("%s was refused with %d%s%s", what, status, *reason != '\0' ? ": " : "", reason));
}

bool converge_instance_renames(const struct cache_instance *instance, const struct config_instance *config)
{
	json_t *ack = instance->ack != NULL ? json_loads(instance->ack, 0, NULL) : NULL;
	const char *organization = konnect_text(json_object_get(ack, "config"), "organization");
	bool renames = *organization != '\0' && ascii_strcasecmp(organization, config->organization) != 0;

	json_decref(ack);
	return renames;
}

/* Whether it is the one that we wrote for the organization when it had its old name. */
static bool follows(const struct converge_instance *c, const json_t *found)
{
	json_t *ack = c->instance->ack != NULL ? json_loads(c->instance->ack, 0, NULL) : NULL;
	bool ours = c->follows && konnect_is_ours(found, c->config->name) && c->instance->konnect_id != NULL &&
		    strcmp(c->instance->konnect_id, konnect_text(found, "id")) == 0 &&
		    ascii_strcasecmp(konnect_text(json_object_get(ack, "config"), "organization"),
				     konnect_text(json_object_get(found, "config"), "organization")) == 0;

	json_decref(ack);
	return ours;
}

static void replace(char **field, char *value)
{
	free(*field);
	*field = value;
}

static void acknowledge(struct converge_instance *c, const json_t *answer)
{
	if (*konnect_text(answer, "id") != '\0')
		replace(&c->instance->konnect_id, xstrdup(konnect_text(answer, "id")));
	replace(&c->instance->ack, document_canonical(c->want));
	c->step = INSTANCE_DONE;
}

void converge_instance_init(struct converge_instance *c, const struct config_instance *config, const char *resource_type,
			    struct cache_instance *instance, bool read_only, const char *writer, bool writer_is_new,
			    bool verify)
{
	_cleanup_free_ char *text = document_instance(config, false), *want = NULL;

	*c = (struct converge_instance){ .config = config, .resource_type = resource_type, .instance = instance,
					 .read_only = read_only, .writer = writer, .writer_is_new = writer_is_new };
	c->want = json_loads(text, 0, NULL);
	if (writer != NULL)
		json_object_set_new(json_object_get(c->want, "labels"), LABEL_WRITER, json_string(writer));
	want = document_canonical(c->want);
	if (instance->resource_type == NULL || instance->resource_keys == NULL ||
	    (resource_type != NULL && strcmp(resource_type, instance->resource_type) != 0))
		c->step = INSTANCE_INTEGRATIONS;
	else if (verify || instance->konnect_id == NULL || instance->ack == NULL || strcmp(instance->ack, want) != 0)
		c->step = INSTANCE_LOOKUP;
	else
		c->step = INSTANCE_DONE;
}

void converge_instance_done(struct converge_instance *c)
{
	json_decref(c->want);
	json_decref(c->have);
	free(c->refusal);
	free(c->error);
	*c = (struct converge_instance){ 0 };
}

static char *create_body(const struct converge_instance *c)
{
	_cleanup_free_ char *text = document_instance(c->config, true);
	json_t *j = json_loads(text, 0, NULL);
	char *body;

	json_object_set_new(j, "integration_name", json_string(KONNECT_INTEGRATION));
	json_object_set(j, "labels", json_object_get(c->want, "labels"));
	body = document_canonical(j);
	json_decref(j);
	return body;
}

/* Only what the configuration sets: labels always, display name and description if they are configured. A label that
 * was configured when we last wrote goes, unless somebody has changed it since. */
static json_t *patch_of(const struct converge_instance *c)
{
	json_t *have = document_of_service(c->have, c->want), *labels = json_object_get(c->have, "labels"), *ack, *value, *patch;
	const char *key;

	ack = c->instance->ack != NULL ? json_loads(c->instance->ack, 0, NULL) : NULL;
	json_object_foreach(json_object_get(ack, "labels"), key, value)
		if (json_equal(json_object_get(labels, key), value))
			json_object_set(json_object_get(have, "labels"), key, value);
	patch = document_patch(have, c->want);
	if (ascii_strcasecmp(konnect_text(json_object_get(c->have, "config"), "organization"), c->config->organization) == 0)
		json_object_del(patch, "config");
	else
		json_object_set(patch, "config", json_object_get(c->want, "config"));
	json_decref(ack);
	json_decref(have);
	return patch;
}

bool converge_instance_request(const struct converge_instance *c, struct konnect_request *ret)
{
	_cleanup_free_ char *id = NULL;
	json_t *patch;

	*ret = (struct konnect_request){ .method = "GET" };
	switch (c->step) {
	case INSTANCE_INTEGRATIONS:
		ret->path = xstrdup("/v1/integrations?filter%5Bname%5D%5Beq%5D=" KONNECT_INTEGRATION "&page%5Bsize%5D=100");
		return true;
	case INSTANCE_LOOKUP:
		ret->path = xasprintf("/v1/integration-instances?filter%%5Bname%%5D%%5Beq%%5D=%s&page%%5Bsize%%5D=1",
				      c->config->name);
		return true;
	case INSTANCE_CREATE:
		ret->method = "POST";
		ret->path = xstrdup("/v1/integration-instances");
		ret->body = create_body(c);
		return true;
	case INSTANCE_PATCH:
		id = konnect_encode(konnect_text(c->have, "id"));
		patch = patch_of(c);
		ret->method = "PATCH";
		ret->path = xasprintf("/v1/integration-instances/%s", id);
		ret->body = document_canonical(patch);
		json_decref(patch);
		return true;
	case INSTANCE_DONE:
	case INSTANCE_REFUSED:
		break;
	}
	return false;
}

/* An id that is not ours: another daemon's, unless ours is so new that we are the one who takes over, which we do once. */
static bool another_writes(const struct converge_instance *c, const json_t *found)
{
	const char *id = konnect_text(json_object_get(found, "labels"), LABEL_WRITER);

	return c->writer != NULL && *id != '\0' && strcmp(id, c->writer) != 0 &&
	       (!c->writer_is_new || converge_instance_written_by(c->instance, c->writer));
}

static void existing(struct converge_instance *c, json_t *found)
{
	const char *integration = konnect_text(json_object_get(found, "integration"), "name"),
		   *organization = konnect_text(json_object_get(found, "config"), "organization");
	json_t *patch;

	if (strcmp(integration, KONNECT_INTEGRATION) != 0) {
		refuse(c, xasprintf("Konnect has an integration instance \"%s\" of the integration \"%s\", not azure-devops; give "
				    "this instance another name", c->config->name, integration));
		return;
	}
	if (ascii_strcasecmp(organization, c->config->organization) != 0 && !follows(c, found)) {
		refuse(c, xasprintf("Konnect's integration instance \"%s\" is for the organization \"%s\", the configuration says "
				    "\"%s\"; correct one of them, or give this instance another name", c->config->name,
				    organization, c->config->organization));
		return;
	}
	if (konnect_is_foreign(found)) {
		refuse(c, xasprintf("Konnect's integration instance \"%s\" is managed by another tool (label KONGCTL-*); give this "
				    "instance another name", c->config->name));
		return;
	}
	if (another_writes(c, found)) {
		c->second_writer = true;
		refuse(c, xasprintf("another adosyncd writes Konnect's integration instance \"%s\" (label " LABEL_WRITER "): stop one of "
				    "the two; for this one to take over, remove the file \"writer\" from its state_directory and "
				    "restart it", c->config->name));
		return;
	}
	c->adopted = !konnect_is_ours(found, c->config->name);
	json_decref(c->have);
	c->have = json_incref(found);
	replace(&c->instance->konnect_id, xstrdup(konnect_text(found, "id")));
	patch = patch_of(c);
	if (json_object_size(patch) == 0) {
		acknowledge(c, found);
	} else if (c->read_only) {
		c->changed = true;
		c->step = INSTANCE_DONE;
	} else {
		c->step = INSTANCE_PATCH;
	}
	json_decref(patch);
}

static void lookup_answer(struct converge_instance *c, int status, const json_t *answer)
{
	json_t *list = json_object_get(answer, "data"), *p;
	size_t i;

	if (status != 200 || !json_is_array(list)) {
		refuse_answer(c, "looking up the integration instance", status, answer);
		return;
	}
	c->lookups++;
	json_array_foreach(list, i, p) {
		if (strcmp(konnect_text(p, "name"), c->config->name) == 0 && *konnect_text(p, "id") != '\0') {
			existing(c, p);
			return;
		}
	}
	if (c->create_tried) {
		refuse(c, xasprintf("Konnect refuses the instance name \"%s\" although nobody has it%s%s; give this instance "
				    "another name", c->config->name, *c->refusal != '\0' ? ": " : "", c->refusal));
	} else if (c->read_only) {
		c->created = true;
		c->step = INSTANCE_DONE;
	} else {
		c->step = INSTANCE_CREATE;
	}
}

static void integrations_answer(struct converge_instance *c, int status, const json_t *answer)
{
	char *type = NULL, *keys = NULL, *error = NULL;

	if (status != 200 || !json_is_array(json_object_get(answer, "data"))) {
		refuse_answer(c, "reading Konnect's integrations", status, answer);
		return;
	}
	if (konnect_resource_type(answer, c->resource_type, &type, &keys, &error) < 0) {
		refuse(c, error);
		return;
	}
	replace(&c->instance->resource_type, type);
	replace(&c->instance->resource_keys, keys);
	c->step = INSTANCE_LOOKUP;
}

void converge_instance_answer(struct converge_instance *c, int status, const json_t *answer)
{
	bool ok = status >= 200 && status < 300;
	char reason[MESSAGE_MAX];

	switch (c->step) {
	case INSTANCE_INTEGRATIONS:
		integrations_answer(c, status, answer);
		return;
	case INSTANCE_LOOKUP:
		lookup_answer(c, status, answer);
		return;
	case INSTANCE_CREATE:
		c->create_tried = true;
		if (ok && *konnect_text(answer, "id") != '\0') {
			c->created = true;
			acknowledge(c, answer);
		} else if (ok || konnect_name_conflict(status, answer)) {
			/* created, but the id is lost; or somebody has the name, perhaps we */
			free(c->refusal);
			c->refusal = xstrdup(konnect_reason(answer, reason, sizeof(reason)));
			c->step = INSTANCE_LOOKUP;
		} else {
			refuse_answer(c, "creating the integration instance", status, answer);
		}
		return;
	case INSTANCE_PATCH:
		if (ok) {
			c->changed = true;
			acknowledge(c, c->have);
		} else if (status == 404 && c->lookups < 2) {
			c->step = INSTANCE_LOOKUP;
		} else {
			refuse_answer(c, "changing the integration instance", status, answer);
		}
		return;
	case INSTANCE_DONE:
	case INSTANCE_REFUSED:
		return;
	}
}
