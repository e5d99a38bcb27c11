#include "limits.h"
#include "t.h"
#include "util.h"
#include "verdict.h"

#define JSON "application/json; charset=utf-8; api-version=7.1"
#define HTML "text/html; charset=utf-8"
#define SIGN_IN "<!DOCTYPE html><html><head><title>Sign in</title></head></html>"
#define DOWN "<html><head><title>Azure DevOps Services Unavailable</title></head></html>"
#define EXPIRED "Access Denied: The Personal Access Token used has expired."
#define ERROR(type, message) "{\"$id\":\"1\",\"message\":\"" message "\",\"typeKey\":\"" type "\",\"errorCode\":0}"

/* One row at least for every line of the table of failure forms. */
static const struct {
	const char *what;
	struct answer a;
	enum verdict want;
} rows[] = {
	{ "a complete listing", { .status = 200, .content_type = JSON, .body = "{" }, VERDICT_OK },
	{ "bad PAT, no Suppress: 302 to the sign-in page",
	  { .status = 302, .content_type = HTML, .body = "<title>Object moved</title>" }, VERDICT_CREDENTIAL_REJECTED },
	{ "203 with the sign-in page", { .status = 203, .content_type = HTML, .body = SIGN_IN }, VERDICT_CREDENTIAL_REJECTED },
	{ "200 with the sign-in page", { .status = 200, .content_type = HTML, .body = SIGN_IN, .listing_error = "not a JSON object" },
	  VERDICT_CREDENTIAL_REJECTED },
	{ "200 with a sign-in page that calls itself JSON",
	  { .status = 200, .content_type = JSON, .body = "\r\n" SIGN_IN, .listing_error = "not a JSON object" },
	  VERDICT_CREDENTIAL_REJECTED },
	{ "a redirect elsewhere", { .status = 301 }, VERDICT_CREDENTIAL_REJECTED },
	{ "a temporary redirect", { .status = 307, .body = "{}" }, VERDICT_CREDENTIAL_REJECTED },
	{ "a permanent redirect", { .status = 308 }, VERDICT_CREDENTIAL_REJECTED },
	{ "the last of the redirects", { .status = 399 }, VERDICT_CREDENTIAL_REJECTED },
	{ "200 HTML by its type alone", { .status = 200, .content_type = "Text/HTML", .body = "Sign in", .listing_error = "x" },
	  VERDICT_CREDENTIAL_REJECTED },
	{ "200 HTML behind a BOM", { .status = 200, .body = "\xef\xbb\xbf\n" SIGN_IN, .listing_error = "x" },
	  VERDICT_CREDENTIAL_REJECTED },
	{ "the word unavailable outside the title is none",
	  { .status = 200, .content_type = HTML, .body = "<title>Sign in</title>Unavailable", .listing_error = "x" },
	  VERDICT_CREDENTIAL_REJECTED },
	{ "a title without an end says nothing",
	  { .status = 200, .content_type = HTML, .body = "<title>Unavailable", .listing_error = "x" }, VERDICT_CREDENTIAL_REJECTED },
	{ "200 with the sign-in page, cut off",
	  { .status = 200, .content_type = HTML, .body = SIGN_IN, .transport_error = "closed", .listing_error = "x" },
	  VERDICT_CREDENTIAL_REJECTED },
	{ "expired bearer: 203", { .status = 203 }, VERDICT_CREDENTIAL_REJECTED },
	{ "bad PAT with Suppress: 401 TF400813",
	  { .status = 401, .content_type = JSON, .body = ERROR("UnauthorizedRequestException", "TF400813: no") },
	  VERDICT_CREDENTIAL_REJECTED },
	{ "bad PAT with Suppress, both forms", { .status = 401, .content_type = JSON, .service_error = "TF400813%3A%20Resource",
	    .body = ERROR("UnauthorizedRequestException", "TF400813: Resource not available for anonymous access.") },
	  VERDICT_CREDENTIAL_REJECTED },
	{ "PAT of another organization: 401 that names the user", { .status = 401, .content_type = JSON,
	    .body = ERROR("UnauthorizedRequestException", "TF400813: The user 'aaaaaaaa-aaaa-aaaa-aaaa-aaaaaaaaaaaa' is not authorized") },
	  VERDICT_CREDENTIAL_REJECTED },
	{ "401 with an error of another shape",
	  { .status = 401, .content_type = JSON, .body = "{\"count\":1,\"value\":{\"Message\":\"no\"}}" }, VERDICT_CREDENTIAL_REJECTED },
	{ "401 with an error of a third shape",
	  { .status = 401, .content_type = JSON, .body = "{\"className\":\"X\",\"message\":\"no\"}" }, VERDICT_CREDENTIAL_REJECTED },
	{ "401 with a BOM before the error", { .status = 401, .body = "\xef\xbb\xbf" ERROR("X", "no") }, VERDICT_CREDENTIAL_REJECTED },
	{ "401 with a NUL in the error", { .status = 401, .body = ERROR("X", "n\\u0000o") }, VERDICT_CREDENTIAL_REJECTED },
	{ "401 with only a service error", { .status = 401, .service_error = "TF400813%3A%20no" }, VERDICT_CREDENTIAL_REJECTED },
	{ "expired PAT by type", { .status = 401, .content_type = JSON, .body = ERROR("AccessCheckException", "Zugriff verweigert") },
	  VERDICT_CREDENTIAL_EXPIRED },
	{ "expired PAT by header", { .status = 401,
	    .service_error = "Access%20Denied%3A%20The%20Personal%20Access%20Token%20used%20has%20expired." },
	  VERDICT_CREDENTIAL_EXPIRED },
	{ "expired PAT by header of an old server", { .status = 401, .service_error = "The+Personal+Access+Token+used+has+expired." },
	  VERDICT_CREDENTIAL_EXPIRED },
	{ "expired PAT as an HTML page", { .status = 401, .content_type = HTML, .body = "<html>" EXPIRED "</html>" },
	  VERDICT_CREDENTIAL_EXPIRED },
	{ "expired PAT, a page with 200", { .status = 200, .content_type = HTML, .body = "<html>" EXPIRED "</html>",
	    .listing_error = "x" }, VERDICT_CREDENTIAL_EXPIRED },
	{ "expired PAT, a page with 203", { .status = 203, .content_type = HTML, .body = "<html>" EXPIRED "</html>" },
	  VERDICT_CREDENTIAL_EXPIRED },
	{ "expired PAT by header of a redirect", { .status = 302, .service_error = "Personal%20Access%20Token%20expired" },
	  VERDICT_CREDENTIAL_EXPIRED },
	{ "expired PAT by a 403", { .status = 403, .content_type = JSON, .body = ERROR("X", EXPIRED) }, VERDICT_CREDENTIAL_EXPIRED },
	{ "expired PAT by a 404", { .status = 404, .content_type = "text/plain", .body = EXPIRED }, VERDICT_CREDENTIAL_EXPIRED },
	{ "expired PAT by header of a 500", { .status = 500, .service_error = "The%20Personal%20Access%20Token%20used%20has%20expired." },
	  VERDICT_CREDENTIAL_EXPIRED },
	{ "throttled with an expired PAT", { .status = 429, .body = EXPIRED }, VERDICT_THROTTLED },
	{ "something else expired", { .status = 401, .content_type = JSON, .body = ERROR("X", "The session has expired.") },
	  VERDICT_CREDENTIAL_REJECTED },
	{ "the type alone does not make a 403 an expired PAT", { .status = 403, .body = ERROR("AccessCheckException", "no") },
	  VERDICT_POLICY_BLOCKED },
	{ "a partial listing that speaks of an expired PAT", { .status = 206, .content_type = JSON, .body = EXPIRED, .listing_error = "x" },
	  VERDICT_MALFORMED },
	{ "a description that speaks of an expired PAT is none", { .status = 200, .content_type = JSON, .body = "{\"d\":\"" EXPIRED "\"" },
	  VERDICT_OK },
	{ "PAT lacks the scope: empty 401", { .status = 401 }, VERDICT_SCOPE_MISSING },
	{ "401 with a listing in it", { .status = 401, .content_type = JSON, .body = "{\"value\":[],\"count\":0}" },
	  VERDICT_SCOPE_MISSING },
	{ "401 with a page", { .status = 401, .content_type = HTML, .body = SIGN_IN }, VERDICT_SCOPE_MISSING },
	{ "401 as plain text", { .status = 401, .content_type = "text/plain", .body = "Unauthorized" }, VERDICT_SCOPE_MISSING },
	{ "401 with half an error", { .status = 401, .content_type = JSON, .body = "{\"message\":" }, VERDICT_SCOPE_MISSING },
	{ "401 with an empty service error", { .status = 401, .service_error = "" }, VERDICT_SCOPE_MISSING },
	{ "401, cut off", { .status = 401, .transport_error = "closed" }, VERDICT_SCOPE_MISSING },
	{ "authenticated, lacks permission", { .status = 403 }, VERDICT_POLICY_BLOCKED },
	{ "conditional access", { .status = 403, .content_type = JSON, .body = ERROR("VssServiceException", "VS403463: policy") },
	  VERDICT_POLICY_BLOCKED },
	{ "organization unknown, text", { .status = 404, .content_type = "text/plain", .body = "The resource cannot be found." },
	  VERDICT_ORGANIZATION_UNKNOWN },
	{ "project unknown", { .status = 404, .content_type = JSON, .body = ERROR("ProjectDoesNotExistWithNameException", "TF200016: no") },
	  VERDICT_ORGANIZATION_UNKNOWN },
	{ "repository unknown, invisible or disabled",
	  { .status = 404, .content_type = JSON, .body = ERROR("GitRepositoryNotFoundException", "TF401019: no") },
	  VERDICT_ORGANIZATION_UNKNOWN },
	{ "wrong route", { .status = 404, .content_type = "text/plain", .body = "The controller for path '/x' was not found" },
	  VERDICT_ORGANIZATION_UNKNOWN },
	{ "404 as a page", { .status = 404, .content_type = HTML, .body = DOWN }, VERDICT_ORGANIZATION_UNKNOWN },
	{ "404 without a body", { .status = 404 }, VERDICT_ORGANIZATION_UNKNOWN },
	{ "organization deactivated, with BOM",
	  { .status = 503, .content_type = JSON, .body = "\xef\xbb\xbf" ERROR("X", "TF24668: stopped") }, VERDICT_ORGANIZATION_STOPPED },
	{ "organization deactivated, by header", { .status = 503, .service_error = "TF24668%3A%20stopped" },
	  VERDICT_ORGANIZATION_STOPPED },
	{ "api-version unknown", { .status = 400, .body = ERROR("VssVersionOutOfRangeException", "version 9.9") }, VERDICT_REFUSED },
	{ "branches of an empty repository", { .status = 400, .body = ERROR("ArgumentException", "VS403403: no branch") }, VERDICT_REFUSED },
	{ "internal error as a 400", { .status = 400, .body = ERROR("X", "TF400898: An Internal Error Occurred.") }, VERDICT_REFUSED },
	{ "405", { .status = 405 }, VERDICT_REFUSED },
	{ "406", { .status = 406 }, VERDICT_REFUSED },
	{ "410", { .status = 410 }, VERDICT_REFUSED },
	{ "413", { .status = 413 }, VERDICT_REFUSED },
	{ "414", { .status = 414 }, VERDICT_REFUSED },
	{ "internal error", { .status = 500, .body = ERROR("X", "TF400898: internal") }, VERDICT_UNREACHABLE },
	{ "stopped is a matter of 503 alone", { .status = 500, .body = ERROR("X", "TF24668: stopped") }, VERDICT_UNREACHABLE },
	{ "501", { .status = 501 }, VERDICT_UNREACHABLE },
	{ "502 of a proxy", { .status = 502, .content_type = HTML, .body = "<html>Bad gateway</html>" }, VERDICT_UNREACHABLE },
	{ "503", { .status = 503 }, VERDICT_UNREACHABLE },
	{ "504", { .status = 504 }, VERDICT_UNREACHABLE },
	{ "the last of the 5xx", { .status = 599 }, VERDICT_UNREACHABLE },
	{ "outage as a page with 503", { .status = 503, .content_type = HTML, .body = DOWN }, VERDICT_UNREACHABLE },
	{ "outage as a page with 200", { .status = 200, .content_type = HTML, .body = DOWN, .listing_error = "x" }, VERDICT_UNREACHABLE },
	{ "proxy wants credentials", { .status = 407 }, VERDICT_UNREACHABLE },
	{ "408", { .status = 408 }, VERDICT_UNREACHABLE },
	{ "no answer", { .transport_error = "Could not resolve host" }, VERDICT_UNREACHABLE },
	{ "no certificate we trust", { .transport_error = "SSL certificate problem" }, VERDICT_UNREACHABLE },
	{ "a complete listing, and then the connection broke", { .status = 200, .content_type = JSON, .transport_error = "reset" },
	  VERDICT_UNREACHABLE },
	{ "cut off in mid-body", { .status = 200, .content_type = JSON, .transport_error = "closed", .listing_error = "not closed" },
	  VERDICT_UNREACHABLE },
	{ "throttled", { .status = 429, .body = "TF400733: blocked" }, VERDICT_THROTTLED },
	{ "throttled as a page", { .status = 429, .content_type = HTML, .body = SIGN_IN }, VERDICT_THROTTLED },
	{ "200 that breaks a rule", { .status = 200, .content_type = JSON, .body = "{", .listing_error = "wrong count" }, VERDICT_MALFORMED },
	{ "200 of another type", { .status = 200, .content_type = "text/plain", .body = "{" }, VERDICT_MALFORMED },
	{ "200 without a type", { .status = 200, .body = "{" }, VERDICT_MALFORMED },
	{ "200 without anything", { .status = 200, .content_type = JSON, .body = "", .listing_error = "the document is not closed" },
	  VERDICT_MALFORMED },
	{ "200 of a type that has JSON in it", { .status = 200, .content_type = "text/json", .body = "{" }, VERDICT_MALFORMED },
	{ "a type in capitals", { .status = 200, .content_type = "Application/JSON", .body = "{" }, VERDICT_OK },
	{ "no status and no reason", { .status = 0 }, VERDICT_MALFORMED },
	{ "201", { .status = 201, .content_type = JSON, .body = "{" }, VERDICT_MALFORMED },
	{ "206", { .status = 206, .content_type = JSON, .body = "{" }, VERDICT_MALFORMED },
	{ "402", { .status = 402 }, VERDICT_MALFORMED },
	{ "409", { .status = 409 }, VERDICT_MALFORMED },
	{ "411", { .status = 411 }, VERDICT_MALFORMED },
	{ "412", { .status = 412 }, VERDICT_MALFORMED },
	{ "600", { .status = 600 }, VERDICT_MALFORMED },
	{ "204", { .status = 204 }, VERDICT_MALFORMED },
	{ "304", { .status = 304 }, VERDICT_MALFORMED },
	{ "418", { .status = 418 }, VERDICT_MALFORMED },
};

