//! OpenAPI document of the API: `/openapi.json`.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use serde::Serialize;
use serde_json::{Map, Value, json};

use super::response::json_response;
use crate::proxies::Proxies;
use crate::toxic::{MAX_TTL, attributes_by_type};

const STREAM_TEXT: &str =
    "upstream or downstream, in any case. The attribute direction is \"both\" if a fault acts on both.";
const STREAM: &str = "^([uU][pP]|[dD][oO][wW][nN])[sS][tT][rR][eE][aA][mM]$";

/// Error statuses of every request.
const REFUSALS: [u16; 3] = [401, 403, 503];

/// Error statuses of requests with a body.
const REFUSALS_OF_BODIES: [u16; 2] = [408, 413];

pub(super) async fn get(State(proxies): State<Proxies>) -> Response {
    json_response(StatusCode::OK, &document(proxies.version()))
}

fn document(version: &str) -> Value {
    let license = "MIT OR Apache-2.0";
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "The control API of fault-proxy",
            "description": "Toxiproxy's HTTP API 2.x, and fault-proxy's own faults and mappings by the same routes. \
                Names of fields are read in any case, unknown ones are passed over, and null is as if it were not there.",
            "license": {"name": license, "identifier": license},
            "version": version,
        },
        "security": [{}, {"token": []}],
        "paths": paths(),
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer", "description": "Required if --control-token is set"},
            },
        },
    })
}

fn paths() -> Value {
    let proxy_changed = |id| {
        Operation::new(id, "Changes a proxy").takes("ProxyChange").gives(200, "Proxy").or(&[400, 404, 500])
    };
    let toxic_changed =
        |id| Operation::new(id, "Changes a fault").takes("ToxicChange").gives(200, "Toxic").or(&[400, 404]);
    let of_new_proxy = json!({"proxy": "$response.body#/name"});
    let of_new_toxic = json!({"proxy": "$request.path.proxy", "toxic": "$response.body#/name"});
    json!({
        "/proxies": {
            "get": Operation::new("proxies", "All proxies, by name").gives(200, "Proxies"),
            "post": Operation::new("create_proxy", "Creates a proxy. Its faults apply to the first session")
                .takes("NewProxy").gives(201, "Proxy").or(&[400, 409, 500])
                .leads_to(&["proxy", "update_proxy", "delete_proxy", "toxics", "add_toxic"], &of_new_proxy),
        },
        "/proxies/{proxy}": {
            "parameters": [in_path("proxy")],
            "get": Operation::new("proxy", "A proxy").gives(200, "Proxy").or(&[400, 404]),
            "post": proxy_changed("update_proxy"),
            "patch": proxy_changed("patch_proxy"),
            "delete": Operation::new("delete_proxy", "Deletes a proxy and closes its sessions").or(&[400, 404]),
        },
        "/proxies/{proxy}/history": {
            "parameters": [in_path("proxy"), {
                "name": "since", "in": "query", "description": "The at_ms of a sample: returns only newer samples",
                "schema": {"type": "integer", "minimum": 0},
            }],
            "get": Operation::new("history", "Figures of each second of the last ten minutes, the oldest first")
                .gives(200, "History").or(&[400, 404]),
        },
        "/proxies/{proxy}/requests": {
            "parameters": [in_path("proxy")],
            "get": Operation::new("requests", "Counts of each kind of request, in the sessions whose requests are read")
                .gives(200, "Requests").or(&[400, 404]),
        },
        "/proxies/{proxy}/toxics": {
            "parameters": [in_path("proxy")],
            "get": Operation::new("toxics", "The faults of a proxy, those of the upstream stream first")
                .gives(200, "Toxics").or(&[400, 404]),
            "post": Operation::new("add_toxic", "Adds a fault. It also acts on open sessions")
                .takes("NewToxic").gives(200, "Toxic").or(&[400, 404, 409])
                .leads_to(&["toxic", "update_toxic", "delete_toxic"], &of_new_toxic),
        },
        "/proxies/{proxy}/toxics/{toxic}": {
            "parameters": [in_path("proxy"), in_path("toxic")],
            "get": Operation::new("toxic", "A fault").gives(200, "Toxic").or(&[400, 404]),
            "post": toxic_changed("update_toxic"),
            "patch": toxic_changed("patch_toxic"),
            "delete": Operation::new("delete_toxic", "Removes a fault").or(&[400, 404]),
        },
        "/populate": {
            "post": Operation::new("populate", "Creates proxies. Keeps existing ones with the same addresses")
                .takes("NewProxies").gives(201, "Populated").or(&[400, 409, 500]),
        },
        "/reset": {"post": Operation::new("reset", "Removes all faults and enables all proxies").or(&[500])},
        "/fault-types": {"get": Operation::new("fault_types", "The types of faults and their attributes, without those of toxics")
            .gives(200, "FaultTypes")},
        "/changes": {"get": Operation::new("changes", "The latest 1,000 changes by clients of the API, the oldest first")
            .gives(200, "Changes")},
        "/history": {"get": Operation::new("histories", "Figures of each second of the last minute, by proxy")
            .gives(200, "Histories")},
        "/version": {"get": Operation::new("version", "The program's version").gives(200, "Version")},
    })
}

