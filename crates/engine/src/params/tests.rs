use std::io;
use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::delay::Delay;
use crate::direction::{Directions, Scope};
use crate::effect::Effect;
use crate::faults::{
    Bandwidth, Blackhole, Corrupt, FAULT_TYPES, Jitter, Latency, LimitData, PacketLoss, Refuse, Reset,
    Slicer, SlowClose, SlowOpen, Timeout,
};
use crate::loss::LossModel;

mod forms;
mod refusals;
mod required;

const REQUESTS: Directions = Directions { to_upstream: true, to_downstream: false };
const REPLIES: Directions = Directions { to_upstream: false, to_downstream: true };

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

fn params(value: Value) -> FaultParams {
    serde_json::from_value(value.clone()).unwrap_or_else(|error| panic!("{value}: {error}"))
}

/// Reads and resolves the parameters.
fn resolve(value: Value) -> Result<Fault, ParamError> {
    let Value::Object(given) = value else { panic!("no object: {value}") };
    match FaultParams::read(given) {
        Ok(params) => params.resolve(&ScheduleContext::default()),
        Err(ReadError::Refused(error)) => Err(error),
        Err(ReadError::Unknown { name, .. }) => panic!("{name} is unknown"),
    }
}

#[track_caller]
fn resolved(value: Value) -> Fault {
    params(value.clone())
        .resolve(&ScheduleContext::default())
        .unwrap_or_else(|error| panic!("{value}: {error}"))
}

#[test]
fn known_examples() {
    let latency = |delay| Effect::from(Latency { delay, once: false });
    let bandwidth = |rate| Effect::from(Bandwidth { rate, burst: 1500, scope: Scope::Session });
    let both = |value: Value| resolved(value).effect;
    for value in [
        json!({"type": "latency", "mean": 300, "stddev": 40}),
        json!({"type": "latency", "mean": "300", "stddev": "40"}),
        json!({"type": "latency", "mean": "300ms", "stddev": "0.04s", "distribution": "normal"}),
    ] {
        assert_eq!(both(value), latency(Delay::Normal { mean: ms(300), stddev: ms(40) }));
    }
    assert_eq!(
        both(json!({"type": "latency", "distribution": "uniform", "min": 300, "max": "500"})),
        latency(Delay::Uniform { min: ms(300), max: ms(500) })
    );
    assert_eq!(
        both(json!({"type": "latency", "distribution": "pareto", "scale": 20, "shape": "1.5"})),
        latency(Delay::Pareto { scale: ms(20), shape: 1.5 })
    );
    for distribution in ["pareto-normal", "pareto_normal", "paretonormal"] {
        assert_eq!(
            both(json!({
                "type": "latency", "distribution": distribution,
                "scale": 20, "shape": 1.5, "mean": 50, "stddev": 15
            })),
            latency(Delay::ParetoNormal { scale: ms(20), shape: 1.5, mean: ms(50), stddev: ms(15) })
        );
    }
    let server_ingress = resolved(json!({
        "type": "bandwidth", "side": "server", "direction": "ingress", "rate": 500, "unit": "kbit/s"
    }));
    assert_eq!((server_ingress.directions, server_ingress.effect), (REPLIES, bandwidth(62_500.0)));
    let client_both =
        resolved(json!({"type": "bandwidth", "side": "client", "direction": "both", "rate": "1mbit/s"}));
    assert_eq!((client_both.directions, client_both.effect), (Directions::BOTH, bandwidth(125_000.0)));
    let three_g =
        resolved(json!({"type": "bandwidth", "side": "client", "direction": "both", "rate": "384kbit/s"}));
    assert_eq!((three_g.directions, three_g.effect), (Directions::BOTH, bandwidth(48_000.0)));
    assert_eq!(
        both(json!({"type": "latency", "mean": 200, "stddev": 50})),
        latency(Delay::Normal { mean: ms(200), stddev: ms(50) })
    );
    let jitter = resolved(json!({"type": "jitter", "amplitude": 30, "frequency": 5, "direction": "ingress"}));
    assert_eq!(jitter.directions, REPLIES);
    assert_eq!(jitter.effect, Effect::from(Jitter { amplitude: ms(30), frequency: 5.0 }));
}