static void test_waits(void)
{
	static const struct {
		struct answer a;
		int64_t want;
	} waits[] = {
		{ { .status = 200 }, 0 },
		{ { .status = 200, .retry_after = "30" }, 30 },
		{ { .status = 503, .retry_after = "1.2" }, 2 },
		{ { .status = 429 }, 360 },
		{ { .status = 429, .retry_after = "7" }, 7 },
		{ { .status = 429, .retry_after = "invalid" }, 360 },
		{ { .status = 429, .retry_after = "invalid", .ratelimit_delay = "12.001" }, 13 },
		{ { .status = 200, .ratelimit_delay = "0.250" }, 1 },
		{ { .status = 200, .retry_after = "99999999999999999999999" }, 3600 },
		{ { .status = 200, .retry_after = "-5" }, 0 },
		{ { .status = 200, .retry_after = "" }, 0 },
		{ { .status = 200, .retry_after = "3600" }, 3600 },
		{ { .status = 200, .retry_after = "3601" }, 3600 },
		{ { .status = 200, .retry_after = "3599.999" }, 3600 },
		{ { .status = 200, .retry_after = " 30 " }, 30 },
		{ { .status = 200, .retry_after = "30s" }, 0 },
		{ { .status = 200, .retry_after = "1.2.3" }, 0 },
		{ { .status = 429, .retry_after = "0" }, 0 },
		{ { .status = 429, .retry_after = "", .ratelimit_delay = "" }, 360 },
		{ { .status = 429, .ratelimit_delay = "4000" }, 3600 },
		{ { .status = 429, .retry_after = "5", .ratelimit_delay = "50" }, 5 },
		{ { .status = 401, .retry_after = "20" }, 20 },
		{ { .status = 404, .ratelimit_delay = "0.000" }, 0 },
		{ { .transport_error = "timeout" }, 0 },
		{ { .status = 429, .retry_after = "Tue, 31 Feb 2026 00:00:00 GMT" }, 360 },
		{ { .status = 503, .retry_after = "Tue, 01 Dec 2026 00:01:40 GMT" }, 100 },
		{ { .status = 503, .retry_after = "Tue, 01 Dec 2026 23:01:40 GMT" }, 3600 },
		{ { .status = 503, .retry_after = "Mon, 30 Nov 2026 00:00:00 GMT" }, 0 },
	};

	for (size_t i = 0; i < ELEMENTSOF(waits); i++)
		T_EQ_INT_MSG(verdict_wait(&waits[i].a, 1796083200), waits[i].want,
			     waits[i].a.retry_after != NULL ? waits[i].a.retry_after : "no Retry-After");
}