/// Description of one method of a path. The status is 204 unless the method returns something.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Operation {
    operation_id: &'static str,
    summary: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    request_body: Option<Value>,
    responses: BTreeMap<u16, Value>,
}

impl Operation {
    fn new(operation_id: &'static str, summary: &'static str) -> Self {
        let responses = BTreeMap::from([(204, response(204, None))]);
        Self { operation_id, summary, request_body: None, responses }.or(&REFUSALS)
    }

    fn takes(mut self, schema: &str) -> Self {
        self.request_body = Some(json!({"required": true, "content": content(schema)}));
        self.or(&REFUSALS_OF_BODIES)
    }

    fn gives(mut self, status: u16, schema: &str) -> Self {
        self.responses.remove(&204);
        self.responses.insert(status, response(status, Some(schema)));
        self
    }

    fn or(mut self, refusals: &[u16]) -> Self {
        self.responses.extend(refusals.iter().map(|status| (*status, response(*status, Some("Error")))));
        self
    }

    /// Links to operations that take names of the response as parameters.
    fn leads_to(mut self, operations: &[&str], parameters: &Value) -> Self {
        let link = |id: &&str| ((*id).to_owned(), json!({"operationId": id, "parameters": parameters}));
        if let Some(done) = self.responses.values_mut().next() {
            done["links"] = operations.iter().map(link).collect::<Map<_, _>>().into();
        }
        self
    }
}

fn response(status: u16, schema: Option<&str>) -> Value {
    let code = StatusCode::from_u16(status).ok().and_then(|code| code.canonical_reason());
    let mut response = json!({"description": code});
    if let Some(schema) = schema {
        response["content"] = content(schema);
    }
    response
}

fn content(schema: &str) -> Value {
    json!({"application/json": {"schema": named(schema)}})
}

fn in_path(name: &str) -> Value {
    let schema = json!({"type": "string", "minLength": 1});
    json!({"name": name, "in": "path", "required": true, "description": "Its name", "schema": schema})
}

fn named(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}

fn array(schema: &str) -> Value {
    json!({"type": "array", "items": named(schema)})
}

fn object(required: &[&str], properties: &Value) -> Value {
    json!({"type": "object", "required": required, "properties": properties})
}

