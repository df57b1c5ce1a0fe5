//! Properties that hold for all chunks, all losses and all times of calls.

use proptest::prelude::*;

use super::*;

fn models() -> impl Strategy<Value = LossModel> {
    prop_oneof![
        (0.0..0.9, 0.0..1.0).prop_map(|(rate, correlation)| LossModel::Bernoulli { rate, correlation }),
        (0.0..1.0, 0.1..1.0, 0.0..0.5, 0.0..0.9).prop_map(
            |(good_to_bad, bad_to_good, good_loss, bad_loss)| {
                LossModel::GilbertElliott { good_to_bad, bad_to_good, good_loss, bad_loss }
            }
        ),
        Just(LossModel::FiveState),
        Just(independent(0.0)),
    ]
}

/// Chunks of up to a segment, some of which continue the previous segment, with pauses between them. The last
/// chunk is an end.
fn chunks() -> impl Strategy<Value = Vec<Chunk>> {
    let pause = prop_oneof![3 => Just(0), 2 => 0_u64..2_000, 1 => 0_u64..400_000];
    prop::collection::vec((pause, 1..=1460_usize, prop::bool::weighted(0.3)), 1..200).prop_map(|steps| {
        let (mut at, mut offset, mut segment) = (Duration::ZERO, 0, 0);
        let mut chunks: Vec<Chunk> = steps
            .into_iter()
            .map(|(pause, len, continues)| {
                at += Duration::from_micros(pause);
                segment += u64::from(!continues);
                let chunk = Chunk { offset, len, segment, ..Chunk::ending(at, FlowEnd::No) };
                offset += len as u64;
                chunk
            })
            .collect();
        chunks.push(Chunk { offset, len: 0, segment: segment + 1, ..Chunk::ending(at, FlowEnd::Finish) });
        chunks
    })
}

/// Passes `chunks` through a sender. Either calls `pop` `polls` times between two arrivals and at each due
/// time, or only once at the end.
fn run(
    model: &LossModel,
    seed: u64,
    rtt: Duration,
    chunks: &[Chunk],
    polls: Option<u32>,
) -> (Vec<Chunk>, Vec<LossEvent>) {
    let mut sender = LossySender::new(model, rtt, MSS, key(seed));
    let (mut left, mut events) = (Vec::new(), Vec::new());
    let mut last = Duration::ZERO;
    for chunk in chunks {
        let pause = chunk.at - last;
        for step in 1..=polls.unwrap_or(0) {
            let now = last + pause * step / polls.unwrap_or(1);
            left.extend(std::iter::from_fn(|| sender.pop(now, &mut |event| events.push(event))));
        }
        sender.push(*chunk, &mut |event| events.push(event));
        last = chunk.at;
    }
    while let Some(due) = sender.due() {
        let now = if polls.is_some() { due } else { due + Duration::from_secs(1_000_000) };
        left.extend(std::iter::from_fn(|| sender.pop(now, &mut |event| events.push(event))));
    }
    (left, events)
}

proptest! {
    #[test]
    fn every_piece_leaves_once_in_order_and_not_before_it_came(
        model in models(), chunks in chunks(), seed: u64, rtt in 0_u64..500, polls in 0_u32..4,
    ) {
        let (left, _) = run(&model, seed, Duration::from_millis(rtt), &chunks, Some(polls));
        prop_assert_eq!(left.len(), chunks.len());
        for (out, chunk) in left.iter().zip(&chunks) {
            prop_assert_eq!(Chunk { at: chunk.at, ..*out }, *chunk);
            prop_assert!(out.at >= chunk.at);
        }
        prop_assert!(left.windows(2).all(|pair| pair[0].at <= pair[1].at));
    }

    #[test]
    fn the_times_of_the_calls_change_nothing(
        model in models(), chunks in chunks(), seed: u64, rtt in 0_u64..500, polls in 1_u32..4,
    ) {
        let rtt = Duration::from_millis(rtt);
        let dense = run(&model, seed, rtt, &chunks, Some(polls));
        prop_assert_eq!(dense, run(&model, seed, rtt, &chunks, None));
    }

    #[test]
    fn the_losses_of_new_segments_depend_on_the_seed_alone(
        model in models(), chunks in chunks(), seed: u64, rtt in 0_u64..500,
    ) {
        let lost = |rtt| -> Vec<u64> {
            let (_, events) = run(&model, seed, Duration::from_millis(rtt), &chunks, None);
            let lost = events.iter().filter(|event| event.decision == Decision::Lost);
            lost.map(|event| event.segment).collect()
        };
        prop_assert_eq!(lost(rtt), lost(20));
    }

    #[test]
    fn whatever_is_held_is_due(model in models(), chunks in chunks(), seed: u64) {
        let mut sender = sender(&model, seed);
        let mut out = 0;
        for (count, chunk) in (1..).zip(&chunks) {
            sender.push(*chunk, &mut |_| ());
            while sender.pop(chunk.at, &mut |_| ()).is_some() {
                out += 1;
            }
            prop_assert_eq!(sender.due().is_some(), out < count);
            prop_assert!(sender.due() > Some(chunk.at) || out == count);
        }
    }
}
