use std::future::poll_fn;
use std::task::Waker;
use std::time::Duration;

use super::*;

const HOUR: Duration = Duration::from_secs(3600);

pub(super) async fn until(timer: &mut Timer, deadline: Instant) {
    poll_fn(|cx| timer.poll_until(cx, deadline)).await;
}

fn poll_once(timer: &mut Timer, deadline: Instant) -> Poll<()> {
    timer.poll_until(&mut Context::from_waker(Waker::noop()), deadline)
}

#[test]
fn timers_may_go_to_other_threads() {
    fn check<T: Send + Sync>() {}
    check::<Timers>();
    check::<Timer>();
}

#[tokio::test(start_paused = true)]
async fn coarse_timers_follow_the_paused_clock() {
    let start = Instant::now();
    let mut timer = Timer::new(Timers::coarse());
    until(&mut timer, start + 10 * HOUR).await;
    assert_eq!(start.elapsed(), 10 * HOUR);
    until(&mut timer, start + 11 * HOUR).await;
    assert_eq!(start.elapsed(), 11 * HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_coarse_timer_waits_for_the_last_deadline_given() {
    let start = Instant::now();
    let mut timer = Timer::new(Timers::coarse());
    assert_eq!(poll_once(&mut timer, start + 10 * HOUR), Poll::Pending);
    until(&mut timer, start + HOUR).await;
    assert_eq!(start.elapsed(), HOUR);
}

#[tokio::test(start_paused = true)]
async fn a_cleared_coarse_timer_wakes_nobody() {
    let start = Instant::now();
    let mut timer = Timer::new(Timers::coarse());
    let mut polls = 0;
    let counted = poll_fn(|cx| {
        polls += 1;
        if polls == 1 {
            assert_eq!(timer.poll_until(cx, start + HOUR), Poll::Pending);
            timer.clear();
        }
        Poll::<()>::Pending
    });
    assert!(tokio::time::timeout(2 * HOUR, counted).await.is_err());
    assert_eq!(polls, 2, "at first, and at the time-out");
}

#[tokio::test]
async fn a_deadline_that_has_passed_is_ready_at_once() {
    let mut timer = Timer::new(Timers::coarse());
    assert_eq!(poll_once(&mut timer, Instant::now()), Poll::Ready(()));
}

#[tokio::test]
async fn a_deadline_may_be_centuries_away() {
    let deadline = Instant::now() + 24 * 365 * 500 * HOUR;
    let mut coarse = Timer::new(Timers::coarse());
    assert_eq!(poll_once(&mut coarse, deadline), Poll::Pending);
    let (timers, _driver) = Timers::precise().unwrap();
    let mut precise = Timer::new(timers);
    assert_eq!(poll_once(&mut precise, deadline), Poll::Pending);
}
