"""What the Konnect Catalog simulator holds, and the rules between its objects.
Callers hold the lock; every change raises `generation`."""

import base64
import json
import os
import uuid
from datetime import datetime, timezone

import konnect_schema as schema
from konnect_schema import Invalid, refuse

DEFAULT_TYPES = {"azure_devops_repository": {
    "display_name": "Repository",
    "schema": {"type": "simple", "definition": {
        "organization_name": "string", "project_id": "string", "repository_id": "string"}}}}


def auth(name, title):
    return {"type": "multi_key_auth", "config": {"headers": [
        {"name": name, "display_name": title, "description": None}]}}


def integration(name, title, authorization, config_schema, types, built_in=False):
    return {"name": name, "display_name": title, "description": f"{title} in the catalog.",
            "built_in": built_in, "version": "v1", "visibility": "public",
            "authorization": authorization, "config_schema": config_schema,
            "resource_types": types,
            "discovery": {"resource_integration_data_examples": {}},
            "api_spec_provider": None, "events": None}


def text_field(title):
    return {"type": "string", "display_name": title, "required": True}


def simple(title, **definition):
    return {"display_name": title, "schema": {"type": "simple", "definition": definition}}


def all_integrations():
    known = [
        integration("gateway-manager", "Gateway Manager", None, {}, {"gateway_svc": simple(
            "Gateway Service", control_plane_id="string", gateway_service_id="string")}, True),
        integration("azure-devops", "Azure DevOps", auth("authorization", "Token"),
                    {"organization": text_field("Organization")}, dict(DEFAULT_TYPES)),
        integration("datadog", "Datadog", auth("dd-api-key", "API Key"),
                    {"datadog_region": text_field("Region")},
                    {"datadog_monitor": simple("Monitor", monitor_id="number")})]
    return {item["name"]: item for item in known}


class Conflict(Exception):
    """A 409."""


class Missing(Exception):
    """A 404 of an object, not of a route."""


def now():
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"


class Settings:
    """What POST /settings changes."""

    conflict_status = 409
    custom_fields_patch = "replace"
    refuse_resource_by_config = False
    rate_limit_per_minute = 0
    latency_ms = 0
    refuse_names = ()
    totals = "right"
    requests_per_connection = 0
    log_bodies = True


