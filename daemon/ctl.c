/* adosyncctl: one request to the running daemon, and its answer for a person, or as the JSON lines it came in. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "../lib/buf.h"
#include "../lib/limits.h"
#include "../lib/util.h"
#include "ctl_print.h"
#include "exit.h"

static const char usage[] =
	"usage: adosyncctl [-s SOCKET] [--json] COMMAND\n"
	"\n"
	"  status [NAME]        how the daemon and its instances are; of one: with its parked repositories\n"
	"  sync [NAME...]       poll now: all instances, or those named\n"
	"  repos NAME           every repository that is known, and where its service stands\n"
	"  check NAME           try the PAT now, and say what is wrong with it\n"
	"  pause NAME           poll it no more, until resume; what is pending is still pushed\n"
	"  resume NAME          poll it again, for the first time now\n"
	"  plan NAME            what waits for approval, why, and its hash\n"
	"  approve NAME HASH    let exactly that through, once\n"
	"  withdraw NAME [HASH] without HASH: what the instance owns in Konnect; with it: remove that from Konnect\n"
	"  reload               read the configuration again; a broken one changes nothing\n"
	"\n"
	"  -s, --socket SOCKET  the daemon's control socket ($RUNTIME_DIRECTORY/control.sock, else /run/adosyncd/control.sock)\n"
	"      --timeout SPAN   how long the daemon may give no sign of life (1min)\n"
	"      --json           print the answer as it comes: one JSON object a line, the last one with \"ok\"\n"
	"      --version        print the version\n"
	"  -h, --help           print this\n"
	"\n"
	"Exit status: 0 done, 64 wrong usage, 75 the daemon cannot be reached or does not answer, 1 anything else.\n";

static const struct command {
	const char *name;
	int min, max;		/* names it takes */
	int min_hash, max_hash;	/* and hashes after them */
	bool slow;		/* the daemon asks others first, for as long as they need */
} commands[] = {
	{ "status", 0, 1, 0, 0, false }, { "sync", 0, INSTANCES_MAX, 0, 0, false }, { "repos", 1, 1, 0, 0, false },
	{ "check", 1, 1, 0, 0, true },	 { "pause", 1, 1, 0, 0, false },	    { "resume", 1, 1, 0, 0, false },
	{ "plan", 1, 1, 0, 0, false },	 { "approve", 1, 1, 1, 1, false },	    { "withdraw", 1, 1, 0, 1, true },
	{ "reload", 0, 0, 0, 0, false },
};

struct options {
	char *socket;
	int64_t timeout;	/* seconds */
	bool json;
};

static int wrong(const char *what, const char *word)
{
	fprintf(stderr, "adosyncctl: %s%s\nadosyncctl: see adosyncctl --help\n", what, word);
	return EXIT_USAGE;
}

static char *default_socket(void)
{
	const char *d = getenv("RUNTIME_DIRECTORY");

	return xasprintf("%.*s/control.sock", d != NULL && *d != '\0' ? (int)strcspn(d, ":") : 4096,
			 d != NULL && *d != '\0' ? d : "/run/adosyncd");
}

/* -1 to go on, otherwise the exit status. */
static int read_options(int argc, char **argv, struct options *ret)
{
	enum { OPT_JSON = 256, OPT_TIMEOUT, OPT_VERSION };
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' }, { "json", no_argument, NULL, OPT_JSON },
		{ "timeout", required_argument, NULL, OPT_TIMEOUT },
		{ "version", no_argument, NULL, OPT_VERSION }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	int c;

	*ret = (struct options){ .socket = default_socket(), .timeout = CONTROL_SILENCE_SEC };
	while ((c = getopt_long(argc, argv, "s:h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			free(ret->socket);
			ret->socket = xstrdup(optarg);
			break;
		case OPT_JSON:
			ret->json = true;
			break;
		case OPT_TIMEOUT:
			if (parse_span(optarg, &ret->timeout) < 0 || ret->timeout < 1 || ret->timeout > CONTROL_SILENCE_MAX_SEC)
				return wrong("--timeout takes a span from 1s to 1d, such as 90s or 5min, and not ", optarg);
			break;
		case OPT_VERSION:
			puts("adosyncctl " VERSION);
			return EXIT_OK;
		case 'h':
			fputs(usage, stdout);
			return EXIT_OK;
		default:
			fputs("adosyncctl: see adosyncctl --help\n", stderr);
			return EXIT_USAGE;
		}
	}
	return -1;
}

/* Checks the words after the options and makes the request. */
static int make_request(int argc, char **argv, const struct command **ret_command, json_t **ret)
{
	const char *name = argv[0];
	json_t *names;
	bool bad = false;

	if (argc == 0)
		return wrong("a command is missing", "");
	for (size_t i = 0; i < ELEMENTSOF(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (argc - 1 < commands[i].min)
			return wrong("the name of an instance is missing after ", name);
		if (argc - 1 < commands[i].min + commands[i].min_hash)
			return wrong("the hash is missing after the instance's name; see adosyncctl plan ", argv[1]);
		if (argc - 1 > commands[i].max + commands[i].max_hash)
			return wrong("there are too many words after ", name);
		*ret_command = &commands[i];
		names = json_array();
		for (int k = 1; k < argc && k <= commands[i].max; k++)
			bad |= json_array_append_new(names, json_string(argv[k])) < 0;
		*ret = json_pack("{s:s,s:o}", "command", name, "instances", names);
		if (commands[i].max_hash > 0 && argc - 1 > commands[i].max)
			bad |= json_object_set_new(*ret, "hash", json_string(argv[argc - 1])) < 0;
		return !bad ? -1 : wrong("a word is not UTF-8 after ", name);
	}
	return wrong("there is no command ", name);
}

/* A descriptor, or -errno; it waits no longer than that for anything, then EAGAIN. */
static int connect_to(const char *path, int64_t timeout)
{
	const struct timeval tv = { .tv_sec = timeout };
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd, r;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	/* a connection, too, is waited for as something to be sent */
	if (setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof(tv)) == 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv)) == 0 &&
	    connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	r = -errno;
	(void)close(fd);
	return r;
}

