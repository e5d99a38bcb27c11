#!/usr/bin/env python3
"""A simulator of the Konnect Catalog API, for tests: strict and stateful.

    konnect.py [--address 127.0.0.1] [--port 0] [--control-port 0] [--token kpat_test]
               [--tls-cert PEM [--tls-key PEM]] [--exit-with-stdin]

prints {"port": N, "control": N} on one line once it listens.
The base URL of a client is http://127.0.0.1:PORT; paths start with /v1.

Served: /catalog-services, /integrations, /integration-instances, their
auth-credential (a singleton), /resources, /resource-mappings, and
/resources/{id}/catalog-services, /catalog-services/{id}/resources,
/integration-instances/{id}/resources/{rid} (PATCH).
Refused with a problem document: whatever the published schema does not allow
in a body, an undocumented query parameter, filter, operator or sort (400),
another content type (415), an unknown route (404) or method (405).

Control calls (JSON over HTTP; arguments in the query or the body):
  GET    /state         services, instances, credentials (with keys), resources,
                        mappings, post_counts {service name: POSTs},
                        in_flight, max_in_flight
  GET    /counts        {objects: {services: N, ...}, requests: {"POST /route": N},
                        in_flight, max_in_flight}
  GET    /requests      [{method, path, target, query, body, user_agent, status, time}];
                        status is null if no answer was sent
  DELETE /requests      (and violations, counts, post_counts, max_in_flight)
  GET    /violations    the requests refused for what the client sent: 400, 404 of
                        a route, 405, 415; not refusals a test asked for
  POST   /service {name, display_name?, description?, labels?, custom_fields?}
  PATCH  /service {name | id, new_name?, ...}      labels merge, custom_fields replace
  DELETE /service?name= (or id=)
  POST   /instance {name, config, integration_name = azure-devops, display_name?, ...}
  PATCH  /instance {name | id, ...}                DELETE /instance?name= (or id=)
  PATCH  /credential {instance, tainted?, missing_permissions?, expires_at?}
  DELETE /credential?instance=
  POST   /resource {instance, type, config, name?, integration_data?}     discovered
  PATCH  /resource {id, name?, integration_data?, archived?}   DELETE /resource?id=
  POST   /mapping {service, resource}              DELETE /mapping?id=
  POST   /settings      any of, with their defaults:
      conflict_status 409 (or 400, naming only the field name)
      custom_fields_patch "replace" (or "merge")
      resource_types {...}            of azure-devops
      refuse_resource_by_config false
      rate_limit_per_minute 0 (none)  latency_ms 0      refuse_names []
      totals "right" (or "absent", "wrong")             token "kpat_test"
      requests_per_connection 0 (else closes unannounced after so many)
      log_bodies true
  GET    /settings
  POST   /fault {kind, method?, path_regex?, times = 1 (-1 for ever), after?, ...}
  GET    /fault         DELETE /fault
  POST   /reset         as it was at the start

Faults, the action not performed:
  reset_before   hang   401   403   429 {retry_after?}   503 {retry_after?}
  html {status = 502}   status {status, body?, headers?, content_type?}
Faults, the action performed:
  lost_answer    slow {seconds}     drip {bytes_per_second}      truncate
  garbage        hang_after
Faults of a list (GET, 200):
  empty_list     short_list {n = 1, totals = true: total agrees with what is left}
"""

import json
import threading
import time
from collections import deque

import common
import konnect_query as q
import konnect_schema as schema
from common import Answer, ControlError, dumps
from konnect_store import (Conflict, Invalid, Missing, Settings, Store, show_credential,
                           show_instance, show_mapping, show_resource, show_service)

TITLES = {400: "Bad Request", 401: "Unauthorized", 403: "Forbidden", 404: "Not Found",
          405: "Method Not Allowed", 409: "Conflict", 415: "Unsupported Media Type",
          429: "Too Many Requests", 503: "Service Unavailable"}
