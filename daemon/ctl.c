/* adosyncctl: one request to the running daemon, and its answer for a person, or as the JSON lines it came in. */
#include <errno.h>
#include <getopt.h>
#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

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
	"      --json           print the answer as it comes: one JSON object a line, the last one with \"ok\"\n"
	"      --version        print the version\n"
	"  -h, --help           print this\n"
	"\n"
	"Exit status: 0 done, 64 wrong usage, 75 the daemon cannot be reached, 1 anything else.\n";

static const struct {
	const char *name;
	int min, max;		/* names it takes */
	int min_hash, max_hash;	/* and hashes after them */
} commands[] = {
	{ "status", 0, 1, 0, 0 }, { "sync", 0, INSTANCES_MAX, 0, 0 }, { "repos", 1, 1, 0, 0 },
	{ "check", 1, 1, 0, 0 },  { "pause", 1, 1, 0, 0 },	      { "resume", 1, 1, 0, 0 },
	{ "plan", 1, 1, 0, 0 },	  { "approve", 1, 1, 1, 1 },	      { "withdraw", 1, 1, 0, 1 },
	{ "reload", 0, 0, 0, 0 },
};

struct options {
	char *socket;
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
	enum { OPT_JSON = 256, OPT_VERSION };
	static const struct option options[] = {
		{ "socket", required_argument, NULL, 's' }, { "json", no_argument, NULL, OPT_JSON },
		{ "version", no_argument, NULL, OPT_VERSION }, { "help", no_argument, NULL, 'h' }, { 0 },
	};
	int c;

	*ret = (struct options){ .socket = default_socket() };
	while ((c = getopt_long(argc, argv, "s:h", options, NULL)) != -1) {
		switch (c) {
		case 's':
			free(ret->socket);
			ret->socket = xstrdup(optarg);
			break;
		case OPT_JSON:
			ret->json = true;
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
static int make_request(int argc, char **argv, json_t **ret)
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

static int connect_to(const char *path)
{
	struct sockaddr_un address = { .sun_family = AF_UNIX };
	int fd;

	if (strlen(path) >= sizeof(address.sun_path))
		return -ENAMETOOLONG;
	memcpy(address.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	if (connect(fd, (struct sockaddr *)&address, sizeof(address)) == 0)
		return fd;
	(void)close(fd);
	return -errno;
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

/* The answer's lines, the last of which has "ok". The exit status. */
static int read_answer(FILE *in, const char *command, bool json)
{
	struct ctl_printer printer = { .command = command };
	char *line = NULL;
	size_t size = 0;
	int status = -1;

	while (status < 0 && getline(&line, &size, in) > 0) {
		json_t *j = json_loads(line, 0, NULL), *ok = json_object_get(j, "ok");

		if (ok != NULL)
			status = json_is_true(ok) ? EXIT_OK : EXIT_ERROR;
		if (json)
			fputs(line, stdout);
		else
			ctl_print(&printer, j);
		json_decref(j);
	}
	free(line);
	if (status < 0) {
		fputs("adosyncctl: the daemon closed the connection; see its log\n", stderr);
		status = EXIT_TRY_AGAIN;
	}
	return fflush(stdout) == 0 ? status : EXIT_ERROR;
}

/* A daemon that does not take it has said why, or closes the connection. */
static void send_text(int fd, const char *text)
{
	for (size_t n = strlen(text); n > 0;) {
		ssize_t r = send(fd, text, n, MSG_NOSIGNAL);

		if (r < 0 && errno == EINTR)
			continue;
		if (r < 0)
			return;
		text += r;
		n -= (size_t)r;
	}
}

static int talk(const struct options *o, const char *command, json_t *request)
{
	int fd = connect_to(o->socket), status;
	char *text;
	FILE *f;

	if (fd < 0) {
		fprintf(stderr, "adosyncctl: %s: %s%s\n", o->socket, strerror(-fd), why_not(-fd));
		return EXIT_TRY_AGAIN;
	}
	f = fdopen(fd, "r");
	text = json_dumps(request, JSON_COMPACT);
	if (f == NULL || text == NULL) {
		fprintf(stderr, "adosyncctl: %s: %s\n", o->socket, strerror(errno));
		status = EXIT_TRY_AGAIN;
	} else {
		send_text(fd, text);
		send_text(fd, "\n");
		status = read_answer(f, command, o->json);
	}
	free(text);
	if (f != NULL)
		(void)fclose(f);
	return status;
}

int main(int argc, char **argv)
{
	struct options o;
	json_t *request = NULL;
	int status = read_options(argc, argv, &o);

	if (status < 0)
		status = make_request(argc - optind, argv + optind, &request);
	if (status < 0)
		status = talk(&o, argv[optind], request);
	json_decref(request);
	free(o.socket);
	return status;
}
