/* Within converge: what on_remove = archive and delete do, and how it is undone. Archiving a resource drops every mapping it
 * has, so those are remembered first. */
#pragma once

#include "converge.h"

/* Whether the row is gone (removed or excluded) and its resource is to be archived for it. */
bool gone_archives(const struct converge *c);

/* Whether what was done when it went is still to be undone. */
bool gone_returns(const struct converge *c);

/* The next step of either. */
void gone_next_step(struct converge *c);

/* The request of its gone_step. */
void gone_request(const struct converge *c, struct konnect_request *ret);

/* Learns from the answer to it. Whether it was as it should be; otherwise the caller parks the row. */
bool gone_answer(struct converge *c, int status, const json_t *answer);
