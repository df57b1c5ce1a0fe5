use super::*;

#[track_caller]
fn refused(value: Value, message: &str) {
    let error = resolve(value.clone()).expect_err(message);
    assert_eq!(error.to_string(), message, "{value}");
}

#[test]
fn refusals() {
    for (value, message) in [
        (json!({}), "type: is required, for example latency"),
        (
            json!({"type": "bandwidth", "shape": 1}),
            "bandwidth: shape: does not apply to bandwidth; it takes `rate`, `unit`, `burst`, `scope`, `on`",
        ),
        (
            json!({"type": "refuse", "delay": 1}),
            "refuse: delay: does not apply to refuse, which takes no parameters of its own",
        ),
        (
            json!({"type": "refuse", "side": "client"}),
            "refuse: side: does not apply to refuse, which has no direction",
        ),
        (
            json!({"type": "slow-open", "delay": 1, "direction": "both"}),
            "slow-open: direction: does not apply to slow-open, which has no direction",
        ),
        (
            json!({"type": "jitter", "side": "both"}),
            "jitter: side: must be client or server; set `direction` to both for both directions",
        ),
        (
            json!({"type": "jitter", "name": " "}),
            "jitter: name: \" \" is not a valid name: use a short text without line breaks",
        ),
        (json!({"type": "jitter", "frequency": 0}), "jitter: frequency: must be greater than 0, like 5"),
        (json!({"type": "slow-close"}), "slow-close: delay: is required, for example 2s"),
        (json!({"type": "slow-open"}), "slow-open: delay: is required, for example 2s"),
        (json!({"type": "limit-data"}), "limit-data: bytes: is required, for example 64KiB"),
        (
            json!({"type": "limit-data", "bytes": 0}),
            "limit-data: bytes: is 0: use a refuse fault to let no session through, or at least 1B",
        ),
        (json!({"type": "corrupt"}), "corrupt: rate: is required, for example 0.01 or 1%"),
        (
            json!({"type": "corrupt", "rate": "1kbit/s"}),
            "corrupt: rate: \"1kbit/s\" is not a share: use 0 to 1, like 0.01, or a percentage, like 1%",
        ),
        (json!({"type": "slicer"}), "slicer: size: is required, for example 64B"),
        (json!({"type": "slicer", "size": 0}), "slicer: size: is 0: use at least 1B"),
        (json!({"type": "slicer", "size": "4GiB"}), "slicer: size: 4GiB is too many: use less than 4GiB"),
        (
            json!({"type": "slicer", "size": 64, "variation": 64}),
            "slicer: variation: is not less than `size`, so that a piece could be empty: use 63B at most",
        ),
    ] {
        refused(value, message);
    }
}

#[test]
fn faults_that_do_not_act_on_requests_refuse_to_select_them() {
    for fault in
        ["slow-close", "limit-data", "packet-loss", "slicer", "jitter", "corrupt", "slow-open", "refuse"]
    {
        let error = resolve(json!({"type": fault, "on": "commit"})).expect_err(fault);
        assert_eq!((error.fault_type(), error.param()), (Some(fault), "on"));
        assert!(error.to_string().contains("on: does not apply to "), "{error}");
    }
}

#[test]
fn refused_latencies() {
    for (value, message) in [
        (json!({}), "mean: is required, for example 300ms"),
        (json!({"distribution": "constant"}), "mean: is required, for example 300ms"),
        (
            json!({"min": 1, "max": 2}),
            "min: does not apply to `distribution` normal, which takes `mean`, `stddev`; use `distribution` uniform",
        ),
        (
            json!({"mean": 1, "shape": 2}),
            "shape: does not apply to `distribution` normal, which takes `mean`, `stddev`; use `distribution` pareto",
        ),
        (
            json!({"distribution": "constant", "mean": 1, "stddev": 2}),
            "stddev: does not apply to `distribution` constant, which takes `mean`; use `distribution` normal",
        ),
        (json!({"distribution": "uniform", "min": 1}), "max: is required, for example 500ms"),
        (json!({"distribution": "uniform", "max": 1}), "min: is required, for example 300ms"),
        (json!({"distribution": "uniform", "min": 2, "max": 1}), "min: is more than `max`: exchange them"),
        (json!({"distribution": "log-normal", "mean": 0}), "mean: must be greater than 0"),
        (
            json!({"distribution": "pareto", "scale": 20}),
            "shape: is required, for example 1.5; smaller values give a heavier tail",
        ),
        (
            json!({"distribution": "pareto", "shape": 1}),
            "scale: is required, for example 20ms, the shortest delay",
        ),
        (json!({"distribution": "pareto", "scale": 1, "shape": 0}), "shape: must be greater than 0"),
        (json!({"distribution": "pareto", "scale": 0, "shape": 1}), "scale: must be greater than 0"),
        (
            json!({"distribution": "pareto-normal", "scale": 1, "shape": 1}),
            "mean: is required, for example 300ms",
        ),
        (json!({"mean": "2h"}), "mean: 2h is too long: use 1h at most"),
        (json!({"distribution": "table"}), "table: is required, for example delays.csv"),
    ] {
        let mut value = value;
        value["type"] = json!("latency");
        refused(value, &format!("latency: {message}"));
    }
}

