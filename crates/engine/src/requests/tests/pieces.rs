//! Streams in pieces of any size.

use proptest::prelude::*;

use super::*;

/// Sends both streams in pieces, and returns what has passed and how the session has ended.
fn outcome(faults: &Faults, cuts: &[usize]) -> (Vec<u8>, Vec<u8>, Option<SessionEnd>) {
    let mut streams = psql(faults);
    let rows = message(b'D', b"\0\0").repeat(3);
    let steps = [
        (
            [query("begin"), query("select 1")].concat(),
            [complete("BEGIN"), READY.to_vec(), rows.clone(), complete("SELECT 3"), READY.to_vec()].concat(),
        ),
        (
            [execute("insert into t values (1)"), execute("commit")].concat(),
            [complete("INSERT 0 1"), READY.to_vec(), complete("COMMIT"), READY.to_vec()].concat(),
        ),
        (
            // Without a Sync in between.
            [
                &execute("update t set a = 1")[..execute("update t set a = 1").len() - 5],
                &execute("delete from t"),
            ]
            .concat(),
            [complete("UPDATE 1"), complete("DELETE 1"), READY.to_vec()].concat(),
        ),
        (query("select 2"), [rows, complete("SELECT 3"), READY.to_vec()].concat()),
    ];
    let mut cuts = cuts.iter().copied().cycle();
    for (requests, responses) in steps {
        for (direction, bytes) in [(Direction::ToUpstream, requests), (Direction::ToDownstream, responses)] {
            let mut rest = &bytes[..];
            while !rest.is_empty() && streams.end.is_none() {
                let (piece, behind) = rest.split_at(cuts.next().unwrap_or(1).clamp(1, rest.len()));
                streams.send(direction, piece);
                rest = behind;
            }
        }
    }
    streams.advance(Duration::from_secs(1));
    let [requests, responses] = streams.passed;
    (requests, responses, streams.end)
}

fn actions() -> impl Strategy<Value = (&'static str, Moment, RequestAction)> {
    let end = |after| RequestAction::End { after, ending: Ending::Close };
    let part = |n| NonZeroU64::new(n).expect("not zero");
    let moments = prop::sample::select(vec![
        Moment::BeforeForward,
        Moment::AfterForward,
        Moment::FirstByte,
        Moment::MidResponse(Part::Bytes(part(9))),
        Moment::MidResponse(Part::Rows(part(2))),
        Moment::BeforeReady,
        Moment::End,
    ]);
    let kinds = prop::sample::select(vec![
        "begin",
        "select",
        "insert",
        "commit",
        "update",
        "delete",
        "sql=/select 2/",
    ]);
    let actions = prop::sample::select(vec![end(Duration::ZERO), end(Duration::from_secs(1)), LOST]);
    (kinds, moments, actions)
}

proptest! {
    #[test]
    fn how_the_streams_are_cut_does_not_change_what_passes(
        (on, at, action) in actions(),
        cuts in prop::collection::vec(1_usize..40, 1..12),
    ) {
        let faults = || faults_of(Protocol::Psql, vec![fault(on, at, action.clone())]);
        let whole = outcome(&faults(), &[usize::MAX]);
        let cut = outcome(&faults(), &cuts);
        // With requests in one piece, more of those before the end may have been forwarded.
        prop_assert_eq!(&cut.1, &whole.1);
        prop_assert_eq!(cut.2, whole.2);
        prop_assert_eq!(&cut.0, &whole.0);
    }
}
