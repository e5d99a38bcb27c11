"""The simulators refuse what they must and misbehave on demand."""

import base64
import concurrent.futures
import gzip
import http.client
import json
import os
import shutil
import ssl
import subprocess
import sys
import time
import urllib.parse

import pytest

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "sim"))
from common import Sim  # noqa: E402

LIST = "/contoso/_apis/git/repositories?api-version=7.1"


class Reply:
    def __init__(self, response, body):
        self.status = response.status
        self.headers = response.headers
        self.body = body

    @property
    def json(self):
        return json.loads(self.body)


def ask(sim, method, path, body=None, headers=None, timeout=5):
    connection = http.client.HTTPConnection("127.0.0.1", sim.port, timeout=timeout)
    try:
        connection.request(method, path, body, headers or {})
        response = connection.getresponse()
        data = response.read()
        if response.headers.get("Content-Encoding") == "gzip":
            data = gzip.decompress(data)
        return Reply(response, data)
    finally:
        connection.close()


@pytest.fixture(scope="module")
def ado_process():
    with Sim("ado.py") as sim:
        yield sim


@pytest.fixture
def ado(ado_process):
    ado_process.control("DELETE", "/fault")
    ado_process.control("DELETE", "/requests")
    ado_process.control("POST", "/org", {
        "name": "contoso", "pat": "secret",
        "projects": [{"name": "Payments Hub", "description": "Money"}],
        "repos": [{"project": "Payments Hub", "name": f"repo {n}"} for n in range(4)] + [
            {"project": "Other", "name": "empty", "default_branch": None, "size": 0,
             "fork": True}]})
    return ado_process


def poll(sim, path=LIST, pat="secret", user="", **headers):
    token = base64.b64encode(f"{user}:{pat}".encode()).decode()
    headers = {key.replace("_", "-"): value for key, value in headers.items()}
    return ask(sim, "GET", path, headers={"Authorization": f"Basic {token}", **headers})


def test_ado_listing(ado):
    reply = poll(ado, user="anyone", Accept_Encoding="gzip")
    assert reply.status == 200
    assert reply.headers["Content-Type"] == "application/json; charset=utf-8; api-version=7.1"
    assert reply.headers["Transfer-Encoding"] == "chunked"
    assert reply.headers["ActivityId"] and reply.headers["X-VSS-UserData"]
    assert list(reply.json) == ["value", "count"] and reply.json["count"] == 5
    first, last = reply.json["value"][0], reply.json["value"][-1]
    assert first["webUrl"] == "https://dev.azure.com/contoso/Payments%20Hub/_git/repo%200"
    assert first["remoteUrl"].startswith("https://contoso@dev.azure.com/")
    assert first["project"]["description"] == "Money" and "isFork" not in first
    assert "defaultBranch" not in last and last["isFork"] is True
    assert "description" not in last["project"]
    assert poll(ado, LIST.upper().replace("API-VERSION", "api-version")).status == 200


def test_ado_versions_routes_and_methods(ado):
    assert poll(ado, LIST.replace("7.1", "5.0")).status == 200
    assert poll(ado, LIST.replace("7.1", "9.9")).json["typeKey"] == "VssVersionOutOfRangeException"
    assert poll(ado, LIST.split("?")[0]).json["typeKey"] == "VssVersionNotSpecifiedException"
    assert poll(ado, "/contoso/_apis/git/nothing?api-version=7.1").status == 404
    assert poll(ado, "/nobody" + LIST[8:]).headers["Content-Type"].startswith("text/plain")
    assert ask(ado, "POST", LIST, "{}").status == 405
    said = [v["violation"] for v in ado.control("GET", "/violations")]
    assert len(said) == 4 and "method is not GET" in said
    ado.control("PATCH", "/org", {"name": "contoso", "api_versions": ["6.0"]})
    assert poll(ado).status == 400 and poll(ado, LIST.replace("7.1", "6.0")).status == 200
    assert len(ado.control("GET", "/violations")) == 4