class Store:
    def __init__(self, settings):
        self.settings = settings
        self.integrations = {}
        self.services = {}
        self.service_names = {}
        self.instances = {}
        self.instance_names = {}
        self.credentials = {}
        self.resources = {}
        self.resource_keys = {}
        self.mappings = {}
        self.mapping_keys = {}
        self.of_service = {}
        self.of_resource = {}
        self.seq = 0
        self.generation = 0
        self.reset()

    def reset(self):
        """Forgets everything; the tables stay the same objects, as routes hold on to them."""
        for table in vars(self).values():
            if isinstance(table, dict):
                table.clear()
        self.integrations.update(all_integrations())
        self.add_instance({"integration_name": "gateway-manager", "name": "gateway-manager",
                           "display_name": "Gateway Manager", "config": {}})

    def stamp(self):
        self.seq += 1
        self.generation += 1
        time = now()
        return {"id": str(uuid.uuid4()), "created_at": time, "updated_at": time, "seq": self.seq}

    def touch(self, item):
        self.generation += 1
        item["updated_at"] = now()

    def check_name(self, name, table, own_id=None):
        if name in self.settings.refuse_names:
            refuse("name", "invalid", "is not allowed", chosen=True)
        if table.get(name, own_id) == own_id:
            return
        if self.settings.conflict_status == 400:
            refuse("name", "invalid", "must be unique", chosen=True)
        raise Conflict(f"[{name}] is taken")

    @staticmethod
    def need(table, key):
        item = table.get(key)
        if item is None:
            raise Missing
        return item

    @staticmethod
    def merge_labels(item, changes):
        if changes is None:
            item["labels"] = {}
            return
        merged = {**item["labels"], **changes}
        merged = {key: value for key, value in merged.items() if value is not None}
        if len(merged) > schema.MAX_LABELS:
            refuse("labels", "max_items", "too many labels", maximum=schema.MAX_LABELS)
        item["labels"] = merged

    # Services.

    def add_service(self, body):
        self.check_name(body["name"], self.service_names)
        item = {**self.stamp(), "name": body["name"], "display_name": body["display_name"],
                "description": body.get("description"), "labels": dict(body.get("labels") or {}),
                "custom_fields": dict(body.get("custom_fields") or {})}
        self.services[item["id"]] = item
        self.service_names[item["name"]] = item["id"]
        return item

    def patch_service(self, service_id, body):
        item = self.need(self.services, service_id)
        if "name" in body:
            self.check_name(body["name"], self.service_names, service_id)
        if "labels" in body:
            self.merge_labels(item, body["labels"])
        if "name" in body:
            del self.service_names[item["name"]]
            self.service_names[body["name"]] = service_id
        for key in body.keys() & {"name", "display_name", "description"}:
            item[key] = body[key]
        if "custom_fields" in body:
            fields = body["custom_fields"]
            if self.settings.custom_fields_patch == "merge":
                fields = {**item["custom_fields"], **fields}
            item["custom_fields"] = {k: v for k, v in fields.items() if v is not None}
        self.touch(item)
        return item

    def delete_service(self, service_id):
        item = self.need(self.services, service_id)
        for mapping_id in list(self.of_service.get(service_id, ())):
            self.delete_mapping(mapping_id)
        del self.services[service_id]
        del self.service_names[item["name"]]
        self.generation += 1

    def find_service(self, key):
        return self.services.get(key) or self.services.get(self.service_names.get(key))

    # Integration instances and their credential.

    def check_instance_config(self, config, kind):
        fields = self.integrations[kind]["config_schema"]
        schema.check_config(config, {key: spec["type"] for key, spec in fields.items()}, "config")

    def add_instance(self, body):
        kind = self.integrations.get(body["integration_name"])
        if not kind:
            refuse("integration_name", "missing_reference", "is not a known integration")
        if kind["built_in"] and self.instances:
            refuse("integration_name", "invalid", "is built in")
        self.check_instance_config(body["config"], kind["name"])
        self.check_name(body["name"], self.instance_names)
        item = {**self.stamp(), "name": body["name"], "display_name": body["display_name"],
                "description": body.get("description"), "labels": dict(body.get("labels") or {}),
                "config": dict(body["config"]), "authorized": kind["built_in"],
                "integration": {"name": kind["name"], "display_name": kind["display_name"]}}
        item["ref"] = {**item["integration"], "instance": {
            key: item[key] for key in ("id", "name", "display_name")}}
        self.instances[item["id"]] = item
        self.instance_names[item["name"]] = item["id"]
        return item

    def patch_instance(self, instance_id, body):
        item = self.need(self.instances, instance_id)
        if "name" in body:
            self.check_name(body["name"], self.instance_names, instance_id)
        if "config" in body:
            self.check_instance_config(body["config"], item["integration"]["name"])
        if "labels" in body:
            self.merge_labels(item, body["labels"])
        if "name" in body:
            del self.instance_names[item["name"]]
            self.instance_names[body["name"]] = instance_id
        for key in body.keys() & {"name", "display_name", "description", "config"}:
            item[key] = body[key]
            if key in item["ref"]["instance"]:
                item["ref"]["instance"][key] = body[key]
        self.touch(item)
        return item

    def delete_instance(self, instance_id):
        item = self.need(self.instances, instance_id)
        if self.integrations[item["integration"]["name"]]["built_in"]:
            refuse("id", "invalid", "is built in", "path")
        for resource in [r for r in self.resources.values() if r["integration"] is item["ref"]]:
            self.delete_resource(resource["id"])
        self.credentials.pop(instance_id, None)
        del self.instances[instance_id]
        del self.instance_names[item["name"]]
        self.generation += 1

    def find_instance(self, key):
        return self.instances.get(key) or self.instances.get(self.instance_names.get(key))

    def add_credential(self, instance_id, body):
        item = self.need(self.instances, instance_id)
        strategy = self.integrations[item["integration"]["name"]]["authorization"]
        if not strategy:
            refuse("type", "invalid", "this integration takes no credential")
        schema.check_credential(body, [h["name"] for h in strategy["config"]["headers"]])
        if instance_id in self.credentials:
            raise Conflict("the instance has a credential")
        credential = {**self.stamp(), "type": body["type"], "tainted": False,
                      "missing_permissions": [], "expires_at": None, "keys": body["config"]["headers"], "instance": item}
        self.credentials[instance_id] = credential
        item["authorized"] = True
        return credential

    def delete_credential(self, instance_id):
        self.need(self.credentials, instance_id)
        del self.credentials[instance_id]
        self.instances[instance_id]["authorized"] = False
        self.generation += 1

    # Resources and mappings.

    @staticmethod
    def resource_key(instance, kind, config):
        return instance["id"], kind, json.dumps(config, sort_keys=True)

    def add_resource(self, instance, kind, config, name=None, data=None):
        """A resource; without a name and data it is not hydrated yet."""
        item = {**self.stamp(), "name": name, "integration": instance["ref"], "type": kind,
                "config": dict(config), "integration_data": data, "archived": False,
                "service_associations": 0}
        item["id"] = base64.urlsafe_b64encode(os.urandom(12)).decode()
        self.resources[item["id"]] = item
        self.resource_keys[self.resource_key(instance, kind, config)] = item["id"]
        return item

    def check_resource(self, instance, kind, config):
        types = self.integrations[instance["integration"]["name"]]["resource_types"]
        if kind not in types:
            refuse("resource.type", "invalid", "is not a type of this integration")
        schema.check_config(config, types[kind]["schema"]["definition"], "resource.config")

    def delete_resource(self, resource_id):
        item = self.need(self.resources, resource_id)
        self.drop_mappings(resource_id)
        del self.resources[resource_id]
        key = self.resource_key(item["integration"]["instance"], item["type"], item["config"])
        self.resource_keys.pop(key, None)
        self.generation += 1

    def patch_resource(self, instance_id, resource_id, body):
        self.need(self.instances, instance_id)
        item = self.need(self.resources, resource_id)
        if item["integration"]["instance"]["id"] != instance_id:
            raise Missing
        if "archived" in body:
            item["archived"] = body["archived"]
            if body["archived"]:
                self.drop_mappings(resource_id)
        self.touch(item)
        return item

    def drop_mappings(self, resource_id):
        for mapping_id in list(self.of_resource.get(resource_id, ())):
            self.delete_mapping(mapping_id)

    def wanted_resource(self, wanted):
        """(existing resource or None, (instance, type, config) to create it from)."""
        if isinstance(wanted, str):
            item = self.resources.get(wanted)
            if not item:
                refuse("resource", "missing_reference", "does not exist")
            return item, None
        if not isinstance(wanted, dict):
            refuse("resource", "type", "must be an id or an object")
        schema.check(wanted, schema.RESOURCE_BY_CONFIG, schema.RESOURCE_BY_CONFIG.keys(),
                     prefix="resource.")
        if self.settings.refuse_resource_by_config:
            refuse("resource", "invalid", "must be the id of a resource", chosen=True)
        instance = self.find_instance(wanted["integration_instance"])
        if not instance:
            refuse("resource.integration_instance", "missing_reference", "does not exist")
        self.check_resource(instance, wanted["type"], wanted["config"])
        known = self.resource_keys.get(
            self.resource_key(instance, wanted["type"], wanted["config"]))
        return self.resources.get(known), (instance, wanted["type"], wanted["config"])

    def add_mapping(self, body):
        resource, recipe = self.wanted_resource(body["resource"])
        service = self.find_service(body["service"])
        if not service:
            refuse("service", "missing_reference", "does not exist")
        if resource and resource["archived"]:
            refuse("resource", "invalid", "is archived")
        if resource and (service["id"], resource["id"]) in self.mapping_keys:
            raise Conflict("the resource is mapped to this service")
        resource = resource or self.add_resource(*recipe)
        item = {**self.stamp(), "resource": resource, "service": service}
        self.mappings[item["id"]] = item
        self.mapping_keys[service["id"], resource["id"]] = item["id"]
        self.of_service.setdefault(service["id"], {})[item["id"]] = item
        self.of_resource.setdefault(resource["id"], {})[item["id"]] = item
        resource["service_associations"] += 1
        return item

    def delete_mapping(self, mapping_id):
        item = self.need(self.mappings, mapping_id)
        service, resource = item["service"], item["resource"]
        del self.mappings[mapping_id]
        del self.mapping_keys[service["id"], resource["id"]]
        del self.of_service[service["id"]][mapping_id]
        del self.of_resource[resource["id"]][mapping_id]
        resource["service_associations"] -= 1
        self.generation += 1


