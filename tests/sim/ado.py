#!/usr/bin/env python3
"""A simulator of dev.azure.com, for tests.

    ado.py [--address 127.0.0.1] [--port 0] [--control-port 0] [--world FILE.json]
           [--tls-cert PEM [--tls-key PEM]] [--exit-with-stdin]

prints {"port": N, "control": N} on one line once it listens.

Served (GET only):
  /{org}/_apis/git/repositories                           api-version 5.0 to 7.1
  /{org}/{project}/_apis/git/repositories                 the same, one project
  /{org}/{project}/_apis/git/recycleBin/repositories      7.1, 7.1-preview.1

World (--world, GET /world), one entry an organization:
  {ORG: {"pat": P, "pat_state": "ok|expired|noscope|revoked", "shuffle": false,
         "api_versions": null | [..], "bin_preview_only": false,
         "projects": [{id?, name, description?, visibility?, state?}],
         "repos":    [{id?, name, project, default_branch?, size?, disabled?,
                       maintenance?, fork?, hidden?, extra?}],
         "recycle":  [as repos]}}
  project is a name or an id; ids left out are derived from the names; hidden
  is out of the PAT's sight, in the listing and in the bin; extra is merged
  into the element as it is sent.

Control calls (JSON over HTTP; arguments in the query or the body):
  POST   /org {name, ...an entry of the world}     create or replace
  PATCH  /org {name, pat?, pat_state?, shuffle?, api_versions?, bin_preview_only?}
  DELETE /org?name=
  POST   /repo {org, project, name, ...}           PATCH /repo {org, id, ...}
  DELETE /repo?org=&id=[&recycle=1]                POST /restore {org, id}
  POST   /project {org, name, ...}                 PATCH /project {org, id | name, ..., new_name?}
  DELETE /project?org=&id=                         (its repositories with it)
  POST   /generate {org, projects, repos, seed?, pat?}
  GET    /world         GET /listing?org=          (what a listing's value is)
  GET    /requests      [{method, path, target, org, status, headers, user, time}]
  DELETE /requests      (and the violations and counts)
  GET    /violations    requests no client of ours should send
  GET    /counts        {requests: {"GET listing": N, ...}, in_flight, max_in_flight}
  POST   /fault {kind, times = 1 (-1 for ever), after?, org?, method?, path_regex?, ...}
  GET    /fault         DELETE /fault
  POST   /reset         as it was at the start, without a world

Faults of any request:
  reset, hang                     RST, no answer
  slow {seconds}                  drip {bytes_per_second}       truncate
  redirect {location?}            302                          status_203
  html_signin                     200 with a sign-in page
  html_unavailable {status=503}   the outage page
  status {status, body?, headers?, content_type?}              body: text or JSON
  429 {retry_after?, headers = true, html?}
  503 {retry_after?}              503_tf24668                  403_vs403463
  ratelimit_delay {seconds}       retry_after {seconds}        on an answer otherwise good
Faults of a listing (of the bin too, if path_regex says so):
  wrong_count {by = 1}   bom   count_first   401_valid_body   duplicate_guid
  not_array {value?}     unclosed   garbage   gzip_bomb {mib = 64}
  long_element {bytes = 2 MiB}      deep_nesting {depth = 10000}
  empty                  partial {n}         no_default       extra_keys
  bad_element {value?}
"""

import base64
import binascii
import json
import threading
import urllib.parse
import zlib

import common
from ado_world import World, encode, fixed_id, generate
from common import Answer, ControlError

LISTING_VERSIONS = {"5.0", "5.1", "6.0", "7.0", "7.1"}
BIN_VERSIONS = {"7.1", "7.1-preview.1"}
SIGN_IN = "https://spsprodeus21.vssps.visualstudio.com/_signin?realm=dev.azure.com&reply_to="
KEPT_HEADERS = ("user-agent", "accept", "accept-encoding", "x-tfs-fedauthredirect")

EARLY = {"reset", "hang", "redirect", "status_203", "html_signin", "html_unavailable", "status",
         "429", "503", "503_tf24668", "403_vs403463"}