def test_ado_credentials(ado):
    suppress = {"X_TFS_FedAuthRedirect": "Suppress"}
    assert poll(ado, pat="wrong").headers["Location"].startswith("https://sps")
    reply = poll(ado, pat="wrong", **suppress)
    assert reply.status == 401 and reply.json["typeKey"] == "UnauthorizedRequestException"
    assert "TF400813" in reply.json["message"] and reply.headers["WWW-Authenticate"]
    for text in (":secret", "OnNlY3JldA", "OnNlY3JldA==\t=", "OnNlY3JldB=="):
        assert ask(ado, "GET", LIST, headers={"Authorization": "Basic " + text}).status == 302
    ado.control("PATCH", "/org", {"name": "contoso", "pat_state": "expired"})
    reply = poll(ado, **suppress)
    assert reply.status == 401 and reply.json["typeKey"] == "AccessCheckException"
    assert urllib.parse.unquote(reply.headers["X-TFS-ServiceError"]) == reply.json["message"]
    ado.control("PATCH", "/org", {"name": "contoso", "pat_state": "noscope"})
    reply = poll(ado, **suppress)
    assert (reply.status, reply.body, reply.headers["X-TFS-ServiceError"]) == (401, b"", None)


def test_ado_world_changes(ado):
    value = poll(ado).json["value"]
    project, repo = value[0]["project"]["id"], value[0]["id"]
    ado.control("PATCH", "/repo", {"org": "contoso", "id": repo, "name": "new", "disabled": True})
    ado.control("PATCH", "/project", {"org": "contoso", "id": project, "name": "Pay"})
    changed = poll(ado).json["value"][0]
    assert (changed["id"], changed["name"], changed["isDisabled"]) == (repo, "new", True)
    assert changed["project"]["name"] == "Pay"
    assert changed["project"]["revision"] > value[0]["project"]["revision"]
    ado.control("DELETE", f"/repo?org=contoso&id={repo}&recycle=1")
    ado.control("DELETE", f"/repo?org=contoso&id={value[1]['id']}")
    ado.control("PATCH", "/repo", {"org": "contoso", "id": value[2]["id"], "hidden": True})
    assert poll(ado).json["count"] == 2
    bin_path = f"/contoso/{project}/_apis/git/recycleBin/repositories?api-version=7.1"
    assert [r["id"] for r in poll(ado, bin_path).json["value"]] == [repo]
    ado.control("PATCH", "/org", {"name": "contoso", "bin_preview_only": True})
    assert poll(ado, bin_path).status == 400 and poll(ado, bin_path + "-preview.1").status == 200
    ado.control("POST", "/restore", {"org": "contoso", "id": repo})
    assert poll(ado).json["count"] == 3
    made = ado.control("POST", "/generate", {"org": "big", "projects": 30, "repos": 500,
                                             "pat": "p"})
    assert made == {"repos": 500, "projects": 30}
    names = [(r["project"]["id"], r["name"]) for r in
             poll(ado, "/big" + LIST[8:], pat="p").json["value"]]
    assert len(set(names)) == 500 and ado.control("GET", "/world")["big"]["pat"] == "p"


