//! Throughput of the engine's core in chunks per second.
#![allow(missing_docs, reason = "made by criterion")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use fault_proxy_engine::bench::Core;
use fault_proxy_engine::faults::{Bandwidth, Jitter, Latency, PacketLoss};
use fault_proxy_engine::{Delay, Effect, Fault, LossModel};

const MS: Duration = Duration::from_millis(1);
/// Number of chunks per round.
const CHUNKS: u64 = 1000;
const CHUNK: usize = 1024;
/// Time between chunks. With this size, it is a rate of 1 GB/s.
const PACE: Duration = Duration::from_nanos(1024);

fn faults() -> [(&'static str, Vec<Effect>); 5] {
    let constant = Effect::from(Latency::new(Delay::Constant(10 * MS)));
    let normal = Effect::from(Latency::new(Delay::Normal { mean: 10 * MS, stddev: 2 * MS }));
    let bandwidth = Effect::from(Bandwidth::new(2e9).with_burst(1 << 20));
    let jitter = Effect::from(Jitter::new(20 * MS, 5.0));
    let loss = Effect::from(PacketLoss::new(
        LossModel::Bernoulli { rate: 0.0001, correlation: 0.0 },
        Some(MS),
        1460,
    ));
    [
        ("latency", vec![constant.clone()]),
        ("latency drawn", vec![normal.clone()]),
        ("latency, bandwidth, jitter", vec![constant, bandwidth.clone(), jitter.clone()]),
        ("latency drawn, bandwidth, jitter", vec![normal, bandwidth, jitter]),
        ("packet loss", vec![loss]),
    ]
}

fn chunks(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("chunks of 1 KiB");
    group.throughput(Throughput::Elements(CHUNKS));
    for (name, effects) in faults() {
        let faults = effects.into_iter().enumerate();
        let faults = faults.map(|(number, effect)| Fault::new(number.to_string(), effect)).collect();
        let (mut core, mut now, mut bytes) = (Core::new(faults), Duration::ZERO, [0; CHUNK]);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for _ in 0..CHUNKS {
                    now += PACE;
                    black_box(core.chunk(now, black_box(&mut bytes)));
                }
            });
        });
    }
}

criterion_group!(benches, chunks);
criterion_main!(benches);