fn schemas() -> Value {
    let (text, switch) = (json!({"type": "string", "minLength": 1}), json!({"type": "boolean"}));
    let listen = json!({
        "type": "string", "description": "HOST:PORT; port 0 selects a free port", "examples": ["127.0.0.1:0"],
    });
    let upstream = json!({
        "type": "string", "minLength": 1, "description": "HOST:PORT, or the right side of a mapping",
        "examples": ["127.0.0.1:6379", "psqls://db"],
    });
    let addresses = json!({"listen": listen, "upstream": upstream, "enabled": switch});
    let stream = json!({"description": STREAM_TEXT, "type": "string", "pattern": STREAM});
    let toxicity = json!({"type": "number", "description": "Fraction of sessions that the fault applies to, drawn once per session"});
    let ttl = json!({
        "description": "Time after which the fault is removed, in milliseconds or with a unit", "type": ["number", "string"],
        "exclusiveMinimum": 0, "maximum": MAX_TTL.as_millis(), "examples": ["30s"],
    });
    let on =
        json!({"type": "boolean", "description": "Whether the fault acts; left out of responses if true"});
    let toxic = |kind: &Value, attributes: &Value| json!({"name": text, "type": kind, "stream": stream, "toxicity": toxicity, "enabled": on, "ttl": ttl, "attributes": attributes});
    let proxy = |toxics: Value| {
        let mut proxy = addresses.clone();
        proxy["name"] = text.clone();
        proxy["toxics"] = toxics;
        proxy
    };
    let change = {
        let mut change = addresses.clone();
        change["name"] = json!({"type": "string", "description": "Ignored: a proxy keeps its name"});
        change
    };
    let any = json!({"type": "object"});
    let words = json!({"type": "array", "items": text});
    let (count, state) = (
        json!({"type": "integer"}),
        json!({"description": "null if there was nothing, or if nothing is left"}),
    );
    let changed = object(
        &["number", "at_ms", "unix_ms", "client", "user_agent", "action", "proxy", "before", "after"],
        &json!({
            "number": count, "at_ms": count, "unix_ms": count, "client": text, "user_agent": {"type": ["string", "null"]},
            "action": text, "proxy": {"type": "string"}, "before": state, "after": state,
        }),
    );
    let millis = json!({"type": ["number", "null"]});
    let sample = json!({
        "at_ms": count, "bytes_to_upstream": count, "bytes_to_client": count, "latency_p50_ms": millis,
        "latency_p99_ms": millis, "sessions": count, "sessions_failed": count, "sessions_active": count,
    });
    let names: Vec<_> = sample.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
    let samples = json!({"type": "array", "items": object(&names, &sample)});
    let of_proxy = json!({"name": text, "samples": samples});
    let times = ["count", "p50", "p90", "p95", "p99", "max"];
    let times = json!({
        "type": ["object", "null"], "required": times, "additionalProperties": {"type": "number"},
        "description": "Times from the first byte of a request until the end of its response was written to the client",
    });
    let of_kind = json!({
        "kind": {"type": "string"}, "requests": count, "forwarded": count, "answered": count, "delivered": count,
        "unconfirmed": count, "injected": count, "duration_ms": times,
    });
    let names: Vec<_> = of_kind.as_object().into_iter().flat_map(Map::keys).map(String::as_str).collect();
    let kinds = json!({"type": "array", "items": object(&names, &of_kind)});
    let new_toxics: Vec<_> = attributes_by_type()
        .iter()
        .map(|(kind, attributes)| object(&["type"], &toxic(&json!({"const": kind}), attributes)))
        .collect();
    json!({
        "Proxy": object(&["name", "listen", "upstream", "enabled", "toxics"], &proxy(array("Toxic"))),
        "Changes": {"type": "array", "items": changed},
        "Histories": object(&["interval_ms", "proxies"], &json!({
            "interval_ms": count, "proxies": {"type": "array", "items": object(&["name", "samples"], &of_proxy)},
        })),
        "History": object(&["interval_ms", "name", "samples"], &json!({"interval_ms": count, "name": text, "samples": samples})),
        "Requests": object(&["name", "protocol", "counted", "requests", "sessions_opaque"], &json!({
            "name": text, "protocol": {"enum": ["http", "psql", "redis", null]}, "counted": {"type": "boolean"}, "requests": kinds, "sessions_opaque": count,
        })),
        "Proxies": {"type": "object", "additionalProperties": named("Proxy")},
        "NewProxy": object(&["name", "upstream"], &proxy(array("NewToxic"))),
        "NewProxies": array("NewProxy"),
        "ProxyChange": object(&[], &change),
        "Populated": object(&["proxies"], &json!({"proxies": array("Proxy")})),
        "Toxic": object(&["name", "type", "stream", "toxicity", "attributes"], &toxic(&text, &any)),
        "Toxics": array("Toxic"),
        "NewToxic": {"anyOf": new_toxics},
        "ToxicChange": object(&[], &json!({"toxicity": toxicity, "enabled": on, "ttl": ttl, "attributes": any})),
        "Error": object(&["error", "status"], &json!({
            "error": text, "status": {"type": "integer"},
            "proxies": {"type": "array", "items": named("Proxy"), "description": "Proxies that /populate created before the error"},
        })),
        "FaultTypes": array("FaultType"),
        "FaultType": object(&["type", "help", "target", "attributes"], &json!({
            "type": text, "help": text, "attributes": array("FaultAttribute"),
            "target": {
                "enum": ["new_sessions", "data", "connections", "requests"],
                "description": "Target of its faults, unless the attribute `on` selects requests",
            },
        })),
        "FaultAttribute": object(&["name", "type", "help", "default", "choices", "with", "protocols", "main", "one_of"], &json!({
            "name": text, "help": text, "default": {"type": ["string", "null"]}, "choices": words,
            "type": {"enum": ["time", "number", "bytes", "rate", "share", "switch", "text", "words"]},
            "with": {
                "type": "array", "items": text,
                "description": "Values of another attribute that this attribute requires; empty if it is always allowed",
            },
            "protocols": {
                "type": "array", "items": {"enum": ["http", "psql", "redis"]},
                "description": "Protocols whose requests it is about; empty if it does not need a protocol",
            },
            "main": {"type": "boolean", "description": "Whether most faults of the type set it"},
            "one_of": {
                "type": "array", "items": text,
                "description": "Attributes of which one is required, including this one, wherever this one is allowed; empty if it is optional",
            },
        })),
        "Version": object(&["version"], &json!({"version": text})),
    })
}
