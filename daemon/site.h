/* What is served on `listen`: health, freshness, status, metrics and a page. */
#pragma once

struct site;
struct syncd;

/* Serves it. 0 and *ret (NULL when the configuration says nowhere), or the program's exit status after an error in the log. */
int site_new(struct syncd *d, struct site **ret);
struct site *site_free(struct site *s);