SHAPES = {"wrong_count", "bom", "count_first", "401_valid_body", "duplicate_guid", "not_array",
          "unclosed", "garbage", "gzip_bomb", "long_element", "deep_nesting", "empty", "partial",
          "no_default", "extra_keys", "bad_element"}
HEADERS = {"ratelimit_delay", "retry_after"}
DELIVERY = {"slow", "drip", "truncate"}
HTML = "<!DOCTYPE html>\r\n<html><head><title>{}</title></head><body>{}</body></html>\r\n"


class Refusal(Exception):
    """Ends a request with an answer that is no listing."""

    def __init__(self, answer, violation=None):
        super().__init__()
        self.answer = answer
        self.violation = violation


class Wire:
    """How the service's answers look, whatever is in them."""

    def __init__(self):
        self.process = fixed_id("process")
        self.lock = threading.Lock()
        self.serial = 0

    def headers(self, content_type):
        with self.lock:
            self.serial += 1
            activity = fixed_id("activity", str(self.serial))
        return [("Cache-Control", "no-cache"), ("Pragma", "no-cache"), ("Expires", "-1"),
                ("Content-Type", content_type), ("X-TFS-ProcessId", self.process),
                ("Strict-Transport-Security", "max-age=31536000; includeSubDomains"),
                ("ActivityId", activity), ("X-TFS-Session", fixed_id("session", activity)),
                ("X-VSS-E2EID", activity), ("X-Frame-Options", "SAMEORIGIN"),
                ("X-Content-Type-Options", "nosniff"), ("X-Cache", "CONFIG_NOCACHE"),
                ("X-MSEdge-Ref", f"Ref A: {activity.replace('-', '').upper()} Ref B: SIM")]

    def error(self, status, type_key, message, bom=False, number=0):
        body = encode({
            "$id": "1", "innerException": None, "message": message,
            "typeName": f"Microsoft.TeamFoundation.Framework.Server.{type_key}, "
                        "Microsoft.TeamFoundation.Framework.Server",
            "typeKey": type_key, "errorCode": number, "eventId": 3000})
        headers = self.headers("application/json; charset=utf-8")
        headers.append(("X-TFS-ServiceError", urllib.parse.quote(message, safe="")))
        return Answer(status, (b"\xef\xbb\xbf" if bom else b"") + body, headers)

    def text(self, status, text):
        return Answer(status, text.encode(), self.headers("text/plain; charset=utf-8"))

    def html(self, status, title, text):
        return Answer(status, HTML.format(title, text).encode(),
                      self.headers("text/html; charset=utf-8"))

    def redirect(self, location):
        answer = self.html(302, "Object moved", "<h2>Object moved</h2>")
        answer.headers.append(("Location", location))
        return answer

    def challenge(self, answer):
        """The headers of a refused credential that is not redirected."""
        answer.headers += [
            ("WWW-Authenticate", "Bearer authorization_uri=https://login.microsoftonline.com/"
                                 "00000000-0000-0000-0000-000000000000"),
            ("WWW-Authenticate", 'Basic realm="https://tfsprodsim1.visualstudio.com/"'),
            ("WWW-Authenticate", "TFS-Federated"),
            ("X-TFS-FedAuthRealm", "https://tfsprodsim1.visualstudio.com/"),
            ("X-TFS-FedAuthIssuer", "https://tfsprodsim1.visualstudio.com/"),
            ("X-TFS-FedAuthRedirect", SIGN_IN),
            ("X-VSS-AuthorizationEndpoint", "https://vssps.dev.azure.com/"),
            ("X-VSS-ResourceTenant", "00000000-0000-0000-0000-000000000000"),
            ("X-TFS-SoapException", "%3c%3fxml+version%3d%221.0%22%3f%3e")]
        return answer


def password(request):
    """The password of a Basic header in canonical base64, or None."""
    scheme, _, text = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        raw = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    if base64.b64encode(raw).decode() != text or b":" not in raw:
        return None
    return raw.split(b":", 1)[1].decode("utf-8", "replace")


