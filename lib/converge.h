/* Converge: the Konnect requests that turn "have" into "want" for one repository, or for one integration instance.
 * Pure: it says what to send next and learns from each answer; the row it works on is what the cache is to keep. */
#pragma once

#include <jansson.h>
#include <stdbool.h>

#include "cache.h"
#include "config.h"
#include "konnect.h"

enum converge_step {
	CONVERGE_CREATE,	/* POST the service */
	CONVERGE_LOOKUP,	/* whose is the name? */
	CONVERGE_READ,		/* GET the service before custom_fields are written, or after a 404 */
	CONVERGE_PATCH,
	CONVERGE_UNMAP,		/* DELETE our mapping, which leads somewhere else */
	CONVERGE_MAP,		/* POST the mapping, which creates the resource */
	CONVERGE_MAP_LOOKUP,	/* the mapping exists, or may: find its id */
	CONVERGE_GONE,		/* on_remove's, see gone_step */
	CONVERGE_DONE,
	CONVERGE_PARKED,	/* row.parked says why */
};

enum gone_step {
	GONE_FIND,	/* GET our mapping, to know its resource */
	GONE_REMEMBER,	/* GET the resource's mappings, which archiving drops */
	GONE_ARCHIVE,	/* PATCH the resource */
	GONE_CHECK,	/* GET our service: is it still? */
	GONE_DELETE,	/* DELETE it */
	GONE_UNARCHIVE,	/* PATCH the resource: the repository is back */
	GONE_RESTORE,	/* POST one of the mappings that are remembered */
};

struct converge {
	const struct config_instance *config;
	const struct cache_instance *instance;
	const uint8_t *key;	/* of the cache's digests */
	struct cache_row row;	/* owned */
	char *target_id;	/* of the service that the row shares, NULL when it has its own */
	char *target_name;
	char *want_text;	/* the document that is wanted, in canonical form */
	json_t *want, *have;	/* it and row.ack, once they are needed as objects */
	json_t *custom_fields;	/* Konnect's, read before they are written */
	enum converge_step step;
	enum gone_step gone_step; /* of CONVERGE_GONE */
	char *refusal;		/* what Konnect said of the name, in case nobody turns out to have it */
	int names_tried;
	bool map_lookup_done;
	bool undiscovered;	/* Konnect takes no resource that it has not discovered */
	bool by_config;		/* Konnect took a resource that was given by its configuration */
	bool looked_up;		/* nobody has the named service */
	bool recreated;		/* once is a deletion, twice would be a loop */
	bool gone;		/* a PATCH said 404, to be confirmed by a read */
	bool remembered;	/* the resource's mappings were read just now */
	bool checked;		/* the service to be deleted is ours, as of now */
	bool created, changed, adopted, name_taken; /* what happened, for the log */
};

/* Takes over the row (which is emptied). The instance must have its konnect_id and resource type. target: the row whose
 * service this one shares, which must have one; NULL otherwise. */
void converge_init(struct converge *c, const struct config_instance *config, const struct cache_instance *instance,
		   const uint8_t *key, struct cache_row *row, const struct cache_row *target);
void converge_done(struct converge *c);

/* The next request, or false when the step is CONVERGE_DONE or CONVERGE_PARKED. */
bool converge_request(const struct converge *c, struct konnect_request *ret);

/* Whether of the answer to it, if that is good, only what konnect_ids() finds is read. */
bool converge_reads_ids(const struct converge *c);

/* Learns from the answer to that request. Only answers about the object come here: what speaks of the service as a whole
 * (401, 403, 429, 5xx, no answer) is the sink's business. */
void converge_answer(struct converge *c, int status, const json_t *answer);

enum converge_instance_step {
	INSTANCE_INTEGRATIONS,	/* read the resource types */
	INSTANCE_LOOKUP,
	INSTANCE_CREATE,
	INSTANCE_PATCH,
	INSTANCE_DONE,
	INSTANCE_REFUSED,	/* see error */
};

struct converge_instance {
	const struct config_instance *config;
	const char *resource_type;	/* configured, or NULL */
	struct cache_instance *instance; /* updated as Konnect acknowledges */
	enum converge_instance_step step;
	json_t *want;
	json_t *have;
	char *refusal;			/* what Konnect said of the name, in case nobody turns out to have it */
	const char *writer;		/* our id, NULL = none is written */
	bool writer_is_new;		/* we may take over */
	int lookups;
	bool create_tried;
	bool read_only;			/* --dry-run: look, and say what would be done */
	bool created, adopted, changed;
	bool follows;			/* set it to let an instance of ours follow an organization that was renamed */
	bool second_writer;		/* refused because another daemon writes it */
	char *error;			/* why the instance is refused */
};

/* writer: the id that says which daemon writes this instance (NULL = none is written); writer_is_new: it was made just
 * now, so that we take over from whoever's is there. verify: look at Konnect even if nothing has changed here. */
void converge_instance_init(struct converge_instance *c, const struct config_instance *config, const char *resource_type,
			    struct cache_instance *instance, bool read_only, const char *writer, bool writer_is_new,
			    bool verify);
void converge_instance_done(struct converge_instance *c);

/* Whether Konnect has acknowledged the instance with that writer's id. */
bool converge_instance_written_by(const struct cache_instance *instance, const char *writer);

/* Whether Konnect has acknowledged the instance with another organization than the configuration says. */
bool converge_instance_renames(const struct cache_instance *instance, const struct config_instance *config);
bool converge_instance_request(const struct converge_instance *c, struct konnect_request *ret);
void converge_instance_answer(struct converge_instance *c, int status, const json_t *answer);