#[test]
fn refused_bandwidths() {
    for (value, message) in [
        (json!({"rate": 0}), "rate: is 0: use a blackhole to stop all data, or at least 1Bps"),
        (json!({"rate": 0.5}), "rate: 0.5 is too low: use at least 1Bps"),
        (json!({"rate": "1001GBps"}), "rate: 1001GBps is too high: use 1000GBps at most"),
        (json!({"rate": "5%"}), "rate: 5% is not a bandwidth: use 1000, 500kbit/s or 1MBps"),
        (
            json!({"rate": "5KBps", "unit": "KBps"}),
            "rate: 5KBps has KBps as its unit already: leave out KBps",
        ),
        (json!({"burst": 0}), "burst: is 0, so that nothing would pass: use at least 1B"),
    ] {
        let mut value = value;
        value["type"] = json!("bandwidth");
        refused(value, &format!("bandwidth: {message}"));
    }
}

#[test]
fn refused_losses() {
    let gilbert_elliott = "which takes `good-to-bad`, `bad-to-good`, `good-loss`, `bad-loss`";
    for (value, message) in [
        (json!({"rate": 2}), "rate: 2 is more than 1: a share is 0 to 1, or use 2%".to_owned()),
        (json!({"model": "bernoulli"}), "rate: is required, for example 0.01 or 1%".to_owned()),
        (
            json!({"model": "gilbert-elliott", "rate": 0.1}),
            format!(
                "rate: does not apply to `model` gilbert-elliott, {gilbert_elliott}; use `model` bernoulli"
            ),
        ),
        (json!({"model": "gilbert-elliott"}), "good-to-bad: is required, for example 1%".to_owned()),
        (
            json!({"model": "gilbert-elliott", "good-to-bad": 0.1}),
            "bad-to-good: is required, for example 25%".to_owned(),
        ),
        (
            json!({"good-to-bad": 0.1}),
            "good-to-bad: does not apply to `model` markov, which takes no parameters; use `model` gilbert-elliott"
                .to_owned(),
        ),
        (
            json!({"model": "markov", "rate": 0.1}),
            "rate: does not apply to `model` markov, which takes no parameters; use `model` bernoulli".to_owned(),
        ),
        (
            json!({"rate": 0.1, "correlation": 1}),
            "correlation: is 1, so that the first segment would decide for all: use less, like 25%"
                .to_owned(),
        ),
        (json!({"mss": 0}), "mss: 0B is not 1 to 65535 bytes".to_owned()),
        (json!({"mss": "64KiB"}), "mss: 64KiB is not 1 to 65535 bytes".to_owned()),
    ] {
        let mut value = value;
        value["type"] = json!("packet-loss");
        refused(value, &format!("packet-loss: {message}"));
    }
}

#[test]
fn problems_are_said_in_the_callers_spelling() {
    let error = resolve(json!({"type": "latency", "min": 1})).expect_err("normal");
    assert_eq!((error.fault_type(), error.param()), (Some("latency"), "min"));
    assert_eq!(
        error.display_with(|param| format!("--latency-{param}")),
        "--latency-min: does not apply to --latency-distribution normal, which takes --latency-mean, \
         --latency-stddev; use --latency-distribution uniform"
    );
    let error = resolve(json!({"type": "jitter", "name": "a`mean`\n"})).expect_err("a name");
    assert_eq!(
        error.display_with(|param| format!("faults[1].{param}")),
        "faults[1].name: \"a'mean'\\n\" is not a valid name: use a short text without line breaks"
    );
}
