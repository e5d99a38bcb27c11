/* A few values out of a JSON object, without building all of it: of an element of a listing, or an answer, most is not needed. */
#pragma once

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>

/* A value that is looked for, and what was found. */
struct pick {
	const char *object;	/* the key of the object that has it, within the outermost; NULL = that one */
	const char *key;
	const char *text;	/* of a string: where it stands, without an end of its own; NULL when there is none */
	size_t len;
	bool is_true;		/* the literal */
	bool met, object_met;	/* while it is scanned */
};

/* Finds them in the n bytes at p, which are all of one JSON text. What is simple is scanned; what is not (escapes, reals, large
 * numbers, deep nesting, a key that is there twice) is left to jansson with its flags, and then *ret_json holds the texts.
 * Of keys that nobody picks one may be there twice, whatever the flags say. 0, or -EBADMSG when it is no JSON. */
int pick_values(const char *p, size_t n, size_t flags, struct pick *picks, size_t n_picks, json_t **ret_json);

/* The scan alone: false when jansson has to decide. */
bool pick_scan(const char *p, size_t n, struct pick *picks, size_t n_picks);
