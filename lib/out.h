/* Text that is made for a reader: into a buffer, whole or not at all, with what comes from outside escaped. */
#pragma once

#include "buf.h"
#include "util.h"

/* Once something did not fit, nothing more is added. */
struct out {
	struct buf *buf;
	int error;	/* 0 or -E2BIG */
};

/* Adds a text as it is. */
void out_text(struct out *o, const char *s);

/* Adds formatted text of less than 4 KiB: numbers and names of ours. */
void out_format(struct out *o, const char *fmt, ...) _printf_(2, 3);

/* Adds a text from outside, so that HTML shows it in an element and in a quoted attribute; what is no text is shown as U+FFFD. */
void out_html(struct out *o, const char *s);

/* Adds it as the value of a label in Prometheus' text format, without the quotes. */
void out_label(struct out *o, const char *s);