class Ado:
    """The application behind the port."""

    def __init__(self):
        self.lock = threading.RLock()
        self.world = World()
        self.wire = Wire()
        self.log = common.RequestLog()
        self.gauge = common.Gauge()
        self.faults = common.Faults(EARLY | SHAPES | HEADERS | DELIVERY)

    def serve(self, request):
        parts = [urllib.parse.unquote(part) for part in request.path.split("/")[1:]]
        request.org = parts[0] if parts else ""
        route, violation = "other", None
        try:
            if request.method != "GET":
                answer = self.wire.error(405, "VssRequestMethodNotAllowedException",
                                         "The requested resource does not support http method "
                                         f"'{request.method}'.")
                answer.headers.append(("Allow", "GET"))
                raise Refusal(answer, "method is not GET")
            route, project = self.route(parts)
            self.early_fault(request)
            with self.lock:
                answer = self.listing(request, route, project)
        except Refusal as refusal:
            answer, violation = refusal.answer, refusal.violation
        for kind in DELIVERY:
            fault = self.faults.take(request, {kind})
            if fault:
                common.deliver(answer, fault)
        self.note(request, route, answer, violation)
        return answer

    def note(self, request, route, answer, violation):
        scheme, _, text = request.headers.get("authorization", "").partition(" ")
        try:
            user = base64.b64decode(text).partition(b":")[0].decode() if scheme == "Basic" else None
        except ValueError:
            user = None
        self.log.add({
            "method": request.method, "path": urllib.parse.unquote(request.path),
            "target": request.target, "org": request.org, "user": user,
            "status": None if set(answer.delivery) & {"reset", "hang"} else answer.status,
            "headers": {key: request.headers[key] for key in KEPT_HEADERS
                        if key in request.headers}}, route, violation)

    def route(self, parts):
        """(kind of request, project segment or None)."""
        api = [part.lower() for part in parts]
        if api[1:] == ["_apis", "git", "repositories"]:
            return "listing", None
        if api[2:] == ["_apis", "git", "repositories"]:
            return "listing", parts[1]
        if api[2:] == ["_apis", "git", "recyclebin", "repositories"]:
            return "bin", parts[1]
        where = "/" + "/".join(parts)
        raise Refusal(self.wire.text(
            404, f"The controller for path '{where}' was not found or does not implement "
                 "IController."), "no such route")

    def early_fault(self, request):
        fault = self.faults.take(request, EARLY)
        if not fault:
            return
        kind = fault["kind"]
        wire = self.wire
        if kind in ("reset", "hang"):
            answer = Answer(200)
            answer.delivery[kind] = True
        elif kind == "redirect":
            answer = wire.redirect(fault.get("location", SIGN_IN))
        elif kind in ("status_203", "html_signin"):
            answer = wire.html(203 if kind == "status_203" else 200,
                               "Azure DevOps Services | Sign In", "<form>Sign in</form>")
        elif kind == "html_unavailable":
            answer = wire.html(int(fault.get("status", 503)), "Azure DevOps Services Unavailable",
                               "The service is unavailable.")
        elif kind == "status":
            answer = self.any_status(fault)
        elif kind == "429":
            answer = self.too_many(fault)
        elif kind == "503":
            answer = wire.text(503, "The service is unavailable.")
        elif kind == "503_tf24668":
            answer = wire.error(
                503, "HostShutdownException", "TF24668: The following team project collection is "
                f"stopped: {request.org}. This organization has been deactivated due to "
                "inactivity.", bom=True)
        else:
            answer = wire.error(403, "VssServiceException", "VS403463: The conditional access "
                                "policy defined by your Microsoft Entra administrator has failed.")
        if kind == "503" and "retry_after" in fault:
            answer.headers.append(("Retry-After", str(fault["retry_after"])))
        raise Refusal(answer)

    def any_status(self, fault):
        body = fault.get("body", "")
        given = fault.get("headers", {})
        kind = fault.get("content_type") or (
            "text/plain" if isinstance(body, str) else "application/json; charset=utf-8")
        data = body.encode() if isinstance(body, str) else encode(body)
        answer = Answer(int(fault.get("status", 500)), data, self.wire.headers(kind))
        answer.headers += [(key, str(value)) for key, value in given.items()]
        return answer

    def too_many(self, fault):
        message = ("TF400733: The request has been canceled: Request was blocked due to exceeding "
                   "usage of resource Concurrency in namespace User.")
        if fault.get("html"):
            answer = self.wire.html(429, "Too Many Requests", message)
        else:
            answer = self.wire.error(429, "RequestBlockedException", message)
        if fault.get("headers", True):
            answer.headers += [("X-RateLimit-Resource", "Concurrency"),
                               ("X-RateLimit-Limit", "200"), ("X-RateLimit-Remaining", "0")]
            if "retry_after" in fault:
                answer.headers.append(("Retry-After", str(fault["retry_after"])))
        return answer

    def authenticate(self, request, org):
        wire = self.wire
        given = password(request)
        if given is None or not org.pat or given != org.pat or org.pat_state == "revoked":
            if request.headers.get("x-tfs-fedauthredirect", "").lower() != "suppress":
                raise Refusal(wire.redirect(SIGN_IN + urllib.parse.quote(request.target, safe="")))
            raise Refusal(wire.challenge(wire.error(
                401, "UnauthorizedRequestException", "TF400813: Resource not available for "
                "anonymous access. Client authentication required.")))
        if org.pat_state == "expired":
            raise Refusal(wire.challenge(wire.error(
                401, "AccessCheckException",
                "Access Denied: The Personal Access Token used has expired.")))
        if org.pat_state == "noscope":
            answer = Answer(401, b"", [pair for pair in wire.headers("") if pair[1]])
            answer.headers.append(
                ("WWW-Authenticate", 'Basic realm="https://tfsprodsim1.visualstudio.com/"'))
            raise Refusal(answer)

    def version(self, request, org, route):
        """The API version asked for, in the query or in Accept."""
        asked = request.arg("api-version")
        if asked is None:
            for part in request.headers.get("accept", "").split(";")[1:]:
                key, _, value = part.strip().partition("=")
                if key == "api-version":
                    asked = value
        known = set(org.api_versions or LISTING_VERSIONS) if route == "listing" else BIN_VERSIONS
        if route == "bin" and org.bin_preview_only:
            known = {"7.1-preview.1"}
        if not asked:
            raise Refusal(self.wire.error(
                400, "VssVersionNotSpecifiedException", 'No api-version was supplied for the "GET" '
                'request. The version must be supplied either as part of the Accept header (e.g. '
                '"application/json; api-version=1.0") or as a query parameter (e.g. '
                '"?api-version=1.0").'), "no api-version")
        if asked not in known:
            # A server may be too old for 7.1; that is no fault of the client.
            reason = None if asked in LISTING_VERSIONS | BIN_VERSIONS else "unknown api-version"
            if f"{asked}-preview.1" in known:
                raise Refusal(self.wire.error(
                    400, "VssInvalidPreviewVersionException", "The requested version "
                    f'"{asked}" of the resource is under preview. The -preview flag must be '
                    f'supplied in the api-version for such requests. For example: '
                    f'"{asked}-preview"'), reason)
            raise Refusal(self.wire.error(
                400, "VssVersionOutOfRangeException", f"The requested REST API version of {asked} "
                "is out of range for this server. The latest REST API version this server "
                f"supports is {max(known)}."), reason)
        return asked

    def listing(self, request, route, project_key):
        wire = self.wire
        org = self.world.get(request.org)
        if not org:
            raise Refusal(wire.text(404, "The resource cannot be found."))
        self.authenticate(request, org)
        version = self.version(request, org, route)
        project = org.find_project(project_key) if project_key else None
        if project_key and not project:
            raise Refusal(wire.error(
                404, "ProjectDoesNotExistWithNameException", "TF200016: The following project does "
                f"not exist: {project_key}. Verify that the name of the project is correct and "
                "that the project exists on the specified Azure DevOps Server."))
        fault = None
        if self.faults.items:
            fault = self.faults.take(request, self.shapes_for(route))
        zipped = "gzip" in request.headers.get("accept-encoding", "")
        status = 401 if fault and fault["kind"] == "401_valid_body" else 200
        headers = wire.headers(f"application/json; charset=utf-8; api-version={version}")
        headers += [("Vary", "Accept-Encoding"),
                    ("X-VSS-UserData", f"{fixed_id(org.name, 'me')}:reader@example.org")]
        headers += [("Content-Encoding", "gzip")] if zipped else []
        headers += self.limits(request)
        return Answer(status, self.body(org, route, project, fault, zipped), headers, chunked=True)

    def shapes_for(self, route):
        if route == "listing":
            return SHAPES
        # The bin is only misshapen by a fault that names a path.
        return {fault["kind"] for fault in self.faults.items if fault["_path"]} & SHAPES

    def limits(self, request):
        headers = []
        fault = self.faults.take(request, {"retry_after"})
        if fault:
            headers.append(("Retry-After", str(fault.get("seconds", 1))))
        fault = self.faults.take(request, {"ratelimit_delay"})
        if fault:
            headers += [("X-RateLimit-Resource", "Concurrency"), ("X-RateLimit-Limit", "200"),
                        ("X-RateLimit-Remaining", "0"),
                        ("X-RateLimit-Delay", str(fault.get("seconds", 1)))]
        return headers

    @staticmethod
    def body(org, route, project, fault, zipped):
        key = (project and project["id"], zipped)
        plain = route == "listing" and not fault and not org.shuffle
        if plain and key in org.bodies:
            return org.bodies[key]
        if fault and fault["kind"] == "gzip_bomb":
            return bomb(int(fault.get("mib", 64)), zipped)
        elements = org.listed(project) if route == "listing" else org.deleted(project)
        if fault:
            body = misshape(fault, elements)
        else:
            body = b'{"value":[%b],"count":%d}' % (b",".join(elements), len(elements))
        if zipped:
            body = gzip([body])
        if plain:
            org.bodies[key] = body
        return body

    def controls(self):
        world, log = self.world, self.log

        def need(call):
            return lambda a: call(world.need(a["org"]), a)

        def generated(a):
            org = world.get(a["org"]) or world.put(a["org"], {})
            org.configure({key: a[key] for key in ("pat",) if key in a})
            generate(org, int(a.get("projects", 1)), int(a.get("repos", 1)), a.get("seed", 1))
            return {"repos": len(org.repos), "projects": len(org.projects)}

        def reset(_):
            world.orgs.clear()
            self.faults.clear()
            log.clear()
            self.gauge.restart()
            return {}

        def patch_org(a):
            org = world.need(a["name"])
            org.configure({key: value for key, value in a.items() if key != "name"})
            return {}

        return {
            ("POST", "/org"): lambda a: world.put(a["name"], a).dump(),
            ("PATCH", "/org"): patch_org,
            ("DELETE", "/org"): lambda a: world.orgs.pop(a["name"].lower()).dump(),
            ("POST", "/repo"): need(lambda org, a: org.add_repo(a)),
            ("PATCH", "/repo"): need(lambda org, a: org.patch_repo(a)),
            ("DELETE", "/repo"): need(
                lambda org, a: org.delete_repo(a["id"], a.get("recycle") in ("1", "true", True))),
            ("POST", "/restore"): need(lambda org, a: org.restore_repo(a["id"])),
            ("POST", "/project"): need(lambda org, a: org.add_project(a)),
            ("PATCH", "/project"): need(lambda org, a: org.patch_project(a)),
            ("DELETE", "/project"): need(lambda org, a: org.delete_project(a["id"])),
            ("POST", "/generate"): generated,
            ("GET", "/world"): lambda a: world.dump(),
            ("GET", "/listing"): need(
                lambda org, a: [org.show_repo(r) for r in org.repos.values() if not r["hidden"]]),
            ("GET", "/requests"): lambda a: log.snapshot(),
            ("DELETE", "/requests"): lambda a: log.clear() or self.gauge.restart() or {},
            ("GET", "/violations"): lambda a: list(log.violations),
            ("GET", "/counts"): lambda a: {"requests": dict(log.counts),
                                           "in_flight": self.gauge.now,
                                           "max_in_flight": self.gauge.most},
            ("POST", "/fault"): self.faults.add,
            ("GET", "/fault"): lambda a: self.faults.list(),
            ("DELETE", "/fault"): lambda a: self.faults.clear() or {},
            ("POST", "/reset"): reset,
        }


