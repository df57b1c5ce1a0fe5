use crate::direction::{Scope, Side};
use crate::effect::Effect;
use crate::faults::{
    Bandwidth, Blackhole, Corrupt, Jitter, Latency, LimitData, PacketLoss, Refuse, Reset, ResetOnData,
    Slicer, SlowClose, SlowOpen, Timeout,
};
use crate::loss::LossModel;
use std::time::Duration;

use super::*;
use crate::delay::Delay;

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn times() {
    for (micros, text) in [
        (0, "0 ms"),
        (500, "500 µs"),
        (1000, "1 ms"),
        (1500, "1.5 ms"),
        (999_000, "999 ms"),
        (1_000_000, "1 s"),
        (59_900_000, "59.9 s"),
        (60_000_000, "1 min"),
        (90_000_000, "1.5 min"),
        (90_123_456, "90.123 s"),
        (924_600_000, "924.6 s"),
        (3_600_000_000, "1 h"),
        (5_400_000_000, "1.5 h"),
        (3_661_000_000, "3661 s"),
    ] {
        assert_eq!(Time(Duration::from_micros(micros)).to_string(), text);
    }
}

#[test]
fn every_effect_in_a_line() {
    let normal = Delay::Normal { mean: ms(300), stddev: ms(40) };
    let gilbert_elliott =
        LossModel::GilbertElliott { good_to_bad: 0.01, bad_to_good: 0.25, good_loss: 0.0, bad_loss: 1.0 };
    for (effect, text) in [
        (Effect::from(Latency { delay: normal.clone(), once: false }), "latency normal 300 ms ± 40 ms"),
        (Effect::from(Latency { delay: normal, once: true }), "latency normal 300 ms ± 40 ms, once a flow"),
        (
            Effect::from(Jitter { amplitude: ms(20), frequency: 5.0 }),
            "jitter up to 20 ms, 5 times a second at most",
        ),
        (
            Effect::from(Jitter { amplitude: ms(20), frequency: 1.0 }),
            "jitter up to 20 ms, 1 time a second at most",
        ),
        (
            Effect::from(Bandwidth { rate: 62_500.0, burst: 1500, scope: Scope::Session }),
            "bandwidth 500 kbit/s (62.5 KB/s) burst 1500 B a session",
        ),
        (Effect::from(Bandwidth { rate: 0.0, burst: 0, scope: Scope::Session }), "bandwidth 0, bytes wait"),
        (
            Effect::from(Bandwidth { rate: 1.0, burst: 65_536, scope: Scope::Proxy }),
            "bandwidth 8 bit/s (1 B/s) burst 64 KiB a proxy",
        ),
        (
            Effect::from(Bandwidth { rate: 1.25e8, burst: 125_000, scope: Scope::All }),
            "bandwidth 1 gbit/s (125 MB/s) burst 125 KB for all proxies",
        ),
        (
            Effect::from(PacketLoss {
                model: LossModel::Bernoulli { rate: 0.07, correlation: 0.0 },
                rtt: None,
                mss: 1460,
            }),
            "packet loss 7%, round trip as measured, segments of 1460 B",
        ),
        (
            Effect::from(PacketLoss {
                model: LossModel::Bernoulli { rate: 0.07, correlation: 0.25 },
                rtt: Some(ms(50)),
                mss: 536,
            }),
            "packet loss 7%, correlation 25%, round trip 50 ms, segments of 536 B",
        ),
        (
            Effect::from(PacketLoss { model: gilbert_elliott, rtt: None, mss: 1460 }),
            "packet loss 0% in a good state, 100% in a bad one (good to bad 1%, bad to good 25%), \
             round trip as measured, segments of 1460 B",
        ),
        (
            Effect::from(PacketLoss { model: LossModel::FiveState, rtt: None, mss: 1460 }),
            "packet loss in five states, round trip as measured, segments of 1460 B",
        ),
        (Effect::from(Blackhole::new(false)), "blackhole, bytes are held"),
        (Effect::from(Blackhole::new(true)), "blackhole, bytes are dropped"),
        (Effect::from(Blackhole::new(false).after_bytes(65_536)), "blackhole after 64 KiB, bytes are held"),
        (
            Effect::from(Timeout::new(Some(ms(500)), false).after_bytes(1)),
            "timeout after 1 B, closed 500 ms later",
        ),
        (Effect::from(Timeout::new(None, false).after_bytes(1)), "timeout after 1 B, never closed"),
        (Effect::from(Reset::new(ms(0), Side::Both).after_bytes(10)), "reset of both connections after 10 B"),
        (Effect::from(Reset::new(ms(0), Side::Both)), "reset of both connections after 0 ms"),
        (
            Effect::from(Reset::new(ms(5000), Side::Client).after_bytes(10_000)),
            "reset of the client's connection 5 s after 10 KB",
        ),
        (Effect::from(Reset::new(ms(5), Side::Server)), "reset of the server's connection after 5 ms"),
        (Effect::from(Timeout::new(Some(ms(500)), false)), "timeout, closed after 500 ms"),
        (Effect::from(Timeout::new(None, true)), "timeout, never closed, bytes are dropped"),
        (Effect::from(ResetOnData { after: ms(5) }), "reset of both connections 5 ms after the first bytes"),
        (Effect::from(SlowClose { delay: ms(2000) }), "slow close, 2 s later"),
        (
            Effect::from(Slicer { size: 64, variation: 32, delay: ms(10) }),
            "slicer, pieces of 64 B ± 32 B every 10 ms",
        ),
        (Effect::from(LimitData { bytes: 1 << 20 }), "data limit 1 MiB"),
        (Effect::from(Refuse), "refuse"),
        (Effect::from(SlowOpen { delay: ms(2000) }), "slow open, 2 s later"),
        (Effect::from(Corrupt { rate: 1e-6 }), "corrupt 0.0001% of bytes"),
    ] {
        assert_eq!(effect.to_string(), text);
    }
}