EARLY = {"reset_before", "hang", "401", "403", "429", "503", "html", "status"}
LATE = {"lost_answer", "slow", "drip", "truncate", "garbage", "hang_after"}
LISTS = {"empty_list", "short_list"}
TYPE_JSON = ("Content-Type", "application/json; charset=utf-8")


class NoRoute(Exception):
    """A path, or a method of a path, that is not served."""

    def __init__(self, status, allowed=()):
        super().__init__()
        self.status = status
        self.allowed = allowed


class WrongType(Exception):
    """A body that is not application/json."""


class Konnect:
    """The application behind the port."""

    def __init__(self, token):
        self.lock = threading.RLock()
        self.token = self.first_token = token
        self.settings = Settings()
        self.store = Store(self.settings)
        self.log = common.RequestLog()
        self.gauge = common.Gauge()
        self.faults = common.Faults(EARLY | LATE | LISTS)
        self.post_counts = {}
        self.recent = deque()
        self.lists = {}
        self.lists_of = 0
        self.routes = self.make_routes()

    @property
    def requests_per_connection(self):
        return self.settings.requests_per_connection

    def make_routes(self):
        store = self.store
        services = ("services", q.SERVICE_FILTERS, q.SERVICE_SORT, show_service)
        resources = ("resources", q.RESOURCE_FILTERS, q.RESOURCE_SORT, show_resource)

        def get(table, show):
            return lambda r, key: (200, show(store.need(table, self.no_query(r, key))))

        def gone(function):
            return lambda r, key: (204, function(self.no_query(r, key)))

        return {
            "/catalog-services": {
                "GET": lambda r: self.list(r, *services), "POST": self.post_service},
            "/catalog-services/*": {
                "GET": get(store.services, show_service), "PATCH": self.patch_service,
                "DELETE": gone(store.delete_service)},
            "/catalog-services/*/resources": {"GET": self.service_resources},
            "/integrations": {"GET": lambda r: self.list(
                r, "integrations", q.INTEGRATION_FILTERS, q.INTEGRATION_SORT, dict)},
            "/integration-instances": {
                "GET": lambda r: self.list(r, "instances", q.INSTANCE_FILTERS, q.INSTANCE_SORT,
                                           show_instance),
                "POST": self.post_instance},
            "/integration-instances/*": {
                "GET": get(store.instances, show_instance), "PATCH": self.patch_instance,
                "DELETE": gone(store.delete_instance)},
            "/integration-instances/*/auth-credential": {
                "GET": get(store.credentials, show_credential), "POST": self.post_credential,
                "DELETE": gone(store.delete_credential)},
            "/integration-instances/*/resources/*": {"PATCH": self.patch_resource},
            "/resources": {"GET": lambda r: self.list(r, *resources, cursor=True)},
            "/resources/*": {"GET": get(store.resources, show_resource)},
            "/resources/*/catalog-services": {"GET": self.resource_services},
            "/resource-mappings": {
                "GET": lambda r: self.list(r, "mappings", q.MAPPING_FILTERS, q.MAPPING_SORT,
                                           show_mapping),
                "POST": self.post_mapping},
            "/resource-mappings/*": {
                "GET": get(store.mappings, show_mapping), "DELETE": gone(store.delete_mapping)}}

    # One request.

    def serve(self, request):
        if self.settings.latency_ms:
            time.sleep(self.settings.latency_ms / 1000)
        template, keys = self.template(request.path)
        violation = None
        answer = self.early(request)
        if answer is None:
            with self.lock:
                answer, violation = self.perform(request, template, keys)
            answer = self.late(request, answer)
        self.note(request, template, answer, violation)
        return answer

    @staticmethod
    def template(path):
        """The route as in `routes`, and the ids in the path."""
        parts = path.split("/")
        if parts[:2] != ["", "v1"]:
            return "unknown", []
        where = "".join("/" + ("*" if number % 2 else part)
                        for number, part in enumerate(parts[2:]))
        return where, parts[3::2]

    def note(self, request, template, answer, violation):
        how = set(answer.delivery)
        entry = {"method": request.method, "path": request.path, "target": request.target,
                 "query": dict(request.query), "body": None,
                 "user_agent": request.headers.get("user-agent"),
                 "status": None if how & {"reset", "hang", "drop"} else answer.status}
        if request.body and self.settings.log_bodies:
            try:
                entry["body"] = json.loads(request.body)
            except ValueError:
                entry["body"] = request.body.decode("utf-8", "replace")
        known = template if template in self.routes else "unknown"
        self.log.add(entry, known, violation)

    def perform(self, request, template, keys):
        """(answer, violation or None)."""
        try:
            if request.headers.get("authorization") != f"Bearer {self.token}":
                answer = self.problem(request, 401, "Invalid credentials")
                answer.headers.append(("WWW-Authenticate", 'Bearer realm="konnect"'))
                return answer, None
            wait = self.over_limit()
            if wait:
                answer = self.problem(request, 429, "API rate limit exceeded")
                answer.headers.append(("Retry-After", str(wait)))
                return answer, None
            methods = self.routes.get(template)
            if methods is None or "" in keys:
                raise NoRoute(404)
            if request.method not in methods:
                raise NoRoute(405, sorted(methods))
            if request.body and request.method in ("GET", "DELETE"):
                schema.refuse("body", "is_null", "no body is allowed")
            status, value = methods[request.method](request, *keys)
            if status == 204:
                return Answer(204, b"", self.trace(request)), None
            return Answer(status, dumps(value), [TYPE_JSON, *self.trace(request)]), None
        except Invalid as error:
            answer = self.problem(request, 400, error.detail, invalid_parameters=error.issues)
            what = "; ".join(f"{i['field']}: {i['reason']}" for i in error.issues)
            return answer, None if error.chosen else what
        except Conflict as error:
            return self.problem(request, 409, str(error)), None
        except Missing:
            return self.problem(request, 404, "Not found"), None
        except WrongType:
            return self.problem(request, 415, "The body must be application/json"), "content type"
        except NoRoute as error:
            answer = self.problem(request, error.status, "No such operation")
            if error.allowed:
                answer.headers.append(("Allow", ", ".join(error.allowed)))
            return answer, "no such operation"

    @staticmethod
    def trace(request):
        return [("X-Datadog-Trace-Id", str(7000000000 + request.number))]

    def problem(self, request, status, detail, **more):
        body = {"status": status, "title": TITLES.get(status, "Error"),
                "type": f"https://httpstatuses.com/{status}",
                "instance": f"kong:trace:{7000000000 + request.number}", "detail": detail, **more}
        return Answer(status, dumps(body),
                      [("Content-Type", "application/problem+json"), *self.trace(request)])

    def over_limit(self):
        """Seconds to wait, or 0."""
        limit = self.settings.rate_limit_per_minute
        if not limit:
            return 0
        now = time.monotonic()
        while self.recent and self.recent[0] <= now - 60:
            self.recent.popleft()
        if len(self.recent) >= limit:
            return int(self.recent[0] + 60 - now) + 1
        self.recent.append(now)
        return 0

    # Faults.

    def early(self, request):
        """The answer of a fault instead of the action, or None."""
        fault = self.faults.take(request, EARLY)
        if not fault:
            return None
        kind = fault["kind"]
        if kind in ("reset_before", "hang"):
            answer = Answer(200)
            answer.delivery["reset" if kind == "reset_before" else "hang"] = True
            return answer
        if kind == "html":
            return Answer(int(fault.get("status", 502)),
                          b"<html><head><title>502 Bad Gateway</title></head></html>\r\n",
                          [("Content-Type", "text/html")])
        if kind == "status":
            return self.any_status(request, fault)
        answer = self.problem(request, int(kind), TITLES[int(kind)])
        if "retry_after" in fault:
            answer.headers.append(("Retry-After", str(fault["retry_after"])))
        return answer

    def any_status(self, request, fault):
        status, body = int(fault.get("status", 500)), fault.get("body")
        # The document wants at least one reason of a 400.
        more = {"invalid_parameters": [schema.issue("test", "invalid", "asks for it")]} if status == 400 else {}
        answer = self.problem(request, status, "Asked for by a test", **more)
        if body is not None:
            answer.body = body.encode() if isinstance(body, str) else dumps(body)
        if "content_type" in fault:
            answer.headers[0] = ("Content-Type", fault["content_type"])
        answer.headers += [(key, str(value)) for key, value in fault.get("headers", {}).items()]
        return answer

    def late(self, request, answer):
        """What becomes of an answer once the action has been performed."""
        if not self.faults.items:
            return answer
        for kind in LATE:
            fault = self.faults.take(request, {kind})
            if not fault:
                continue
            if kind == "lost_answer":
                answer.delivery["drop"] = True
            elif kind == "hang_after":
                answer.delivery["hang"] = True
            elif kind == "garbage":
                answer.body = b'{"data": [nonsense'
            else:
                common.deliver(answer, fault)
        return answer

    # Lists.

    def list(self, request, name, filters, sorting, show, items=None, cursor=False):
        """One page; the selection is kept while nothing changes."""
        query = q.Query(request, filters, sorting, cursor)
        if self.lists_of != self.store.generation:
            self.lists = {}
            self.lists_of = self.store.generation
        key = (name, *(pair for pair in request.query if not pair[0].startswith("page[")))
        if items is not None:
            chosen = query.select(items)
        elif key in self.lists:
            chosen = self.lists[key]
        else:
            chosen = self.lists[key] = query.select(self.candidates(name, query.equal))
        total = len(chosen)
        fault = self.faults.take(request, LISTS)
        if fault:
            left = 0 if fault["kind"] == "empty_list" else total - int(fault.get("n", 1))
            chosen = chosen[: max(0, left)]
            total = len(chosen) if fault.get("totals", True) else total
        if cursor:
            return 200, self.cursor_page(request, query, chosen, show)
        start = (query.number - 1) * query.size
        page = {"size": query.size, "number": query.number}
        if self.settings.totals != "absent":
            page["total"] = total + (self.settings.totals == "wrong")
        return 200, {"meta": {"page": page},
                     "data": [show(item) for item in chosen[start : start + query.size]]}

    @staticmethod
    def cursor_page(request, query, chosen, show):
        items, after, before = query.cursor_page(chosen)
        path = request.path.removeprefix("/v1")
        return {"data": [show(item) for item in items], "meta": {"page": {
            "size": query.size, "first": q.uri(path, query.size),
            "next": after and q.uri(path, query.size, "page[after]", after),
            "previous": before and q.uri(path, query.size, "page[before]", before)}}}

    def candidates(self, name, equal):
        """What a list has to look at, without a scan where an index will do."""
        store = self.store
        table = getattr(store, name)
        if name == "mappings":
            for field, index in (("service.id", store.of_service),
                                 ("resource.id", store.of_resource)):
                if field in equal:
                    return list(index.get(equal[field], {}).values())
        names = {"services": store.service_names, "instances": store.instance_names}.get(name)
        if names is not None and "name" in equal:
            found = table.get(names.get(equal["name"]))
            return [found] if found else []
        return list(table.values())

    def service_resources(self, request, service_id):
        self.store.need(self.store.services, service_id)
        items = [m["resource"] for m in self.store.of_service.get(service_id, {}).values()]
        return self.list(request, "resources", q.SERVICE_RESOURCE_FILTERS, None, show_resource,
                         items)

    def resource_services(self, request, resource_id):
        self.store.need(self.store.resources, resource_id)
        items = [m["service"] for m in self.store.of_resource.get(resource_id, {}).values()]
        return self.list(request, "services", q.SERVICE_FILTERS, q.SERVICE_SORT, show_service,
                         items)

    # Writes.

    @staticmethod
    def no_query(request, key=None):
        """The key, if the request has no query parameters."""
        if request.query:
            schema.refuse(request.query[0][0], "unknown_property", "is not known", "query")
        return key

    def body(self, request, fields, required=(), patch=False):
        kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
        if kind != "application/json":
            raise WrongType
        self.no_query(request)
        body = schema.parse(request.body)
        if fields is not None:
            schema.check(body, fields, required, patch)
        return body

    def post_service(self, request):
        body = self.body(request, schema.SERVICE, ("name", "display_name"))
        self.post_counts[body["name"]] = self.post_counts.get(body["name"], 0) + 1
        return 201, show_service(self.store.add_service(body))

    def patch_service(self, request, service_id):
        body = self.body(request, schema.SERVICE, patch=True)
        return 200, show_service(self.store.patch_service(service_id, body))

    def post_instance(self, request):
        body = self.body(request, schema.INSTANCE,
                         ("integration_name", "name", "display_name", "config"))
        return 201, show_instance(self.store.add_instance(body))

    def patch_instance(self, request, instance_id):
        body = self.body(request, schema.INSTANCE_PATCH, patch=True)
        return 200, show_instance(self.store.patch_instance(instance_id, body))

    def post_credential(self, request, instance_id):
        body = self.body(request, None)
        return 201, show_credential(self.store.add_credential(instance_id, body))

    def patch_resource(self, request, instance_id, resource_id):
        body = self.body(request, schema.RESOURCE_PATCH, patch=True)
        return 200, show_resource(self.store.patch_resource(instance_id, resource_id, body))

    def post_mapping(self, request):
        body = self.body(request, schema.MAPPING, ("service", "resource"))
        return 201, show_mapping(self.store.add_mapping(body))

    # The control port.

    def state(self, _):
        store = self.store
        credentials = [{**show_credential(item), "keys": item["keys"]}
                       for item in store.credentials.values()]
        return {"services": [show_service(item) for item in store.services.values()],
                "instances": [show_instance(item) for item in store.instances.values()],
                "credentials": credentials,
                "resources": [show_resource(item) for item in store.resources.values()],
                "mappings": [show_mapping(item) for item in store.mappings.values()],
                "post_counts": self.post_counts, "in_flight": self.gauge.now,
                "max_in_flight": self.gauge.most}

    def counts(self, _):
        store = self.store
        tables = ("services", "instances", "credentials", "resources", "mappings")
        return {"objects": {name: len(getattr(store, name)) for name in tables},
                "requests": dict(self.log.counts), "in_flight": self.gauge.now,
                "max_in_flight": self.gauge.most}

    def clear(self, _):
        self.log.clear()
        self.post_counts.clear()
        self.gauge.restart()
        return {}

    def reset(self, arguments):
        vars(self.settings).clear()
        self.token = self.first_token
        self.store.reset()
        self.faults.clear()
        self.recent.clear()
        return self.clear(arguments)

    def show_settings(self, _):
        keys = [key for key in vars(Settings) if not key.startswith("_")]
        return {key: getattr(self.settings, key) for key in keys} | {
            "token": self.token,
            "resource_types": self.store.integrations["azure-devops"]["resource_types"]}

    def set(self, arguments):
        known = self.show_settings(None)
        for key in arguments.keys() - known.keys():
            raise ControlError(f"{key}: not a setting; known are {', '.join(sorted(known))}")
        for key, value in arguments.items():
            if key == "token":
                self.token = value
            elif key == "resource_types":
                self.store.integrations["azure-devops"]["resource_types"] = value
                self.store.generation += 1
            else:
                setattr(self.settings, key, value)
        return self.show_settings(None)

    def controls(self):
        """The control calls: edits go past the validation, not past the rules."""
        store, log = self.store, self.log

        def service(a):
            return self.wanted(store.find_service(a.get("id") or a.get("name")))["id"]

        def instance(a):
            return self.wanted(store.find_instance(
                a.get("id") or a.get("name") or a.get("instance")))["id"]

        def changes(a, named):
            rest = {key: value for key, value in a.items() if key not in ("id", "new_name")}
            if named:
                rest.pop("name", None)
            return rest | ({"name": a["new_name"]} if "new_name" in a else {})

        def add_resource(a):
            owner = store.instances[instance({"name": a["instance"]})]
            store.check_resource(owner, a["type"], a["config"])
            return show_resource(store.add_resource(
                owner, a["type"], a["config"], a.get("name"), a.get("integration_data")))

        def patch_resource(a):
            item = self.wanted(store.resources.get(a["id"]))
            item.update({key: a[key] for key in ("name", "integration_data") if key in a})
            archived = {"archived": a["archived"]} if "archived" in a else {}
            owner = item["integration"]["instance"]["id"]
            return show_resource(store.patch_resource(owner, a["id"], archived))

        def patch_credential(a):
            item = self.wanted(store.credentials.get(instance(a)))
            item.update({key: a[key] for key in ("tainted", "missing_permissions", "expires_at") if key in a})
            return show_credential(item)

        calls = {
            ("GET", "/state"): self.state,
            ("GET", "/counts"): self.counts,
            ("GET", "/requests"): lambda a: log.snapshot(),
            ("DELETE", "/requests"): self.clear,
            ("GET", "/violations"): lambda a: list(log.violations),
            ("POST", "/service"): lambda a: show_service(store.add_service(
                {"display_name": a["name"], **a})),
            ("PATCH", "/service"): lambda a: show_service(store.patch_service(
                service(a), changes(a, "id" not in a))),
            ("DELETE", "/service"): lambda a: store.delete_service(service(a)) or {},
            ("POST", "/instance"): lambda a: show_instance(store.add_instance(
                {"integration_name": "azure-devops", "display_name": a["name"], **a})),
            ("PATCH", "/instance"): lambda a: show_instance(store.patch_instance(
                instance(a), changes(a, "id" not in a))),
            ("DELETE", "/instance"): lambda a: store.delete_instance(instance(a)) or {},
            ("PATCH", "/credential"): patch_credential,
            ("DELETE", "/credential"): lambda a: store.delete_credential(instance(a)) or {},
            ("POST", "/resource"): add_resource,
            ("PATCH", "/resource"): patch_resource,
            ("DELETE", "/resource"): lambda a: store.delete_resource(a["id"]) or {},
            ("POST", "/mapping"): lambda a: show_mapping(store.add_mapping(a)),
            ("DELETE", "/mapping"): lambda a: store.delete_mapping(a["id"]) or {},
            ("GET", "/settings"): self.show_settings,
            ("POST", "/settings"): self.set,
            ("POST", "/fault"): self.faults.add,
            ("GET", "/fault"): lambda a: self.faults.list(),
            ("DELETE", "/fault"): lambda a: self.faults.clear() or {},
            ("POST", "/reset"): self.reset,
        }
        return {key: self.guarded(call) for key, call in calls.items()}

    @staticmethod
    def wanted(item):
        if item is None:
            raise ControlError("no such object")
        return item

    @staticmethod
    def guarded(call):
        def guard(arguments):
            try:
                return call(arguments)
            except Invalid as error:
                raise ControlError(json.dumps(error.issues)) from error
            except (Conflict, Missing) as error:
                raise ControlError(f"{type(error).__name__}: {error}") from error
        return guard


def main():
    parser = common.arguments("Simulates the Konnect Catalog API for tests.")
    parser.add_argument("--token", default="kpat_test")
    options = parser.parse_args()
    common.run(Konnect(options.token), options)


if __name__ == "__main__":
    main()