@pytest.mark.parametrize("kind, broken", [
    ("wrong_count", lambda r: r.json["count"] != len(r.json["value"])),
    ("bom", lambda r: r.body.startswith(b"\xef\xbb\xbf{")),
    ("count_first", lambda r: list(r.json) == ["count", "value"]),
    ("401_valid_body", lambda r: r.status == 401 and r.json["count"] == 5),
    ("duplicate_guid", lambda r: len({e["id"] for e in r.json["value"]}) == 5
        and r.json["count"] == len(r.json["value"]) == 6),
    ("not_array", lambda r: isinstance(r.json["value"], dict)),
    ("unclosed", lambda r: r.body.endswith(b'"count":5')),
    ("garbage", lambda r: r.body[:1] != b"{"),
    ("empty", lambda r: r.json == {"value": [], "count": 0}),
    ("partial", lambda r: r.json["count"] == len(r.json["value"]) == 2),
    ("no_default", lambda r: b"defaultBranch" not in r.body),
    ("extra_keys", lambda r: len(r.json["value"]) == r.json["count"] == 5),
    ("long_element", lambda r: len(r.body) > 2 << 20 and r.json["count"] == 5),
    ("deep_nesting", lambda r: b"[" * 10000 in r.body),
    ("gzip_bomb", lambda r: len(r.body) > 64 << 20),
    ("bad_element", lambda r: isinstance(r.json["value"][-1], str)),
    ("status_203", lambda r: r.status == 203 and b"<html" in r.body),
    ("html_signin", lambda r: r.status == 200 and b"Sign In" in r.body),
    ("html_unavailable", lambda r: r.status == 503 and b"Services Unavailable" in r.body),
    ("redirect", lambda r: r.status == 302 and r.headers["Location"]),
    ("503", lambda r: r.status == 503 and r.headers["Retry-After"] is None),
    ("503_tf24668", lambda r: r.body.startswith(b"\xef\xbb\xbf") and b"TF24668" in r.body),
    ("403_vs403463", lambda r: r.status == 403 and b"VS403463" in r.body),
    ("429", lambda r: r.status == 429 and b"TF400733" in r.body),
    ("retry_after", lambda r: r.status == 200 and r.headers["Retry-After"] == "1"),
    ("ratelimit_delay", lambda r: r.status == 200 and r.headers["X-RateLimit-Delay"] == "1"),
])
def test_ado_fault(ado, kind, broken):
    ado.fault(kind)
    assert broken(poll(ado, Accept_Encoding="gzip"))
    assert poll(ado).json["count"] == 5


def test_ado_fault_details(ado):
    ado.fault("429", retry_after=7, html=True)
    assert poll(ado).headers["Retry-After"] == "7"
    ado.fault("status", status=418, body={"a": 1}, headers={"X-Y": "z"}, times=-1, after=1)
    assert [poll(ado).status for _ in range(3)] == [200, 418, 418]
    ado.control("DELETE", "/fault")
    ado.fault("empty", org="elsewhere")
    ado.fault("503", path_regex="recycleBin")
    assert poll(ado).json["count"] == 5
    ado.control("DELETE", "/fault")
    ado.fault("truncate")
    with pytest.raises(http.client.IncompleteRead):
        poll(ado)
    ado.fault("reset")
    with pytest.raises(ConnectionResetError):
        poll(ado)
    ado.fault("hang")
    with pytest.raises(TimeoutError):
        ask(ado, "GET", LIST, timeout=0.2)
    for spec in ({"kind": "slow", "seconds": 0.3}, {"kind": "drip", "bytes_per_second": 10000}):
        ado.control("POST", "/fault", spec)
        start = time.monotonic()
        assert poll(ado).json["count"] == 5
        assert time.monotonic() - start > 0.2
    with pytest.raises(RuntimeError, match="kind: one of"):
        ado.fault("nonsense")
    entry = ado.control("GET", "/requests")[-1]
    assert entry["method"] == "GET" and entry["org"] == "contoso" and entry["status"] == 200


@pytest.fixture(scope="module")
def konnect_process():
    with Sim("konnect.py") as sim:
        yield sim


@pytest.fixture
def konnect(konnect_process):
    sim = konnect_process
    sim.control("DELETE", "/fault")
    sim.control("POST", "/settings", {
        "conflict_status": 409, "custom_fields_patch": "replace", "totals": "right",
        "refuse_resource_by_config": False, "rate_limit_per_minute": 0, "refuse_names": [],
        "requests_per_connection": 0})
    state = sim.control("GET", "/state")
    for service in state["services"]:
        sim.control("DELETE", f"/service?id={service['id']}")
    for instance in state["instances"][1:]:
        sim.control("DELETE", f"/instance?id={instance['id']}")
    sim.control("DELETE", "/requests")
    return sim


def call(sim, method, path, body=None, token="kpat_test", kind="application/json", timeout=5):
    headers = {"Authorization": f"Bearer {token}"}
    if body is not None:
        headers["Content-Type"] = kind
        body = body if isinstance(body, (str, bytes)) else json.dumps(body)
    return ask(sim, method, "/v1" + path, body, headers, timeout)