# How objects are answered: keys in an order of the server's own.

def show_service(item):
    return {"updated_at": item["updated_at"], "labels": dict(sorted(item["labels"].items())),
            "custom_fields": {key: dict(sorted(value.items())) if isinstance(value, dict) else value
                              for key, value in sorted(item["custom_fields"].items())},
            "description": item["description"], "id": item["id"], "name": item["name"],
            "display_name": item["display_name"], "created_at": item["created_at"]}


def show_instance(item):
    return {"created_at": item["created_at"], "updated_at": item["updated_at"],
            "authorized": item["authorized"], "integration": item["integration"],
            "config": item["config"], "labels": dict(sorted(item["labels"].items())),
            "description": item["description"], "display_name": item["display_name"],
            "name": item["name"], "id": item["id"]}


def show_credential(item):
    return {"id": item["id"], "type": item["type"], "tainted": item["tainted"],
            "missing_permissions": item["missing_permissions"], "expires_at": item["expires_at"],
            "created_at": item["created_at"],
            "integration_instance": item["instance"]["ref"]["instance"]}


RESOURCE_REF = ("id", "type", "name", "config", "integration")


def show_resource(item):
    return {key: item[key] for key in (*RESOURCE_REF, "integration_data", "archived",
                                       "service_associations", "updated_at", "created_at")}


def show_resource_ref(item):
    return {key: item[key] for key in RESOURCE_REF}


def show_mapping(item):
    service = item["service"]
    return {"created_at": item["created_at"], "resource": show_resource_ref(item["resource"]),
            "service": {key: service[key] for key in ("id", "name", "display_name")},
            "id": item["id"]}


__all__ = ["Conflict", "Invalid", "Missing", "Settings", "Store", "show_credential",
           "show_instance", "show_mapping", "show_resource", "show_resource_ref", "show_service"]