def gzip(pieces):
    squeeze = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join([squeeze.compress(piece) for piece in pieces] + [squeeze.flush()])


def bomb(mib, zipped):
    """A listing of one element whose name is `mib` MiB of zeros."""
    head = b'{"value":[{"id":"%b","name":"' % fixed_id("bomb").encode()
    pieces = [head] + [b"0" * (1 << 20)] * mib + [b'"}],"count":1}']
    return gzip(pieces) if zipped else b"".join(pieces)


def misshape(fault, elements):
    """The listing of `elements` as a fault of SHAPES has it."""
    kind = fault["kind"]
    count = len(elements)
    form = b'{"value":[%b],"count":%d}'
    if kind == "empty":
        elements, count = [], 0
    elif kind == "partial":
        elements = elements[: int(fault.get("n", count // 2))]
        count = len(elements)
    elif kind == "wrong_count":
        count += int(fault.get("by", 1))
    elif kind == "duplicate_guid" and elements:
        elements = elements + [elements[0]]
        count += 1
    elif kind == "count_first":
        return b'{"count":%d,"value":[%b]}' % (count, b",".join(elements))
    elif kind == "bom":
        form = b"\xef\xbb\xbf" + form
    elif kind == "unclosed":
        form = form[:-1]
    elif kind == "garbage":
        return b"This is not the listing you are looking for."
    elif kind == "not_array":
        return encode({"value": fault.get("value", {"Message": "An error"}), "count": count})
    elif kind == "bad_element":
        elements = elements + [encode(fault.get("value", "not an object"))]
        count += 1
    elif kind == "no_default":
        elements = [altered(text, lambda repo: repo.pop("defaultBranch", None))
                    for text in elements]
    elif kind == "long_element":
        filler = {"filler": "x" * int(fault.get("bytes", 2 << 20))}
        elements = [altered(text, lambda repo: repo.update(filler))
                    for text in elements[:1]] + elements[1:]
    elif kind == "deep_nesting":
        depth = int(fault.get("depth", 10000))
        deep = b',"deep":' + b"[" * depth + b"]" * depth + b"}"
        elements = [text[:-1] + deep for text in elements[:1]] + elements[1:]
    elif kind == "extra_keys":
        tricky = {"extra]}": ["[{", {"a\"}],\\": "}]\\\"", "u": "\u2028\U0001f600\x01"}],
                  "value": [{"id": "not a repository"}], "count": -1}
        elements = [altered(text, lambda repo: repo.update(tricky)) for text in elements]
        form = b'{"$meta":{"value":[1,"]}"],"count":0},"value":[%b],"count":%d,"next":null}'
    return form % (b",".join(elements), count)


def altered(text, change):
    repo = json.loads(text)
    change(repo)
    return encode(repo)


def main():
    parser = common.arguments("Simulates dev.azure.com for tests.")
    parser.add_argument("--world", help="JSON file with the organizations to start with")
    options = parser.parse_args()
    app = Ado()
    if options.world:
        with open(options.world, encoding="utf-8") as file:
            try:
                app.world.load(json.load(file))
            except (ControlError, KeyError, ValueError) as error:
                parser.error(f"{options.world}: {error}")
    common.run(app, options)


if __name__ == "__main__":
    main()