def service(name="a", **more):
    return {"name": name, "display_name": "A", **more}


def by_config(name="a", **config):
    wanted = {"organization_name": "o", "project_id": "p", "repository_id": "r", **config}
    return {"service": name, "resource": {"integration_instance": "contoso",
                                          "type": "azure_devops_repository", "config": wanted}}


def test_konnect_service_life(konnect):
    made = call(konnect, "POST", "/catalog-services", service(labels={"a": "1", "b": "2"}))
    assert made.status == 201 and made.json["description"] is None
    assert made.json["created_at"] and list(made.json)[0] != "name"
    path = f"/catalog-services/{made.json['id']}"
    link = {"git_repo": {"name": "n", "link": "https://x/y%20z"}}
    call(konnect, "PATCH", path, {"custom_fields": {"owner": "me"}})
    reply = call(konnect, "PATCH", path, {"labels": {"a": None, "c": "3"}, "custom_fields": link})
    assert reply.json["labels"] == {"b": "2", "c": "3"} and reply.json["custom_fields"] == link
    konnect.control("POST", "/settings", {"custom_fields_patch": "merge"})
    reply = call(konnect, "PATCH", path, {"custom_fields": {"owner": "me"}})
    assert reply.json["custom_fields"] == {**link, "owner": "me"}
    assert call(konnect, "GET", path).json["display_name"] == "A"
    assert call(konnect, "POST", "/catalog-services", service()).status == 409
    konnect.control("POST", "/settings", {"conflict_status": 400, "refuse_names": ["no"]})
    reply = call(konnect, "POST", "/catalog-services", service())
    assert [i["field"] for i in reply.json["invalid_parameters"]] == ["name"]
    assert call(konnect, "POST", "/catalog-services", service("no")).status == 400
    assert konnect.control("GET", "/violations") == []
    assert call(konnect, "DELETE", path).status == 204 and call(konnect, "GET", path).status == 404
    assert konnect.control("GET", "/state")["post_counts"] == {"a": 3, "no": 1}


@pytest.mark.parametrize("field, body", [
    ("display_name", {"name": "a"}),
    ("name", service("")), ("name", service("Upper")), ("name", service("a" * 121)),
    ("name", service("a\n")), ("extra", service(extra=1)), ("display_name", {
        "name": "a", "display_name": "ü" * 121}),
    ("description", service(description="x" * 2049)), ("description", service(description=1)),
    ("labels", service(labels={f"k{n}": "v" for n in range(51)})), ("labels", service(labels=None)),
    ("labels.kong-x", service(labels={"kong-x": "v"})), ("labels._x", service(labels={"_x": "v"})),
    ("labels.x", service(labels={"x": ""})), ("labels.x", service(labels={"x": "a/b"})),
    ("labels.x", service(labels={"x": "-a"})), ("labels.x", service(labels={"x": "a" * 64})),
    ("labels.x", service(labels={"x": None})),
    ("custom_fields.git_repo", service(custom_fields={"git_repo": "https://x"})),
    ("custom_fields.git_repo.link", service(custom_fields={"git_repo": {"name": "n"}})),
    ("custom_fields.git_repo.link", service(custom_fields={
        "git_repo": {"name": "n", "link": "https://x/a b"}})),
    ("custom_fields.list", service(custom_fields={"list": []})),
    ("body", "[]"), ("body", '{"name":"a","name":"b","display_name":"A"}'), ("body", b"{\xff}"),
])
def test_konnect_refuses_a_body(konnect, field, body):
    reply = call(konnect, "POST", "/catalog-services", body)
    assert reply.status == 400
    assert reply.headers["Content-Type"] == "application/problem+json"
    assert field in [i["field"] for i in reply.json["invalid_parameters"]]
    assert reply.json["instance"].startswith("kong:trace:")
    assert len(konnect.control("GET", "/violations")) == 1
    assert konnect.control("GET", "/counts")["objects"]["services"] == 0


