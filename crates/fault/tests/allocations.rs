//! The core allocates nothing for a chunk: its queues grow to what is in flight, and that is all.

use std::time::Duration;

use proxy_fault::bench::Core;
use proxy_fault::{Delay, Effect, Fault, Scope};

#[test]
fn chunks_allocate_nothing_once_the_queues_have_grown() {
    let ms = Duration::from_millis(1);
    let mut core = Core::new(vec![
        Fault::new(
            "latency",
            Effect::Latency { delay: Delay::Uniform { min: ms, max: 5 * ms }, once: false },
        ),
        Fault::new("bandwidth", Effect::Bandwidth { rate: 1e9, burst: 1000, scope: Scope::Session }),
        Fault::new("jitter", Effect::Jitter { amplitude: 3 * ms, frequency: 50.0 }),
    ]);
    let (mut now, mut gone, mut bytes) = (Duration::ZERO, 0, [0; 4096]);
    let mut chunks = |count: usize| {
        for _ in 0..count {
            now += Duration::from_micros(10);
            gone += core.chunk(now, &mut bytes);
        }
    };
    chunks(20_000);
    let allocated = allocation_counter::measure(|| chunks(20_000));
    assert_eq!(allocated.count_total, 0, "{allocated:?}");
    assert!(gone > 39_000 * 4096, "{gone}");
}