static void test_messages(void)
{
	char buf[MESSAGE_MAX];
	struct answer a = { .status = 400, .body = ERROR("X", "bad\\u0007 version") };

	T_EQ_STR(verdict_message(&a, buf, sizeof(buf)), "bad? version");
	a = (struct answer){ .status = 500, .body = "{\"count\":1,\"value\":{\"Message\":\"improper\"}}" };
	T_EQ_STR(verdict_message(&a, buf, sizeof(buf)), "improper");
	a = (struct answer){ .status = 404, .content_type = "text/plain", .body = "The resource cannot be found." };
	T_EQ_STR(verdict_message(&a, buf, sizeof(buf)), "The resource cannot be found.");
	a = (struct answer){ .status = 401, .service_error = "Access%20Denied%zz" };
	T_EQ_STR(verdict_message(&a, buf, sizeof(buf)), "Access Denied%zz");
	a = (struct answer){ .status = 203, .content_type = HTML, .body = SIGN_IN };
	T_EQ_STR(verdict_message(&a, buf, sizeof(buf)), "");
	a = (struct answer){ .status = 503, .body = "\xef\xbb\xbf" ERROR("X", "TF24668: T\xc3\xaast is stopped") };
	T_EQ_STR(verdict_message(&a, buf, sizeof(buf)), "TF24668: T\xc3\xaast is stopped");
	T_EQ_STR(verdict_message(&a, buf, 12), "TF24668: T");
	T_EQ_STR(verdict_message(&a, buf, 1), "");
	a = (struct answer){ .status = 400, .body = "{\"message\":" };
	T_EQ_STR(verdict_message(&a, buf, sizeof(buf)), "");
	a = (struct answer){ .status = 500, .body = ERROR("X", "a\\u0000b") };
	T_EQ_STR(verdict_message(&a, buf, sizeof(buf)), "a");
	a = (struct answer){ .status = 401, .service_error = "a%0d%0aX-Evil%3a+1%1b%c3%28" };
	T_EQ_STR(verdict_message(&a, buf, sizeof(buf)), "a  X-Evil: 1?" "?(");
	a = (struct answer){ .status = 200, .content_type = JSON, .body = "{", .listing_error = "the document is not closed" };
	T_EQ_STR(verdict_message(&a, buf, sizeof(buf)), "the document is not closed");
	a = (struct answer){ .transport_error = "Could not resolve host" };
	T_EQ_STR(verdict_message(&a, buf, sizeof(buf)), "");
}

/* No status is forgotten: a listing is good with 200 alone. */
static void test_every_status(void)
{
	for (int s = 0; s < 1000; s++) {
		struct answer a = { .status = s, .content_type = JSON, .body = "{" };
		enum verdict v = verdict_of(&a);

		if ((v == VERDICT_OK) != (s == 200) || strcmp(verdict_name(v), "?") == 0)
			T_EQ_INT_MSG(v, s, "only 200 is good");
		a.transport_error = "reset";
		if (verdict_of(&a) == VERDICT_OK)
			T_EQ_INT_MSG(v, s, "nothing is good that was cut off");
	}
	T_OK_MSG(true, "every status has a verdict");
}

int main(void)
{
	for (size_t i = 0; i < ELEMENTSOF(rows); i++)
		T_EQ_INT_MSG(verdict_of(&rows[i].a), rows[i].want, rows[i].what);
	for (enum verdict v = VERDICT_OK; v <= VERDICT_CREDENTIAL_MISSING; v++) {
		T_OK(strcmp(verdict_name(v), "?") != 0);
		T_OK(strcmp(verdict_advice(v), "?") != 0);
	}
	test_waits();
	test_messages();
	test_every_status();
	return t_done();
}