#[test]
fn defaults() {
    let loss = |model| Effect::from(PacketLoss { model, rtt: None, mss: 1460 });
    for (value, flows, effect) in [
        (json!({"type": "jitter"}), REPLIES, Effect::from(Jitter { amplitude: ms(20), frequency: 5.0 })),
        (
            json!({"type": "bandwidth"}),
            REPLIES,
            Effect::from(Bandwidth { rate: 1000.0, burst: 1500, scope: Scope::Session }),
        ),
        (
            json!({"type": "bandwidth", "rate": "1gbit/s"}),
            REPLIES,
            Effect::from(Bandwidth { rate: 1.25e8, burst: 125_000, scope: Scope::Session }),
        ),
        (json!({"type": "packet-loss"}), REPLIES, loss(LossModel::FiveState)),
        (json!({"type": "packet_loss", "model": "markov"}), REPLIES, loss(LossModel::FiveState)),
        (
            json!({"type": "packet-loss", "rate": "1%"}),
            REPLIES,
            loss(LossModel::Bernoulli { rate: 0.01, correlation: 0.0 }),
        ),
        (
            json!({"type": "packet-loss", "model": "gilbert_elliott", "good_to_bad": 0.1, "bad-to-good": "50%"}),
            REPLIES,
            loss(LossModel::GilbertElliott {
                good_to_bad: 0.1,
                bad_to_good: 0.5,
                good_loss: 0.0,
                bad_loss: 1.0,
            }),
        ),
        (json!({"type": "blackhole"}), REPLIES, Effect::from(Blackhole::new(false))),
        (json!({"type": "reset"}), Directions::BOTH, Effect::from(Reset::new(ms(0), Side::Both))),
        (json!({"type": "timeout"}), Directions::BOTH, Effect::from(Timeout::new(None, false))),
        (
            json!({"type": "slow-close", "delay": 5}),
            Directions::BOTH,
            Effect::from(SlowClose { delay: ms(5) }),
        ),
        (
            json!({"type": "slicer", "size": 64}),
            REPLIES,
            Effect::from(Slicer { size: 64, variation: 0, delay: ms(0) }),
        ),
        (json!({"type": "limit-data", "bytes": 1}), Directions::BOTH, Effect::from(LimitData { bytes: 1 })),
        (json!({"type": "refuse"}), Directions::BOTH, Effect::from(Refuse)),
        (
            json!({"type": "slow_open", "delay": "2s"}),
            Directions::BOTH,
            Effect::from(SlowOpen { delay: ms(2000) }),
        ),
        (json!({"type": "corrupt", "rate": 0.001}), REPLIES, Effect::from(Corrupt { rate: 0.001 })),
    ] {
        let fault = resolved(value.clone());
        assert_eq!((fault.directions, fault.effect), (flows, effect), "{value}");
        assert_eq!(fault.name, params(value).fault_type().name);
        assert_eq!((fault.probability, fault.selection), (1.0, Selection::ALL));
        assert_eq!(fault.windows, Windows::always());
    }
}