def test_konnect_refuses_a_request(konnect):
    assert call(konnect, "GET", "/integrations", token="x").status == 401
    assert call(konnect, "GET", "/nothing").status == 404
    assert call(konnect, "PUT", "/catalog-services", {}).status == 405
    assert call(konnect, "POST", "/catalog-services", service(), kind="text/json").status == 415
    for query in ("page[size]=101", "page[number]=0", "page[size]=x", "size=1", "sort=labels",
                  "filter[owner]=x", "filter[name][like]=x", "filter[id]=x", "sort=name+up",
                  "filter[name][eq]=x&filter[name][neq]=y", "filter[created_at][gt]=yesterday"):
        assert call(konnect, "GET", f"/catalog-services?{query}").status == 400, query
    assert call(konnect, "GET", "/resources?page[number]=1").status == 400
    assert call(konnect, "GET", "/resources?page[after]=!").status == 400
    assert len(konnect.control("GET", "/violations")) == 16


def test_konnect_lists(konnect):
    for n in range(25):
        konnect.control("POST", "/service", {
            "name": f"s{n:02}", "display_name": f"{99 - n}", "labels": {"a.b": str(n % 2)}})

    def names(query):
        reply = call(konnect, "GET", "/catalog-services?" + query)
        assert reply.status == 200, reply.body
        return [item["name"] for item in reply.json["data"]]

    assert names("") == [f"s{n}" for n in range(24, 14, -1)]
    page = call(konnect, "GET", "/catalog-services?page[size]=10&page[number]=3").json
    assert page["meta"]["page"] == {"size": 10, "number": 3, "total": 25} and len(page["data"]) == 5
    assert names("sort=created_at&page%5Bsize%5D=2") == ["s00", "s01"]
    assert names("sort=created_at%20desc&page[size]=1") == ["s24"]
    assert len(names("filter[labels.a.b]=1&page[size]=100")) == 12
    assert names("filter[name]=s07") == names("filter[name][eq]=s07") == ["s07"]
    assert names("filter[name][oeq]=s01,s02&sort=name") == ["s01", "s02"]
    assert len(names("filter[name][contains]=s1&filter[labels.a.b][neq]=1")) == 5
    assert names("filter[created_at][gt]=2999-01-01T00:00:00Z") == []
    konnect.fault("short_list", n=5)
    konnect.fault("empty_list", totals=False)
    assert call(konnect, "GET", "/catalog-services").json["meta"]["page"]["total"] == 20
    lie = call(konnect, "GET", "/catalog-services").json
    assert lie["data"] == [] and lie["meta"]["page"]["total"] == 25


def test_konnect_instances_and_credentials(konnect):
    body = {"integration_name": "azure-devops", "name": "contoso", "display_name": "C",
            "config": {"organization": "contoso"}}
    for config in ({}, {"organization": 1}, {"organization": "x", "more": 1}, None):
        assert call(konnect, "POST", "/integration-instances",
                    {**body, "config": config}).status == 400
    made = call(konnect, "POST", "/integration-instances", body)
    assert made.status == 201 and made.json["authorized"] is False
    assert call(konnect, "POST", "/integration-instances", body).status == 409
    path = f"/integration-instances/{made.json['id']}"
    secret = {"type": "multi_key_auth",
              "config": {"headers": [{"name": "authorization", "key": "pat"}]}}
    assert call(konnect, "GET", path + "/auth-credential").status == 404
    wrong = {**secret, "config": {"headers": [{"name": "x", "key": "pat"}]}}
    assert call(konnect, "POST", path + "/auth-credential", wrong).status == 400
    reply = call(konnect, "POST", path + "/auth-credential", secret)
    assert reply.status == 201 and b'"pat"' not in reply.body
    assert call(konnect, "POST", path + "/auth-credential", secret).status == 409
    konnect.control("PATCH", "/credential", {"instance": "contoso", "tainted": True})
    assert call(konnect, "GET", path + "/auth-credential").json["tainted"] is True
    assert konnect.control("GET", "/state")["credentials"][0]["keys"][0]["key"] == "pat"
    assert call(konnect, "GET", path).json["authorized"] is True
    names = [i["name"] for i in call(konnect, "GET", "/integrations").json["data"]]
    assert names == ["azure-devops", "datadog", "gateway-manager"]
    found = call(konnect, "GET", "/integration-instances?filter[integration.name]=azure-devops")
    assert [i["id"] for i in found.json["data"]] == [made.json["id"]]
    assert call(konnect, "DELETE", path).status == 204