static const char *why_not(int error)
{
	switch (error) {
	case EACCES:
		return "; be root, or in the socket's group";
	case ENOENT:
	case ECONNREFUSED:
		return "; is the daemon running? (systemctl status adosyncd)";
	default:
		return "";
	}
}

struct answer {
	const struct options *o;
	const struct command *command;
	int fd;
	struct buf in;
	size_t taken;		/* of in */
};

/* Sends all of it, or as much as is taken: who takes no more has said why, or closes the connection. */
static int send_text(int fd, const char *text)
{
	for (size_t n = strlen(text); n > 0;) {
		ssize_t r = send(fd, text, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return errno == EAGAIN ? -EAGAIN : 0;
		text += r;
		n -= (size_t)r;
	}
	return 0;
}

/* Whether the daemon says anything to somebody else: then it only has no answer yet for us. */
static bool is_alive(const struct options *o)
{
	int fd = connect_to(o->socket, o->timeout);
	char byte;
	bool alive;

	if (fd < 0)
		return false;
	alive = send_text(fd, "{}\n") == 0 && recv(fd, &byte, 1, 0) == 1;
	(void)close(fd);
	return alive;
}

/* More bytes of the answer: 0, -ECONNRESET at its end, -EAGAIN when there was no sign of life for too long, -E2BIG. */
static int receive(struct answer *a)
{
	char text[1 << 16];
	ssize_t n;

	do
		n = recv(a->fd, text, sizeof(text), 0);
	while (n < 0 && (errno == EINTR || (errno == EAGAIN && a->command->slow && is_alive(a->o))));
	if (n < 0 && errno == EAGAIN)
		return -EAGAIN;
	if (n <= 0)
		return -ECONNRESET;
	if (a->taken > 0) {
		a->in.len -= a->taken;
		memmove(a->in.data, a->in.data + a->taken, a->in.len);
		a->taken = 0;
	}
	return buf_add(&a->in, text, (size_t)n);
}

/* The next line without its end, good until the next call. 0, or an error of receive(). */
static int next_line(struct answer *a, char **ret)
{
	size_t seen = a->taken;
	char *end;
	int r;

	while ((end = a->in.len > seen ? memchr(a->in.data + seen, '\n', a->in.len - seen) : NULL) == NULL) {
		seen = a->in.len - a->taken;
		r = receive(a);
		if (r < 0)
			return r;
	}
	*end = '\0';
	*ret = a->in.data + a->taken;
	a->taken = (size_t)(end - a->in.data) + 1;
	return 0;
}

static int complain(const struct options *o, int error)
{
	char span[64];

	if (error == -EAGAIN)
		fprintf(stderr, "adosyncctl: %s: the daemon gave no sign of life for %s: it is stopped, hangs, or has too much to do, and may "
			"still do what it was asked; see systemctl status adosyncd, and its log\n", o->socket,
			format_span(span, sizeof(span), o->timeout));
	else if (error == -ECONNRESET)
		fprintf(stderr, "adosyncctl: %s: the daemon closed the connection; see its log\n", o->socket);
	else if (error == -E2BIG)
		fprintf(stderr, "adosyncctl: %s: a line of the answer is too long; is this the socket of an adosyncd?\n", o->socket);
	else
		fprintf(stderr, "adosyncctl: %s: %s%s\n", o->socket, strerror(-error), why_not(-error));
	return EXIT_TRY_AGAIN;
}

/* The answer's lines, the last of which has "ok". The exit status. */
static int read_answer(struct answer *a)
{
	struct ctl_printer printer = { .command = a->command->name };
	int status = -1, r = 0;
	char *line;

	while (status < 0 && (r = next_line(a, &line)) == 0) {
		json_t *j = json_loads(line, 0, NULL), *ok = json_object_get(j, "ok");

		if (ok != NULL)
			status = json_is_true(ok) ? EXIT_OK : EXIT_ERROR;
		if (a->o->json)
			puts(line);
		else if (j != NULL)
			ctl_print(&printer, j);
		json_decref(j);
	}
	if (fflush(stdout) != 0)
		return EXIT_ERROR;
	return r < 0 ? complain(a->o, r) : status;
}

static int talk(const struct options *o, const struct command *command, json_t *request)
{
	struct answer a = { .o = o, .command = command, .fd = connect_to(o->socket, o->timeout) };
	char *text;
	int status;

	if (a.fd < 0)
		return complain(o, a.fd);
	buf_init(&a.in, CONTROL_ANSWER_MAX);
	text = json_dumps(request, JSON_COMPACT);
	if (text == NULL)
		status = complain(o, -ENOMEM);
	else if (send_text(a.fd, text) < 0 || send_text(a.fd, "\n") < 0)
		status = complain(o, -EAGAIN);
	else
		status = read_answer(&a);
	free(text);
	buf_done(&a.in);
	(void)close(a.fd);
	return status;
}

int main(int argc, char **argv)
{
	struct options o;
	const struct command *command = NULL;
	json_t *request = NULL;
	int status = read_options(argc, argv, &o);

	if (status < 0)
		status = make_request(argc - optind, argv + optind, &command, &request);
	if (status < 0)
		status = talk(&o, command, request);
	json_decref(request);
	free(o.socket);
	return status;
}
