use std::collections::BTreeSet;

use super::*;
use crate::fault_type::Parameter;

/// A value that each required parameter accepts.
fn example(parameter: &str) -> Value {
    match parameter {
        "mean" | "scale" | "min" | "delay" => json!("10ms"),
        "max" => json!("20ms"),
        "shape" => json!(1.5),
        "rate" | "good-to-bad" | "bad-to-good" => json!("1%"),
        "size" | "bytes" => json!("64B"),
        "on" => json!("commit"),
        "sqlstate" => json!("40001"),
        other => panic!("add an example of {other}"),
    }
}

/// The values of the parameter that decides which others apply, each with the parameter and without it.
fn choices(kind: &FaultType) -> Vec<(Option<&'static str>, Value)> {
    let with: BTreeSet<_> = kind.parameters.iter().flat_map(|parameter| parameter.with).collect();
    let deciding = kind.parameters.iter().find(|parameter| {
        !with.is_empty() && with.iter().all(|value| parameter.value.choices().contains(value))
    });
    let Some(deciding) = deciding else { return vec![(None, json!({}))] };
    let default = deciding.default.filter(|default| deciding.value.choices().contains(default));
    let words = deciding.value.choices().iter().filter(|word| **word != "table");
    let chosen = words.map(|word| (Some(*word), json!({deciding.name: word})));
    [(default, json!({}))].into_iter().chain(chosen).collect()
}

#[test]
fn a_fault_needs_its_required_parameters_and_no_others() {
    for kind in FAULT_TYPES {
        for (choice, mut given) in choices(kind) {
            given["type"] = kind.name.into();
            let applies = |parameter: &&Parameter| {
                parameter.with.is_empty() || choice.is_some_and(|choice| parameter.with.contains(&choice))
            };
            let groups: BTreeSet<_> =
                kind.parameters.iter().filter(applies).map(|parameter| parameter.one_of).collect();
            let groups: Vec<_> = groups.into_iter().filter(|group| !group.is_empty()).collect();
            for group in &groups {
                given[group[0]] = example(group[0]);
            }
            resolved(given.clone());
            for group in &groups {
                let mut without = given.clone();
                without.as_object_mut().unwrap().remove(group[0]);
                let error = resolve(without.clone()).expect_err(&without.to_string());
                assert!(group.contains(&error.param()), "{without}: {error}");
                assert!(error.problem().starts_with("is required"), "{without}: {error}");
            }
        }
    }
}
