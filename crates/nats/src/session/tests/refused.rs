//! Sessions whose messages or subscriptions NATS refuses.

use super::*;

#[test]
fn a_session_that_may_have_no_subscription_ends_unless_it_hears_something() {
    for hears in [false, true] {
        let mut world = world();
        let client = &mut world.ends[0].session;
        client.doubt(Duration::ZERO, "too many subscriptions");
        if hears {
            client.no_responders(MS);
        }
        assert!(client.deadline().is_some_and(|deadline| deadline <= DOUBT_TIMEOUT));
        client.on_deadline(DOUBT_TIMEOUT);
        let reason = client.failure().map(|failure| failure.reason.clone());
        assert_eq!(reason.as_deref(), (!hears).then_some("too many subscriptions"));
    }
}

#[test]
fn a_suspected_peer_is_asked_and_the_session_ends_only_without_an_answer() {
    let suspected = || {
        let mut world = world();
        world.pass(MS);
        let now = world.now;
        world.ends[1].session.suspect(now, "it may not publish");
        (world, now)
    };
    let (mut answering, _) = suspected();
    answering.pass(DOUBT_TIMEOUT * 2);
    assert_eq!(answering.failure(1), None);

    for is_gone in [false, true] {
        let (mut world, now) = suspected();
        let server = &mut world.ends[1].session;
        let question = server.poll_transmit(now, 1 << 20).expect("a question");
        assert!(question.wants_reply);
        if is_gone {
            server.no_responders(now + MS);
        } else {
            server.on_deadline(now + DOUBT_TIMEOUT);
        }
        assert_eq!(server.failure().map(|failure| &*failure.reason), Some("it may not publish"));
    }

    let (mut world, now) = suspected();
    world.ends[1].session.link(now + MS, false);
    world.ends[1].session.on_deadline(now + DOUBT_TIMEOUT);
    assert_eq!(world.failure(1), None);
}

#[test]
fn a_session_that_is_cut_off_sends_the_reason_and_no_data() {
    for is_reset in [false, true] {
        let mut world = world();
        world.pass(MS);
        let server = &mut world.ends[1].session;
        server.write(MS, b"refused");
        if is_reset {
            server.reset(MS, WAS_RESET);
        }
        server.cut_off(MS, "may not publish");
        let last = server.poll_transmit(MS, 1 << 20).expect("a reset");
        let (header, reason) = server.codec.decode(last.message).unwrap();
        assert!(header.flags.has(Flags::RST) && !header.flags.has(Flags::FIN) && last.wants_reply);
        assert_eq!(&*reason, if is_reset { WAS_RESET.as_bytes() } else { b"may not publish" });
        assert_eq!(server.poll_transmit(MS, 1 << 20), None);
    }
}

#[test]
fn a_session_that_has_heard_its_peer_is_not_in_doubt_until_the_connection_is_another_one() {
    let mut world = world();
    world.pass(MS);
    let client = &mut world.ends[0].session;
    client.doubt(2 * MS, "too many subscriptions");
    client.on_deadline(2 * MS + DOUBT_TIMEOUT);
    assert_eq!(client.failure(), None);
    client.link(SECOND, false);
    client.link(2 * SECOND, true);
    client.doubt(2 * SECOND, "too many subscriptions");
    client.on_deadline(2 * SECOND + DOUBT_TIMEOUT);
    assert!(client.failure().is_some());
}

#[test]
fn a_session_whose_messages_do_not_pass_is_over_at_once_and_one_that_cannot_hear_tells_its_peer() {
    let mut world = world();
    world.pass(MS);
    world.ends[0].session.give_up(MS, "may not publish");
    assert!(world.ends[0].session.is_over() && !world.ends[0].session.has_transmit());
    world.ends[1].session.abort(MS, "may not subscribe");
    let told = world.ends[1].session.poll_transmit(MS, 1 << 20).expect("a reset");
    assert!(told.message.ends_with(b"may not subscribe") && !world.ends[1].session.is_over());
}