def test_konnect_mappings(konnect):
    instance = konnect.control("POST", "/instance", {
        "name": "contoso", "config": {"organization": "contoso"}})["id"]
    for name in ("a", "b"):
        konnect.control("POST", "/service", {"name": name})
    wrong = by_config(more="x")
    assert call(konnect, "POST", "/resource-mappings", wrong).status == 400
    wrong = by_config()
    wrong["resource"]["type"] = "repository"
    assert call(konnect, "POST", "/resource-mappings", wrong).status == 400
    assert call(konnect, "POST", "/resource-mappings", by_config("nobody")).status == 400
    made = call(konnect, "POST", "/resource-mappings", by_config())
    assert made.status == 201 and made.json["resource"]["name"] is None
    rid = made.json["resource"]["id"]
    assert len(rid) == 16 and made.json["service"]["name"] == "a"
    assert call(konnect, "POST", "/resource-mappings", by_config()).status == 409
    again = call(konnect, "POST", "/resource-mappings", {"service": "b", "resource": rid})
    assert again.status == 201
    query = f"/resource-mappings?filter[resource.id][eq]={rid}&sort=created_at"
    assert [m["service"]["name"] for m in call(konnect, "GET", query).json["data"]] == ["a", "b"]
    query = f"/resource-mappings?filter[resource.integration.instance.id][eq]={instance}"
    assert call(konnect, "GET", query).json["meta"]["page"]["total"] == 2
    mapped = call(konnect, "GET", f"/resources/{rid}/catalog-services?sort=name").json["data"]
    assert [s["name"] for s in mapped] == ["a", "b"]
    path = f"/integration-instances/{instance}/resources/{rid}"
    assert call(konnect, "PATCH", path, {"archived": "yes"}).status == 400
    reply = call(konnect, "PATCH", path, {"archived": True})
    assert reply.json["archived"] and reply.json["service_associations"] == 0
    assert call(konnect, "GET", "/resource-mappings").json["data"] == []
    assert call(konnect, "POST", "/resource-mappings", by_config()).status == 400
    call(konnect, "PATCH", path, {"archived": False})
    konnect.control("POST", "/settings", {"refuse_resource_by_config": True})
    assert call(konnect, "POST", "/resource-mappings", by_config()).status == 400
    assert call(konnect, "POST", "/resource-mappings",
                {"service": "a", "resource": rid}).status == 201
    konnect.control("DELETE", "/instance?name=contoso")
    objects = konnect.control("GET", "/counts")["objects"]
    assert (objects["resources"], objects["mappings"], objects["services"]) == (0, 0, 2)


def test_konnect_resources_by_cursor(konnect):
    konnect.control("POST", "/instance", {"name": "contoso", "config": {"organization": "o"}})
    for n in range(7):
        konnect.control("POST", "/resource", {
            "instance": "contoso", "type": "azure_devops_repository", "name": f"r{n}",
            "integration_data": {}, "config": {"organization_name": "o", "project_id": "p",
                                               "repository_id": str(n)}})
    seen, path = [], "/resources?page[size]=3"
    while path:
        reply = call(konnect, "GET", path).json
        seen += [item["name"] for item in reply["data"]]
        follow = reply["meta"]["page"]["next"]
        path = follow and "/resources" + follow[follow.index("?"):]
    assert seen == [f"r{n}" for n in range(6, -1, -1)]
    query = "/resources?filter[config.repository_id][eq]=3&filter[archived]=false"
    assert [r["name"] for r in call(konnect, "GET", query).json["data"]] == ["r3"]


