use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
pub(super) enum Act {
    Write(usize, usize),
    Read(usize, usize),
    Finish(usize),
    Abort(usize),
    Link(usize, bool),
    Limit(usize, usize),
    OnTheWay(usize),
    Trouble(Trouble),
    Pass(u64),
}

pub(super) fn acts() -> impl Strategy<Value = Vec<Act>> {
    let end = 0..2_usize;
    let trouble = (0..400_u64, 0..200_u64, 0..200_u64)
        .prop_map(|(lost, twice, late)| Act::Trouble(Trouble { lost, twice, late }));
    let act = prop_oneof![
        8 => (end.clone(), prop_oneof![1..100_usize, 1..20_000_usize]).prop_map(|(e, n)| Act::Write(e, n)),
        8 => (end.clone(), prop_oneof![1..100_usize, 1..200_000_usize]).prop_map(|(e, n)| Act::Read(e, n)),
        1 => end.clone().prop_map(Act::Finish),
        2 => (end.clone(), 3000..40_000_usize).prop_map(|(e, n)| Act::Limit(e, n)),
        1 => (384..40_000_usize).prop_map(Act::OnTheWay),
        3 => (end, any::<bool>()).prop_map(|(e, up)| Act::Link(e, up)),
        2 => trouble,
        8 => prop_oneof![0..3_u64, 0..500_u64, 0..20_000_u64].prop_map(Act::Pass),
    ];
    prop::collection::vec(act, 0..60)
}

/// The same, with no outage that is longer than allowed.
pub(super) fn short(acts: Vec<Act>) -> Vec<Act> {
    let shorten = |act| if let Act::Pass(ms) = act { Act::Pass(ms % 50) } else { act };
    acts.into_iter().map(shorten).collect()
}

pub(super) fn perform(world: &mut World, acts: &[Act]) {
    for act in acts {
        match act {
            Act::Write(end, bytes) => drop(world.write(*end, *bytes)),
            Act::Read(end, bytes) => world.read(*end, *bytes),
            Act::Finish(end) => world.finish(*end),
            Act::Abort(end) => world.ends[*end].session.abort(world.now, "told to"),
            Act::Link(end, is_up) => world.link(*end, *is_up),
            Act::Limit(end, max_message) => world.limit(*end, *max_message),
            Act::OnTheWay(max_message) => world.max_on_the_way = *max_message,
            Act::Trouble(trouble) => world.trouble = *trouble,
            Act::Pass(ms) => world.pass(MS * u32::try_from(*ms).expect("small")),
        }
    }
}

/// From here on NATS works.
pub(super) fn heal(world: &mut World) {
    world.trouble = Trouble::default();
    world.link(0, true);
    world.link(1, true);
    world.pass(MS);
}

pub(super) fn encodings() -> impl Strategy<Value = Encoding> {
    prop_oneof![Just(Encoding::Binary), Just(Encoding::Json)]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_000))]

    /// Everything arrives, once and in order, or both ends see an abort with a reason; and it comes to an end.
    #[test]
    fn all_or_an_abort(encoding in encodings(), seed: u64, acts in acts()) {
        let mut world = World::new(encoding, seed);
        perform(&mut world, &acts);
        heal(&mut world);
        world.finish(0);
        world.finish(1);
        settle(&mut world);
        prop_assert!(world.is_over(), "never over: {world:?}");
        let failures = [world.failure(0), world.failure(1)];
        match failures {
            [None, None] => prop_assert!(world.is_whole(), "a hole: {world:?}"),
            // An end that had everything, and knew that the other had, does not care how the other ended.
            [Some(failure), other] | [other, Some(failure)] => {
                prop_assert!(!failure.reason.is_empty());
                prop_assert!(other.is_some() || world.is_whole(), "one end thinks all is well: {world:?}");
            }
        }
    }

    /// While no outage is longer than allowed, nothing aborts.
    #[test]
    fn a_nats_that_blinks_aborts_nothing(seed: u64, acts in acts()) {
        let mut world = World::new(Encoding::Binary, seed);
        perform(&mut world, &short(acts));
        heal(&mut world);
        world.finish(0);
        world.finish(1);
        settle(&mut world);
        prop_assert_eq!(world.failure(0), None);
        prop_assert_eq!(world.failure(1), None);
        prop_assert!(world.is_whole() && world.is_over());
    }

    #[test]
    fn an_abort_comes_through(seed: u64, acts in acts(), end in 0..2_usize) {
        let mut world = World::new(Encoding::Binary, seed);
        perform(&mut world, &acts);
        heal(&mut world);
        perform(&mut world, &[Act::Abort(end)]);
        settle(&mut world);
        prop_assert!(world.is_over());
        // Either both see it, or there was nothing left to abort.
        prop_assert!(world.failure(1 - end).is_some() || world.is_whole() || world.failure(end).is_none());
    }

    #[test]
    fn no_bytes_at_all_make_it_panic(encoding in encodings(), message in prop::collection::vec(any::<u8>(), 0..200)) {
        let mut world = World::new(encoding, 1);
        let mut binary = message.clone();
        binary.insert(0, 0xB1);
        for message in [message, binary] {
            world.ends[1].session.receive(world.now, message.into()).ok();
            world.pass(MS);
        }
    }
}