#[test]
fn sessions_are_selected_by_their_order() {
    let fault = resolved(json!({"type": "reset", "skip": 2, "every": "3", "times": 1}));
    assert_eq!(fault.selection.to_string(), "skip 2, every 3, times 1");
    for (value, message) in [
        (json!({"type": "reset", "every": 0}), "reset: every: is 0: use 1 for each, 2 for every other one"),
        (
            json!({"type": "reset", "times": 0}),
            "reset: times: is 0: use at least 1, or leave it out for no limit",
        ),
    ] {
        let error = params(value).resolve(&ScheduleContext::default()).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
}

#[test]
fn a_fault_begins_in_the_middle_of_the_responses() {
    for (value, flows, effect) in [
        (
            json!({"type": "blackhole", "at": "first-byte"}),
            REPLIES,
            Blackhole::new(false).after_bytes(1).into(),
        ),
        (
            json!({"type": "blackhole", "after_bytes": "1KiB", "direction": "egress"}),
            Directions { to_upstream: true, to_downstream: false },
            Blackhole::new(false).after_bytes(1024).into(),
        ),
        (
            json!({"type": "timeout", "after": "1s", "at": "first_byte"}),
            REPLIES,
            Timeout::new(Some(ms(1000)), false).after_bytes(1).into(),
        ),
        (
            json!({"type": "timeout", "after-bytes": 5, "direction": "both"}),
            Directions::BOTH,
            Timeout::new(None, false).after_bytes(5).into(),
        ),
        (
            json!({"type": "reset", "after-bytes": 5, "side": "client"}),
            REPLIES,
            Effect::from(Reset::new(ms(0), Side::Client).after_bytes(5)),
        ),
    ] {
        let fault = resolved(value.clone());
        assert_eq!((fault.directions, fault.effect), (flows, effect), "{value}");
    }
    for (value, message) in [
        (
            json!({"type": "blackhole", "after-bytes": 5, "at": "first-byte"}),
            "blackhole: at: is given with `after-bytes`: use one of them",
        ),
        (
            json!({"type": "reset", "after-bytes": 0}),
            "reset: after-bytes: is 0: leave it out to let no byte pass, or use at least 1B",
        ),
    ] {
        let error = params(value).resolve(&ScheduleContext::default()).expect_err(message);
        assert_eq!(error.to_string(), message);
    }
    let unknown = json!({"type": "timeout", "at": "last-byte"});
    let error = serde_json::from_value::<FaultParams>(unknown).expect_err("unknown");
    assert_eq!(
        error.to_string(),
        "timeout: at: \"last-byte\" is not a moment: use before-forward, after-forward, first-byte, mid-response, before-ready or end"
    );
}

#[test]
fn everything_given() {
    let loss = json!({
        "type": "packet-loss", "name": "bad Wi-Fi", "probability": "25%",
        "rate": 0.02, "model": "bernoulli", "correlation": 0.25, "rtt": 80, "mss": 536
    });
    let fault = resolved(loss);
    assert_eq!((fault.name.as_str(), fault.probability), ("bad Wi-Fi", 0.25));
    let model = LossModel::Bernoulli { rate: 0.02, correlation: 0.25 };
    assert_eq!(fault.effect, Effect::from(PacketLoss { model, rtt: Some(ms(80)), mss: 536 }));
    for (value, effect) in [
        (
            json!({"type": "latency", "distribution": "constant", "mean": "1.5s", "once": true}),
            Effect::from(Latency { delay: Delay::Constant(ms(1500)), once: true }),
        ),
        (
            json!({"type": "latency", "distribution": "log_normal", "mean": 10}),
            Effect::from(Latency { delay: Delay::LogNormal { mean: ms(10), stddev: ms(0) }, once: false }),
        ),
        (
            json!({"type": "bandwidth", "rate": 2, "unit": "MBps", "burst": "64KiB", "scope": "all"}),
            Effect::from(Bandwidth { rate: 2e6, burst: 65_536, scope: Scope::All }),
        ),
        (
            json!({
                "type": "packet-loss", "model": "gilbert-elliott", "good_to_bad": "1%", "bad_to_good": 0.2,
                "good_loss": 0.001, "bad_loss": "50%"
            }),
            Effect::from(PacketLoss {
                model: LossModel::GilbertElliott {
                    good_to_bad: 0.01,
                    bad_to_good: 0.2,
                    good_loss: 0.001,
                    bad_loss: 0.5,
                },
                rtt: None,
                mss: 1460,
            }),
        ),
        (json!({"type": "blackhole", "mode": "discard"}), Effect::from(Blackhole::new(true))),
        (
            json!({"type": "reset", "after": "5s", "after-bytes": "10KB", "side": "client"}),
            Effect::from(Reset::new(ms(5000), Side::Client).after_bytes(10_000)),
        ),
        (json!({"type": "timeout", "after": 500}), Effect::from(Timeout::new(Some(ms(500)), false))),
        (
            json!({"type": "slicer", "size": 64, "variation": 63, "delay": 10}),
            Effect::from(Slicer { size: 64, variation: 63, delay: ms(10) }),
        ),
    ] {
        assert_eq!(resolved(value).effect, effect);
    }
}

#[test]
fn sides_and_directions_are_flows() {
    for (side, direction, flows) in [
        ("client", "ingress", REQUESTS),
        ("server", "egress", REQUESTS),
        ("client", "egress", REPLIES),
        ("server", "ingress", REPLIES),
        ("client", "both", Directions::BOTH),
        ("server", "both", Directions::BOTH),
    ] {
        for kind in ["jitter", "timeout"] {
            let fault = resolved(json!({"type": kind, "side": side, "direction": direction}));
            assert_eq!(fault.directions, flows, "{kind} {side} {direction}");
        }
    }
    assert_eq!(resolved(json!({"type": "jitter", "side": "client"})).directions, REQUESTS);
    let reset =
        |direction| resolved(json!({"type": "reset", "side": "both", "direction": direction})).directions;
    assert_eq!((reset("ingress"), reset("egress"), reset("both")), (REPLIES, REQUESTS, Directions::BOTH));
}

#[test]
fn a_table_is_what_the_caller_reads() {
    let latency = json!({"type": "latency", "distribution": "table", "table": "delays.csv"});
    let resolve = |read_file: ReadFile| {
        params(latency.clone()).resolve(&ScheduleContext { read_file, ..ScheduleContext::default() })
    };
    let table: Arc<[Duration]> = [10, 20, 30].map(ms).into();
    let fault = resolve(|_| Ok("ms\n10, 20\n30\n".to_owned())).expect("a table");
    assert_eq!(fault.effect, Effect::from(Latency { delay: Delay::Table(table), once: false }));
    for (read_file, problem) in
        [(|_: &_| Err(io::Error::other("not a regular file"))) as ReadFile, |_| Ok("10\nsoon\n".to_owned())]
            .into_iter()
            .zip([
                "not a regular file",
                "line 2, value 1 is not a delay: use milliseconds, 0 to 3600000, like 12.5",
            ])
    {
        let error = resolve(read_file).expect_err(problem);
        assert_eq!(error.to_string(), format!("latency: table: delays.csv: {problem}"));
    }
    let error =
        params(latency.clone()).resolve(&ScheduleContext::default()).expect_err("the default reads no files");
    assert_eq!(error.param(), "table");
}

#[test]
fn schedules_are_resolved_against_the_run() {
    let fault = params(json!({"type": "refuse", "schedule": "start:10%"}));
    assert_eq!(fault.resolve(&ScheduleContext::default()).expect_err("no duration").param(), "schedule");
    let minute = ScheduleContext { duration: Some(Duration::from_secs(60)), ..ScheduleContext::default() };
    assert_ne!(fault.resolve(&minute).expect("a schedule").windows, Windows::always());
    let nonsense = params(json!({"type": "refuse", "schedule": "now and then"}));
    assert_eq!(nonsense.resolve(&minute).expect_err("nonsense").param(), "schedule");
}

proptest! {
    /// Any parameters either resolve to an effect with valid numbers or fail with an error that names a parameter.
    #[test]
    fn what_resolves_makes_sense(
        fault_type in proptest::sample::select(FAULT_TYPES),
        numbers in proptest::collection::vec(proptest::option::of(prop_oneof![Just(0.0), 0.0..2.0, 0.0..1e7]), 9),
        whole in proptest::collection::vec(proptest::option::of(0..70_000_u32), 4),
        distribution in proptest::option::of(proptest::sample::select(
            &["normal", "constant", "uniform", "log-normal", "pareto", "pareto-normal"][..],
        )),
    ) {
        let mut value = json!({"type": fault_type.name, "distribution": distribution});
        let names = ["mean", "stddev", "shape", "scale", "min", "max", "frequency", "rate", "delay"];
        for (name, number) in names.into_iter().zip(&numbers) {
            value[name] = json!(number);
        }
        for (name, number) in ["burst", "mss", "size", "variation"].into_iter().zip(&whole) {
            value[name] = json!(number);
        }
        // Omit parameters that the type does not have, since they would always be refused.
        let object = value.as_object_mut().expect("an object");
        object.retain(|name, _| name == "type" || fault_type.parameter(name).is_some());
        let effect = match resolve(value) {
            Ok(fault) => fault.effect,
            Err(error) => {
                prop_assert!(fault_type.parameter(error.param()).is_some());
                return Ok(());
            }
        };
        if let Some(Latency { delay, .. }) = effect.downcast_ref() {
            match delay {
                Delay::Uniform { min, max } => prop_assert!(min <= max && *max <= Delay::MAX),
                Delay::LogNormal { mean, .. } => prop_assert!(*mean > Duration::ZERO),
                Delay::Pareto { scale, shape } | Delay::ParetoNormal { scale, shape, .. } => {
                    prop_assert!(*scale > Duration::ZERO && *shape > 0.0);
                }
                _ => {}
            }
        } else if let Some(Jitter { frequency, .. }) = effect.downcast_ref() {
            prop_assert!(*frequency > 0.0);
        } else if let Some(Bandwidth { rate, burst, .. }) = effect.downcast_ref() {
            prop_assert!(*rate >= 1.0 && *burst > 0);
        } else if let Some(PacketLoss { mss, .. }) = effect.downcast_ref() {
            prop_assert!((1..=65_535).contains(mss));
        } else if let Some(Slicer { size, variation, .. }) = effect.downcast_ref() {
            prop_assert!(variation < size);
        } else if let Some(Corrupt { rate }) = effect.downcast_ref() {
            prop_assert!((0.0..=1.0).contains(rate));
        }
    }
}
