//! Time that the recovery of a loss takes.

use super::super::LossCounts;
use super::*;

const RTO: Duration = Duration::from_millis(220);

#[test]
fn a_lone_segment_lost_comes_after_one_timeout() {
    let wanted = [(0, Decision::Lost), (0, Decision::RetransmitTimeout { n: 1, lost: false })];
    let (left, events) = run_with(0.5, 1, &wanted);
    assert_eq!(left, [RTO]);
    assert_eq!(events.iter().map(|event| event.at).collect::<Vec<_>>(), [Duration::ZERO, RTO]);
}

#[test]
fn lost_twice_it_comes_after_one_timeout_and_one_of_double_length() {
    let wanted = [
        (0, Decision::Lost),
        (0, Decision::RetransmitTimeout { n: 1, lost: true }),
        (0, Decision::RetransmitTimeout { n: 2, lost: false }),
    ];
    assert_eq!(run_with(0.5, 1, &wanted).0, [3 * RTO]);
}

#[test]
fn a_loss_followed_by_others_comes_after_one_round_trip_and_holds_those_after_it() {
    let wanted = [(1, Decision::Lost), (1, Decision::Retransmit { lost: false })];
    let (left, events) = run_with(0.1, 4, &wanted);
    assert_eq!(left, [Duration::ZERO, RTT, RTT, RTT]);
    assert_eq!(events[1], LossEvent { at: RTT, segment: 1, offset: 1460, decision: wanted[1].1 });
}

#[test]
fn a_retransmission_lost_is_sent_again_a_round_trip_later_while_others_follow_it() {
    let wanted = [
        (1, Decision::Lost),
        (1, Decision::Retransmit { lost: true }),
        (1, Decision::Retransmit { lost: false }),
    ];
    // The acknowledgments of the other segments allow new segments, whose acknowledgments show the loss.
    let (left, _) = run_with(0.03, 20, &wanted);
    assert_eq!(left[1], 2 * RTT);
}

#[test]
fn the_last_of_several_lost_waits_for_the_timeout_and_the_last_two_for_a_probe() {
    let (left, _) =
        run_with(0.2, 3, &[(2, Decision::Lost), (2, Decision::RetransmitTimeout { n: 1, lost: false })]);
    assert_eq!(left[2], RTT + RTO);

    let wanted = [
        (1, Decision::Lost),
        (2, Decision::Lost),
        (2, Decision::Probe { lost: false }),
        (1, Decision::Retransmit { lost: false }),
    ];
    let (left, _) = run_with(0.2, 3, &wanted);
    // The acknowledgment arrives at RTT and the probe follows two RTT later. Its acknowledgment shows the
    // other loss.
    assert_eq!(left, [Duration::ZERO, 4 * RTT, 4 * RTT]);
}

#[test]
fn segments_beyond_the_window_wait_for_acknowledgments() {
    let (left, events) = send_at_once(&mut sender(&independent(0.0), 1), 40);
    assert_eq!(events, []);
    let expected = [(10, Duration::ZERO), (20, RTT), (10, 2 * RTT)];
    let expected: Vec<Duration> = expected.iter().flat_map(|&(count, at)| vec![at; count]).collect();
    assert_eq!(left, expected);
}

#[test]
fn what_waits_for_the_window_is_counted_in_bytes() {
    let mut sender = sender(&independent(0.0), 1);
    (0..13).for_each(|segment| sender.push(full(segment, MS), &mut |_| ()));
    assert_eq!(sender.waiting(), 3 * 1460);
    while sender.pop(RTT + MS, &mut |_| ()).is_some() {}
    assert_eq!((sender.waiting(), sender.due()), (0, None));
}

#[test]
fn the_pieces_of_a_segment_share_its_fate() {
    let model = independent(0.5);
    let seed = (0..).find(|&seed| {
        let (_, events) = send_at_once(&mut sender(&model, seed), 1);
        events.len() == 2
    });
    let mut sender = sender(&model, seed.expect("half of the seeds lose"));
    let mut report = |_| ();
    let part = |at, offset, len| Chunk { offset, len, ..Chunk::ending(at, FlowEnd::No) };
    sender.push(part(Duration::ZERO, 0, 100), &mut report);
    sender.push(part(MS, 100, 100), &mut report);
    assert_eq!(sender.due(), Some(RTO));
    sender.push(part(300 * MS, 200, 100), &mut report);
    let left: Vec<Chunk> = std::iter::from_fn(|| sender.pop(300 * MS, &mut report)).collect();
    assert_eq!(left, [part(RTO, 0, 100), part(RTO, 100, 100), part(300 * MS, 200, 100)]);
    assert_eq!(sender.take_counts(), LossCounts { segments: 1, lost: 1 });
}

#[test]
fn the_end_of_the_flow_keeps_its_place_and_what_it_says() {
    let mut sender = sender(&independent(1.0), 1);
    sender.push(full(0, MS), &mut |_| ());
    let end = Chunk { offset: 1460, segment: 1, ..Chunk::ending(MS, FlowEnd::Finish) };
    sender.push(end, &mut |_| ());
    assert_eq!(sender.drain().collect::<Vec<_>>(), [full(0, MS), end]);
}

#[test]
fn switched_off_it_gives_back_all_it_holds_and_starts_anew() {
    let mut sender = sender(&independent(1.0), 1);
    let mut report = |_| ();
    (0..50).for_each(|segment| sender.push(full(segment, MS), &mut report));
    assert_eq!(sender.pop(Duration::from_secs(1), &mut report), None);
    let drained: Vec<Chunk> = sender.drain().collect();
    assert!(drained.iter().map(|chunk| chunk.segment).eq(0..50));
    assert!(drained.windows(2).all(|pair| pair[0].at <= pair[1].at));
    assert_eq!((sender.due(), sender.waiting()), (None, 0));
    sender.push(full(50, Duration::from_secs(2)), &mut report);
    assert_eq!(sender.due(), Some(Duration::from_secs(2) + RTO));
}

#[test]
fn with_a_rate_of_one_nothing_comes_and_timeouts_grow_to_two_minutes() {
    let mut sender = sender(&independent(1.0), 1);
    let mut at = Vec::new();
    sender.push(full(0, Duration::ZERO), &mut |_| ());
    let day = Duration::from_secs(86_400);
    assert_eq!(sender.pop(day, &mut |event| at.push(event.at)), None);
    assert!(at.len() < 1000);
    let last_two = &at[at.len() - 2..];
    assert_eq!(last_two[1] - last_two[0], Duration::from_secs(120));
    assert!(sender.due() > Some(day));
}

#[test]
fn the_receiver_buffers_six_mebibytes_behind_a_hole() {
    let mebibyte = |segment| Chunk { len: 1 << 20, ..full(segment, Duration::ZERO) };
    let run = |seed| {
        let mut sender = sender(&independent(0.1), seed);
        let mut lost = Vec::new();
        let mut report = |event: LossEvent| lost.push(event.segment);
        (0..10).for_each(|segment| sender.push(mebibyte(segment), &mut report));
        (sender, lost)
    };
    let only_first = (0..).map(run).find(|(_, lost)| *lost == [0]);
    let (mut sender, _) = only_first.expect("some seed loses the first of six alone");
    assert_eq!(sender.waiting(), 4 << 20);
    while sender.pop(RTT, &mut |_| ()).is_some() {}
    assert_eq!(sender.waiting(), 0);
}
