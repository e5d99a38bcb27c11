/* Every maximum that an outside quantity meets, in one place, each with its reason. */
#pragma once

#include <stdint.h>

/* Azure DevOps listing (design: beyond is malformed). */
#define LISTING_ELEMENT_MAX ((size_t)1 << 20)	/* bytes of one repository element */
#define LISTING_BYTES_MAX (INT64_C(4) << 30)	/* inflated bytes of one listing */
#define LISTING_ELEMENTS_MAX UINT32_C(2000000)	/* repositories in one listing */
#define LISTING_DEPTH_MAX 64			/* nested brackets; real answers have 4 */
#define LISTING_KEY_MAX 64			/* bytes of a top-level key worth keeping */

/* Answers held whole. */
#define ERROR_BODY_MAX ((size_t)64 << 10)	/* of a failed answer: enough to find its message */
#define KONNECT_BODY_MAX ((size_t)8 << 20)	/* a page of 100 services of at most 50 labels each */
#define MESSAGE_MAX 512				/* bytes of a server's message that are shown */
#define HEADER_VALUE_MAX 512			/* bytes of a response header that are kept */

/* Names and texts. Azure DevOps allows 64 UTF-16 units in a name, legacy collections more. */
#define NAME_MAX_BYTES 1024
#define URL_MAX_BYTES 4096
#define DESCRIPTION_MAX_BYTES ((size_t)64 << 10)
#define GUID_TEXT_LEN 36

/* Konnect's published limits. */
#define KONNECT_NAME_MAX 120			/* of a service or an integration instance */
#define KONNECT_DISPLAY_NAME_MAX 120		/* characters */
#define KONNECT_DESCRIPTION_MAX 2048		/* characters */
#define KONNECT_LABEL_MAX 63			/* bytes of a label key or value */
#define KONNECT_LABELS_MAX 50
#define KONNECT_PAGE_SIZE 100

/* Instance names are ours: shorter, so that a service name keeps room for project and repository. */
#define INSTANCE_NAME_MAX 40
#define INSTANCES_MAX 10000

/* Secrets and configuration files. */
#define SECRET_MAX ((size_t)16 << 10)
#define CONFIG_FILE_MAX ((size_t)4 << 20)
#define SOCKET_PATH_MAX 108			/* of a Unix socket, with its NUL */

/* The control socket. */
#define CONTROL_CLIENTS_MAX 16
#define CONTROL_REQUEST_MAX ((size_t)1 << 20)	/* bytes of a request: names of all instances fit */
#define CONTROL_ANSWER_MAX ((size_t)64 << 20)	/* status of INSTANCES_MAX instances fits */
#define CONTROL_IDLE_SEC 60			/* without a byte either way */
#define CONTROL_SILENCE_SEC 60			/* adosyncctl waits for a sign of life; a loop that stands so long is restarted */
#define CONTROL_SILENCE_MAX_SEC 86400

/* The HTTP server on `listen`, which anybody may talk to who reaches it. */
#define WEB_CLIENTS_MAX 16			/* one more, and the oldest that has not asked yet is cut off */
#define WEB_CLIENT_SEC 10			/* from the connection to the end of the answer */
#define WEB_HEAD_MAX ((size_t)8 << 10)		/* bytes of a request, which has no body */
#define WEB_PATH_MAX 128			/* bytes of a path that may be one of ours */
#define WEB_HOST_MAX 256			/* bytes of a host's name; DNS has 253 */
#define WEB_BODY_SKIPPED_MAX ((size_t)64 << 10)	/* bytes that may follow a request, so that its sender sees the answer */
#define WEB_LINGER_SEC 2			/* and the time for that */
#define WEB_ANSWER_MAX ((size_t)64 << 20)	/* metrics of INSTANCES_MAX instances fit */
#define LOOP_OVERDUE_MAX_SEC 30			/* half the watchdog's time: the loop does not keep up */

/* Times. */
#define CONNECT_TIMEOUT_SEC 15
#define STALL_BYTES_PER_SEC 1024		/* throttled listings arrive slowly, and are good */
#define STALL_SEC 90
#define LISTING_TIMEOUT_SEC (30 * 60)
#define KONNECT_TIMEOUT_SEC 60
#define WAIT_MAX_SEC 3600			/* of what a server asks us to wait */
#define THROTTLE_DEFAULT_SEC 360		/* a 429 that names no wait: longer than the 5 min window */
#define SHUTDOWN_GRACE_SEC 3			/* writes in flight when stopping */

/* Polls at the same time: each may hold a resolver thread and a connection. */
#define POLLS_IN_FLIGHT_MAX 64

/* The cache is the one blocking call on the loop: a transaction's rows touch a page of each index, and the disk waits for all. */
#define CACHE_BATCH_ROWS 64	/* written in one transaction */
#define CACHE_STEP_ROWS 32	/* read and written in one turn of the loop */
#define CACHE_NAMES_ROWS 500	/* of which two columns are read in one turn */
#define CACHE_SCAN_ROWS 2000	/* read from an index in one turn */
