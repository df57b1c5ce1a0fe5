//! OpenAPI document of the API.

use std::collections::BTreeSet;

use serde_json::Value;

use super::Api;

const METHODS: [&str; 5] = ["GET", "POST", "PATCH", "PUT", "DELETE"];

async fn document(api: &Api) -> Value {
    let answer = api.get("/openapi.json").await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.json()
}

#[tokio::test]
async fn every_described_request_is_one_and_no_other_method_is() {
    let api = Api::with_proxy().await;
    let document = document(&api).await;
    let paths = document["paths"].as_object().expect("paths");
    assert!(paths.len() >= 7, "{paths:?}");
    for (path, operations) in paths {
        let asked = path.replace("{proxy}", "nobody").replace("{toxic}", "nothing");
        for method in METHODS {
            let answer = api.ask(method, &asked, "{}").await;
            let operation = &operations[method.to_lowercase()];
            if operation.is_null() {
                assert_eq!(answer.status, 405, "{method} {path}");
                continue;
            }
            let described = &operation["responses"][answer.status.to_string()];
            assert!(described.is_object(), "{method} {path} answers {}", answer.status);
            let is_json = || answer.json().is_object() || answer.json().is_array();
            assert!(answer.status == 204 || is_json(), "{method} {path}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn every_type_of_fault_is_described_and_every_reference_leads_somewhere() {
    let document = document(&Api::new().await).await;
    let types = document["components"]["schemas"]["NewToxic"]["anyOf"].as_array().expect("types");
    let types: BTreeSet<_> =
        types.iter().filter_map(|kind| kind["properties"]["type"]["const"].as_str()).collect();
    for kind in ["latency", "bandwidth", "reset_peer", "noop", "packet_loss", "blackhole", "slow_open"] {
        assert!(types.contains(kind), "{kind}: {types:?}");
    }
    let text = document.to_string();
    let mut references = 0;
    for reference in text.split("\"$ref\":\"#").skip(1) {
        let place = reference.split('"').next().expect("it ends");
        assert!(document.pointer(place).is_some(), "{place}");
        references += 1;
    }
    assert!(references > 20);
}