def test_konnect_faults(konnect):
    for kind in ("401", "403", "429", "503", "html"):
        konnect.fault(kind, method="POST", retry_after=3)
        assert call(konnect, "GET", "/catalog-services").status == 200
        reply = call(konnect, "POST", "/catalog-services", service())
        assert reply.status == (502 if kind == "html" else int(kind))
        assert kind == "html" or reply.headers["Retry-After"] == "3"
    konnect.fault("reset_before", path_regex="^/v1/catalog")
    with pytest.raises(ConnectionError):
        call(konnect, "POST", "/catalog-services", service())
    assert konnect.control("GET", "/counts")["objects"]["services"] == 0
    konnect.fault("lost_answer")
    with pytest.raises(http.client.RemoteDisconnected):
        call(konnect, "POST", "/catalog-services", service())
    assert konnect.control("GET", "/state")["services"][0]["name"] == "a"
    assert konnect.control("GET", "/requests")[-1]["status"] is None
    konnect.fault("garbage")
    with pytest.raises(ValueError):
        print(call(konnect, "GET", "/catalog-services").json)
    konnect.fault("truncate")
    with pytest.raises(http.client.IncompleteRead):
        call(konnect, "GET", "/catalog-services")
    konnect.fault("hang")
    with pytest.raises(TimeoutError):
        call(konnect, "GET", "/catalog-services", timeout=0.2)
    konnect.fault("status", status=500, body="oops", content_type="text/plain", after=1)
    assert call(konnect, "GET", "/integrations").status == 200
    assert call(konnect, "GET", "/integrations").body == b"oops"
    konnect.control("POST", "/settings", {"rate_limit_per_minute": 1})
    replies = [call(konnect, "GET", "/integrations") for _ in range(40)]
    assert replies[-1].status == 429 and int(replies[-1].headers["Retry-After"]) <= 61


def test_konnect_keeps_connections(konnect):
    connection = http.client.HTTPConnection("127.0.0.1", konnect.port, timeout=5)
    connection.connect()
    local = connection.sock.getsockname()
    for n in range(500):
        connection.request("POST", "/v1/catalog-services", json.dumps(service(f"s{n}")), {
            "Authorization": "Bearer kpat_test", "Content-Type": "application/json"})
        assert connection.getresponse().read()
        assert connection.sock.getsockname() == local
    connection.close()
    assert konnect.control("GET", "/counts")["max_in_flight"] == 1


def test_konnect_drops_kept_connections(konnect):
    konnect.control("POST", "/settings", {"requests_per_connection": 2})
    connection = http.client.HTTPConnection("127.0.0.1", konnect.port, timeout=5)
    for _ in range(2):
        connection.request("GET", "/v1/integrations", headers={"Authorization": "Bearer kpat_test"})
        reply = connection.getresponse()
        assert reply.status == 200 and reply.read() and not reply.will_close
    with pytest.raises(ConnectionError):
        connection.request("GET", "/v1/integrations")
        connection.getresponse()
    connection.close()


def test_konnect_counts_requests_in_flight(konnect):
    konnect.fault("slow", seconds=0.2, times=3)
    with concurrent.futures.ThreadPoolExecutor(3) as pool:
        replies = pool.map(lambda _: call(konnect, "GET", "/integrations"), range(3))
        assert [reply.status for reply in replies] == [200] * 3
    assert konnect.control("GET", "/counts")["max_in_flight"] == 3


@pytest.mark.skipif(not shutil.which("openssl"), reason="needs openssl for a certificate")
def test_tls(tmp_path):
    pem = str(tmp_path / "both.pem")
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", pem, "-out", pem + ".crt"],
                   check=True, capture_output=True)
    with Sim("konnect.py", "--tls-cert", pem + ".crt", "--tls-key", pem) as sim:
        context = ssl.create_default_context(cafile=pem + ".crt")
        for _ in range(2):
            connection = http.client.HTTPSConnection("127.0.0.1", sim.port, timeout=5,
                                                     context=context)
            connection.request("GET", "/v1/integrations")
            assert connection.getresponse().status == 401
            connection.close()
            sim.fault("reset_before", after=1)
