/* The configuration: every refusal with its message. */
#include "config_refused.h"

static const struct {
	const char *text, *want;
} refusals[] = {
	/* structure */
	{ "", "f: instance: there is none; allowed: at least one, here or in ./instances.d/NAME.conf" },
	{ "konnect { }", "f: instance: there is none; allowed: at least one, here or in ./instances.d/NAME.conf" },
	{ "{", "f:1: a section is expected here; " SECTION_ALLOWED },
	{ "}", "f:1: a section is expected here; " SECTION_ALLOWED },
	{ "\n\"konnect\" { }", "f:2: a section is expected here; " SECTION_ALLOWED },
	{ "kong { x = 1 }\n" I(""), "f:1: kong: unknown section; " SECTION_ALLOWED },
	{ "include(\"/etc/passwd\")", "f:1: include: unknown section; " SECTION_ALLOWED "\n"
	  "f:1: the character ( " OUTSIDE },
	{ "region = eu\nfoo bar { x { y = { } } }\n" I(""),
	  "f:1: region: unknown section; " SECTION_ALLOWED "\nf:2: foo: unknown section; " SECTION_ALLOWED },
	{ "foo", "f:1: foo: unknown section; " SECTION_ALLOWED "\nf:1: a value or { is missing" },
	{ "foo { {", "f:1: foo: unknown section; " SECTION_ALLOWED "\nf:1: the file ends before a closing }" },
	{ "konnect|region = us", "f:1: the character | " OUTSIDE },
	{ "konnect = { }", "f:1: konnect: { is missing after the section's word" },
	{ "konnect \"x\" { }\n" I(""), "f:1: konnect: has a name; allowed: konnect { ... }" },
	{ "konnect {\n region = us\n", "f:3: konnect: the file ends inside the section that begins on line 1; } is "
	  "missing" },
	{ "konnect {\n \"region\" = us }", "f:2: a key is expected here, without quotes; allowed: KEY = \"VALUE\", or }" },
	{ "konnect {\n region us }", "f:2: region: has no value; allowed: region = \"...\"" },
	{ "konnect {\n region = }", "f:2: region: has no value; allowed: region = \"...\"" },
	{ "konnect {\n region = , }", "f:2: region: has no value; allowed: region = \"...\"" },
	{ K("region = { \"us\" }"), "f:2: region: is a list; allowed: one value" },
	{ I("include = { \"a\" \"b\" }"), "f:3: a list is wrong here; allowed: KEY = { \"...\", \"...\" }" },
	{ I("include = { , }"), "f:3: a list is wrong here; allowed: KEY = { \"...\", \"...\" }" },
	{ I("include += { \"a\" }"), "f:3: + stands here; lists are written whole: KEY = { \"...\", \"...\" }" },
	{ I("include = { Pay* }"), "f:3: the character * " OUTSIDE },
	{ I("include = { Payments/* }"), "f:3: a comment begins here and does not end; a pattern with * stands in "
	  "quotes" },
	{ I("pat_file = a/b"), "f:3: the character / " OUTSIDE },
	{ I("pat_file = ${HOME}"), "f:3: the character $ " OUTSIDE },
	{ I("pat_file = \x80"), "f:3: the character ? " OUTSIDE },
	{ I("pat_file = \"a\nb\""), "f:3: a string does not end on its line; write \\n in double quotes, or a \\ before "
	  "the end of the line to go on" },
	{ "instance \"a", "f:1: a string begins here and does not end" },
	{ "instance 'a\\", "f:1: a string begins here and does not end" },
	{ I("pat_file = \"a\\400\""), "f:3: a \\ with a number that is no byte; allowed: \\1 to \\377, \\x1 to \\xff" },
	{ I("pat_file = \"a\\0\""), "f:3: a \\ with a number that is no byte; allowed: \\1 to \\377, \\x1 to \\xff" },
	{ I("pat_file = \"a\\x00b\""), "f:3: a \\ with a number that is no byte; allowed: \\1 to \\377, \\x1 to \\xff" },
	{ I("pat_file = \"a\\8\""), "f:3: a \\ with a number that is no byte; allowed: \\1 to \\377, \\x1 to \\xff" },
	{ I("pat_file = \"a\\1234\""), "f:3: a \\ with a number that is no byte; allowed: \\1 to \\377, \\x1 to \\xff" },
	{ I("pat_file = \"${HOME\""), "f:3: ${ begins a variable; allowed: ${NAME}, ${NAME:-DEFAULT}, or \\${ for the "
	  "characters themselves" },
	{ I("pat_file = \"${}\""), "f:3: ${ begins a variable; allowed: ${NAME}, ${NAME:-DEFAULT}, or \\${ for the "
	  "characters themselves" },
	/* unknown keys, all of them at once */
	{ K("colour = red\n regoin = eu"),
	  "f:2: colour: unknown key in konnect; allowed: region, url, token_file, token_expires, rate_per_minute, max_in_flight, "
	  "reconcile_interval, create_limit, resource_type, proxy, ca_file\n"
	  "f:3: regoin: unknown key in konnect; allowed: region, url, token_file, token_expires, rate_per_minute, max_in_flight, "
	  "reconcile_interval, create_limit, resource_type, proxy, ca_file" },
	{ D("port = 1"), "f:2: port: unknown key in daemon; allowed: state_directory, control_socket, listen, log_level, log_format" },
	{ DEF("organization = o"),
	  "f:2: organization: unknown key in defaults; allowed: poll_interval, api_version, include, exclude, "
	  "include_disabled, map_to, create, on_remove, remove_unexplained, removal_limit, share_pat, labels, proxy, ca_file" },
	{ I("mapp \"x\" { repositories = { \"*\" } }"),
	  "f:3: mapp: unknown key in instance; allowed: organization, url, pat_file, pat_expires, display_name, description, "
	  "poll_interval, api_version, include, exclude, include_disabled, map_to, create, on_remove, remove_unexplained, "
	  "removal_limit, share_pat, labels, proxy, ca_file, map \"SERVICE\" { ... }" },
	{ I("map { repositories = { \"*\" } }"), "f:3: map: has no name; allowed: " MAP_ALLOWED },
	{ I("map x = 1"), "f:3: map: { is missing after the name; allowed: " MAP_ALLOWED },
	{ I("map \"X y\" { repositories = { \"*\" } }"),
	  "f:3: map: \"X y\" is not the name of a service; allowed: 1 to 120 of 0-9 a-z . -" },
	{ I("map x { }"), "f:3: repositories: is missing in map \"x\"; " GLOB_ALLOWED },
	{ I("map x { repositories = { \"a/b/c\" } }"),
	  "f:3: repositories: \"a/b/c\" has more than one /, which matches nothing; " GLOB_ALLOWED },
	{ I("map x { labels = { \"a=b\" } }"), "f:3: labels: unknown key in map; allowed: repositories" },
	{ I("map x { repositories = a }\n map x { repositories = b }"),
	  "f:4: map: \"x\" is given twice (first on line 3); allowed: once in an instance" },
	{ DEF("map x { repositories = a }"),
	  "f:2: map: unknown key in defaults; allowed: poll_interval, api_version, include, exclude, include_disabled, map_to, create, "
	  "on_remove, remove_unexplained, removal_limit, share_pat, labels, proxy, ca_file" },
	/* given twice */
	{ K("region = us\n region = us"), "f:3: region: given twice (first on line 2); allowed: once in a section" },
	{ I("include = { \"x\" }\n include = { }"),
	  "f:4: include: given twice (first on line 3); allowed: once in a section" },
	{ "konnect { }\nkonnect { }\n" I(""), "f:2: konnect: given twice (first at f:1); allowed: once over all files" },
	{ "daemon { }\n\ndaemon { }\n" I(""), "f:3: daemon: given twice (first at f:1); allowed: once over all files" },
	{ "defaults { }\ndefaults { }\n" I(""), "f:2: defaults: given twice (first at f:1); allowed: once over all files" },
	{ I("") I(""), "f:5: instance \"a\": given twice (first at f:1); allowed: one section of a name" },
	/* instances */
	{ "instance { organization = \"o\" }", "f:1: instance: has no name; allowed: instance \"NAME\" { ... }" },
	{ "instance \"a\"", "f:1: instance: { is missing after the section's name" },
	{ "instance \"\" { }", "f:1: instance: \"\" is not a name; " NAME_ALLOWED },
	{ "instance \"A\" { }", "f:1: instance: \"A\" is not a name; " NAME_ALLOWED },
	{ "instance \"-a\" { }", "f:1: instance: \"-a\" is not a name; " NAME_ALLOWED },
	{ "instance \"a.\" { }", "f:1: instance: \"a.\" is not a name; " NAME_ALLOWED },
	{ "instance \"a b\" { }", "f:1: instance: \"a b\" is not a name; " NAME_ALLOWED },
	{ "instance \"\\x61\" { }", "f:1: instance: \"\\x61\" is not a name; " NAME_ALLOWED },
	{ "instance \"\\${a}\" { }", "f:1: instance: \"\\${a}\" is not a name; " NAME_ALLOWED },
	{ "instance \"01234567890123456789012345678901234567890\" { }",
	  "f:1: instance: \"01234567890123456789012345678901234567890\" is not a name; " NAME_ALLOWED },
	{ "\ninstance \"a\" { }", "f:2: organization: is missing in instance \"a\"; allowed: the name exactly as in Azure "
	  "DevOps, 1 to 256 bytes without /" },
	{ "instance a { organization = \"\" }",
	  "f:1: organization: \"\" is empty; allowed: the name exactly as in Azure DevOps, 1 to 256 bytes without /" },
	{ "instance a { organization = \"a/b\" }",
	  "f:1: organization: \"a/b\" has a /; allowed: the name exactly as in Azure DevOps, 1 to 256 bytes without /" },
	{ "instance a { organization = \"..\" }",
	  "f:1: organization: \"..\" is not a name; allowed: the name exactly as in Azure DevOps, 1 to 256 bytes without "
	  "/" },
	{ "instance a { organization = \"a\\x01b\" }",
	  "f:1: organization: \"a?b\" has a control character; allowed: the name exactly as in Azure DevOps, 1 to 256 "
	  "bytes without /" },
	{ "instance a { organization = \"\xff\" }",
	  "f:1: organization: \"?\" is not UTF-8; allowed: the name exactly as in Azure DevOps, 1 to 256 bytes without /" },
	{ I("pat_file = \"\""), "f:3: pat_file: \"\" is empty; " SECRET_ALLOWED },
	{ I("display_name = \"\""), "f:3: display_name: \"\" is empty; allowed: 1 to 120 characters" },
	{ I("display_name = \"a\\nb\""), "f:3: display_name: \"a b\" has a control character; allowed: 1 to 120 characters" },
	{ I("poll_interval = soon"), "f:3: poll_interval: \"soon\" is not a span of time; " SPAN_ALLOWED },
	{ I("poll_interval = 0"), "f:3: poll_interval: \"0\" is out of range; " SPAN_ALLOWED },
	{ I("poll_interval = 366d"), "f:3: poll_interval: \"366d\" is out of range; " SPAN_ALLOWED },
	{ I("poll_interval = 99999999999999999999d"),
	  "f:3: poll_interval: \"99999999999999999999d\" is out of range; " SPAN_ALLOWED },
	{ I("api_version = 7"), "f:3: api_version: \"7\" is not a version; allowed: N.N, N.N-preview or N.N-preview.N" },
	{ I("api_version = 7.1-preview."),
	  "f:3: api_version: \"7.1-preview.\" is not a version; allowed: N.N, N.N-preview or N.N-preview.N" },
	{ I("api_version = \"7.1&x\""),
	  "f:3: api_version: \"7.1&x\" is not a version; allowed: N.N, N.N-preview or N.N-preview.N" },
	{ I("include = { \"a\", \"\" }"), "f:3: include: \"\" is empty; " GLOB_ALLOWED },
	{ I("include = \"/a\""), "f:3: include: \"/a\" has nothing on one side of the /, which matches nothing; "
	  GLOB_ALLOWED },
	{ I("exclude = \"a/\""), "f:3: exclude: \"a/\" has nothing on one side of the /, which matches nothing; "
	  GLOB_ALLOWED },
	{ I("exclude = { \"ok\", \"a/b/c\" }"),
	  "f:3: exclude: \"a/b/c\" has more than one /, which matches nothing; " GLOB_ALLOWED },
	{ I("include_disabled = maybe"),
	  "f:3: include_disabled: \"maybe\" is not a yes or no; allowed: yes, no, true, false, on, off" },
	{ I("remove_unexplained = sometimes"), "f:3: remove_unexplained: \"sometimes\" is not a span of time; " AGE_ALLOWED },
	{ I("remove_unexplained = 59min"), "f:3: remove_unexplained: \"59min\" is out of range; " AGE_ALLOWED },
	{ I("remove_unexplained = 0"), "f:3: remove_unexplained: \"0\" is out of range; " AGE_ALLOWED },
	{ I("remove_unexplained = 366d"), "f:3: remove_unexplained: \"366d\" is out of range; " AGE_ALLOWED },
	{ I("remove_unexplained = \"\""), "f:3: remove_unexplained: \"\" is not a span of time; " AGE_ALLOWED },
	{ I("on_remove = forget"), "f:3: on_remove: \"forget\" is none of these words; allowed: mark, archive, delete" },
	{ I("removal_limit = 101%"), "f:3: removal_limit: \"101%\" is out of range; " LIMIT_ALLOWED },
	{ I("removal_limit = -1"), "f:3: removal_limit: \"-1\" is out of range; " LIMIT_ALLOWED },
	{ I("removal_limit = 2000001"), "f:3: removal_limit: \"2000001\" is out of range; " LIMIT_ALLOWED },
	{ I("removal_limit = %"), "f:3: removal_limit: \"%\" is not a limit; " LIMIT_ALLOWED },
	{ I("labels = { \"team\" }"), "f:3: labels: \"team\" has no =; " LABEL_ALLOWED },
	{ I("labels = { \"kong-x=y\" }"),
	  "f:3: labels: \"kong-x=y\" begins with a word that Konnect keeps for itself; " LABEL_ALLOWED },
	{ I("labels = { \"konnect=y\" }"),
	  "f:3: labels: \"konnect=y\" begins with a word that Konnect keeps for itself; " LABEL_ALLOWED },
	{ I("labels = { \"mesh=y\" }"),
	  "f:3: labels: \"mesh=y\" begins with a word that Konnect keeps for itself; " LABEL_ALLOWED },
	{ I("labels = { \"kic=y\" }"),
	  "f:3: labels: \"kic=y\" begins with a word that Konnect keeps for itself; " LABEL_ALLOWED },
	{ I("labels = { \"_x=y\" }"),
	  "f:3: labels: \"_x=y\" begins with a word that Konnect keeps for itself; " LABEL_ALLOWED },
	{ I("labels = { \"managed-by=me\" }"),
	  "f:3: labels: \"managed-by=me\" is a label that adosyncd sets itself; " LABEL_ALLOWED },
	{ I("labels = { \"adosyncd-writer=me\" }"),
	  "f:3: labels: \"adosyncd-writer=me\" is a label that adosyncd sets itself; " LABEL_ALLOWED },
	{ I("labels = { \"azure-devops-x=y\" }"),
	  "f:3: labels: \"azure-devops-x=y\" is a label that adosyncd sets itself; " LABEL_ALLOWED },
	{ I("labels = { \"-a=y\" }"), "f:3: labels: \"-a=y\" has a key Konnect does not take; " LABEL_ALLOWED },
	{ I("labels = { \"=y\" }"), "f:3: labels: \"=y\" has a key Konnect does not take; " LABEL_ALLOWED },
	{ I("labels = { \"a=\" }"), "f:3: labels: \"a=\" has a value Konnect does not take; " LABEL_ALLOWED },
	{ I("labels = { \"a=b c\" }"), "f:3: labels: \"a=b c\" has a value Konnect does not take; " LABEL_ALLOWED },
	{ I("labels = { \"a=b\", \"ab=c\", \"a=d\" }"),
	  "f:3: labels: \"a=d\" has the key of another label; " LABEL_ALLOWED },
	{ I("ca_file = \"\""), "f:3: ca_file: \"\" is empty; allowed: a path, relative ones start beside the "
	  "configuration" },
	/* proxies */
	{ I("proxy = \"proxy:3128\""), "f:3: proxy: \"proxy:3128\" is not of a kind of proxy that is supported; "
	  PROXY_ALLOWED },
	{ I("proxy = \"socks5://p:1\""), "f:3: proxy: \"socks5://p:1\" is not of a kind of proxy that is supported; "
	  PROXY_ALLOWED },
	{ I("proxy = \"http://p\""), "f:3: proxy: \"http://p\" has no port; " PROXY_ALLOWED },
	{ I("proxy = \"http://u:secret@p:1\""), "f:3: proxy: \"http://u:secret@p:1\" has a user name or password, which has "
	  "no place in the configuration; " PROXY_ALLOWED },
	{ K("proxy = \"http://p:1/x\""), "f:2: proxy: \"http://p:1/x\" has something after the port; " PROXY_ALLOWED },
	{ K("proxy = \"http://p:65536\""), "f:2: proxy: \"http://p:65536\" has no valid port; " PROXY_ALLOWED },
	/* URLs */
	{ I("url = \"\""), "f:3: url: \"\" is empty; " URL_ALLOWED },
	{ I("url = \"ado.example\""), "f:3: url: \"ado.example\" does not begin with https://; " URL_ALLOWED },
	{ I("url = \"ftp://x\""), "f:3: url: \"ftp://x\" does not begin with https://; " URL_ALLOWED },
	{ I("url = \"http://dev.azure.com/x\""), "f:3: url: \"http://dev.azure.com/x\" sends secrets over plain http; "
	  URL_ALLOWED },
	{ I("url = \"http://128.0.0.1\""), "f:3: url: \"http://128.0.0.1\" sends secrets over plain http; " URL_ALLOWED },
	{ I("url = \"http://127.0.0.1.example\""),
	  "f:3: url: \"http://127.0.0.1.example\" sends secrets over plain http; " URL_ALLOWED },
	{ I("url = \"http://localhost.example\""),
	  "f:3: url: \"http://localhost.example\" sends secrets over plain http; " URL_ALLOWED },
	{ I("url = \"http://127.0.0.1@evil.example\""), "f:3: url: \"http://127.0.0.1@evil.example\" has a user name or "
	  "password, which has no place in the configuration; " URL_ALLOWED },
	{ I("url = \"http://[::2]\""), "f:3: url: \"http://[::2]\" sends secrets over plain http; " URL_ALLOWED },
	{ I("url = \"https://[::1\""), "f:3: url: \"https://[::1\" has no valid host; " URL_ALLOWED },
	{ I("url = \"https://\""), "f:3: url: \"https://\" has no valid host; " URL_ALLOWED },
	{ I("url = \"https://a b/\""), "f:3: url: \"https://a b/\" has no valid host; " URL_ALLOWED },
	{ I("url = \"https://a:0/\""), "f:3: url: \"https://a:0/\" has no valid port; " URL_ALLOWED },
	{ I("url = \"https://a:x/\""), "f:3: url: \"https://a:x/\" has no valid port; " URL_ALLOWED },
	{ I("url = \"https://a/?x=1\""), "f:3: url: \"https://a/?x=1\" has a query; " URL_ALLOWED },
	{ I("url = \"https://a#x\""), "f:3: url: \"https://a#x\" has a fragment; " URL_ALLOWED },
	{ I("url = \"https://a/b c\""), "f:3: url: \"https://a/b c\" has a character that must be written as %XX; "
	  URL_ALLOWED },
	{ I("url = \"https://a/{organization}\""), "f:3: url: \"https://a/{organization}\" has a character that must be "
	  "written as %XX; " URL_ALLOWED },
	{ I("url = \"https://a/%2\""), "f:3: url: \"https://a/%2\" has a % that begins no %XX; " URL_ALLOWED },
	{ K("url = \"http://eu.api.konghq.com\""), "f:2: url: \"http://eu.api.konghq.com\" sends secrets over plain http; "
	  URL_ALLOWED },
	/* konnect and daemon */
	{ K("region = EU"), "f:2: region: \"EU\" is not a region; allowed: us, eu, au, me, in, sg" },
	{ I("share_pat = yes url = 'https://tfs.example/x'"),
	  "f:3: share_pat: \"yes\" does not go with url https://tfs.example/x; allowed: yes, no, true, false, on, off; yes only with "
	  "dev.azure.com" },
	{ K("token_expires = '2027-02-29'"), "f:2: token_expires: \"2027-02-29\" is not a date; allowed: a date YYYY-MM-DD" },
	{ I("pat_expires = soon"), "f:3: pat_expires: \"soon\" is not a date; allowed: a date YYYY-MM-DD" },
	{ D("control_socket = 'x'"),
	  "f:2: control_socket: \"x\" is not an absolute path; allowed: an absolute path of at most 107 bytes" },
	{ D("listen = 'localhost:80'"), "f:2: listen: \"localhost:80\" is no address with a port; allowed: ADDRESS:PORT with a number as "
	  "address, [ADDRESS]:PORT for IPv6, :PORT for all addresses, or \"\" for none" },
	{ K("token_file = ''"), "f:2: token_file: \"\" is empty; " SECRET_ALLOWED },
	{ K("rate_per_minute = 0"), "f:2: rate_per_minute: \"0\" is out of range; allowed: 1 to 10000000" },
	{ K("rate_per_minute = 10000001"), "f:2: rate_per_minute: \"10000001\" is out of range; allowed: 1 to 10000000" },
	{ K("rate_per_minute = fast"), "f:2: rate_per_minute: \"fast\" is not a number; allowed: 1 to 10000000" },
	{ K("rate_per_minute = \" 5\""), "f:2: rate_per_minute: \" 5\" is not a number; allowed: 1 to 10000000" },
	{ K("max_in_flight = 101"), "f:2: max_in_flight: \"101\" is out of range; allowed: 1 to 100" },
	{ K("create_limit = -1"), "f:2: create_limit: \"-1\" is out of range; allowed: 0 to 10000000, 0 = none" },
	{ K("resource_type = \"\""), "f:2: resource_type: \"\" is empty; allowed: 1 to 120 characters" },
	{ D("state_directory = var"), "f:2: state_directory: \"var\" is not an absolute path; allowed: an absolute path" },
	{ D("log_level = loud"), "f:2: log_level: \"loud\" is not a level; allowed: debug, info, notice, warning, err" },
	{ D("log_format = xml"), "f:2: log_format: \"xml\" is none of these words; allowed: auto, journal, text, json" },
	/* defaults: once, however many instances there are */
	{ "defaults { poll_interval = x }\n" I("") "instance \"b\" { organization = \"o\" }",
	  "f:1: poll_interval: \"x\" is not a span of time; " SPAN_ALLOWED },
	/* more than one */
	{ "konnect { region = xx max_in_flight = 0 }\ninstance \"a\" { }",
	  "f:1: region: \"xx\" is not a region; allowed: us, eu, au, me, in, sg\n"
	  "f:1: max_in_flight: \"0\" is out of range; allowed: 1 to 100\n"
	  "f:2: organization: is missing in instance \"a\"; allowed: the name exactly as in Azure DevOps, 1 to 256 bytes "
	  "without /" },
};

static void test_refusals(void)
{
	for (size_t i = 0; i < ELEMENTSOF(refusals); i++)
		refused(refusals[i].text, strlen(refusals[i].text), refusals[i].want);
	refused("konnect {\n\0}", 12, "f:2: a NUL byte; the configuration is text");
	refused("konnect { url = \"a\\\0b\" }", 25, "f:1: a NUL byte; the configuration is text");
}

/* What is printed is read back as the same. */

int main(void)
{
	test_refusals();
	return t_done();
}
