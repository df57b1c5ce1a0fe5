use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake};

use proptest::prelude::*;
use tokio::task::JoinSet;
use tokio::time::Instant as TokioInstant;

use super::super::tests::until;
use super::super::{Timer, Timers};
use super::*;

const HOUR: Duration = Duration::from_secs(3600);

/// Waits on a new timer.
async fn fires(timers: Timers, deadline: TokioInstant) {
    until(&mut Timer::new(timers), deadline).await;
    assert!(TokioInstant::now() >= deadline, "early");
}

/// Fails a test that hangs.
async fn soon<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future).await.expect("a timer never fired")
}

/// Returns the output of `future`. Polls the driver at the same time.
async fn driven<T>(driver: TimerDriver, future: impl Future<Output = T>) -> T {
    tokio::select! {
        ended = driver.run() => panic!("the driver ended: {ended:?}"),
        output = soon(future) => output,
    }
}

fn queue_without_driver() -> Queue {
    Queue::new(Arc::new(timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK).unwrap()))
}

fn deadlines(queue: &Queue) -> Vec<Instant> {
    queue.with(|open| open.wakers.keys().map(|&(deadline, _)| deadline).collect()).unwrap()
}

/// Wakers that append their number to a list.
#[derive(Default)]
struct Log(Mutex<Vec<u32>>);

struct Logged(u32, Arc<Log>);

impl Wake for Logged {
    fn wake(self: Arc<Self>) {
        self.1.0.lock().push(self.0);
    }
}

impl Log {
    fn waker(self: &Arc<Self>, number: u32) -> Waker {
        Arc::new(Logged(number, Arc::clone(self))).into()
    }

    async fn reaches(&self, length: usize) -> Vec<u32> {
        while self.0.lock().len() < length {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        self.0.lock().clone()
    }
}

#[tokio::test]
async fn timers_fire_in_the_order_of_their_deadlines() {
    let (queue, driver) = open().unwrap();
    let log = Arc::new(Log::default());
    let start = Instant::now();
    let mut entries = Vec::new();
    for number in [3, 0, 4, 1, 2] {
        let mut entry = Entry::new(queue.clone()).unwrap();
        assert!(entry.register(start + Duration::from_millis(5) * number, &log.waker(number)));
        entries.push(entry);
    }
    let fired = async { (log.reaches(5).await, deadlines(&queue)) };
    assert_eq!(driven(driver, fired).await, (vec![0, 1, 2, 3, 4], vec![]));
}

#[tokio::test]
async fn a_registration_replaces_the_one_before() {
    let (queue, driver) = open().unwrap();
    let log = Arc::new(Log::default());
    let start = Instant::now();
    let mut entry = Entry::new(queue.clone()).unwrap();
    let [early, late] = [1, 5].map(|ms| start + Duration::from_millis(ms));
    entry.register(start + HOUR, &log.waker(0));
    entry.register(early, &log.waker(1));
    entry.register(late, &log.waker(2));
    entry.register(late, &log.waker(3));
    assert_eq!(deadlines(&queue), [late]);
    assert_eq!(driven(driver, log.reaches(1)).await, [3]);
}

#[test]
fn the_same_registration_again_leaves_the_queue_alone() {
    let queue = queue_without_driver();
    let mut entry = Entry::new(queue.clone()).unwrap();
    let (deadline, waker) = (Instant::now() + HOUR, Arc::new(Log::default()).waker(0));
    assert!(entry.register(deadline, &waker));
    queue.with(|open| open.wakers.clear());
    assert!(entry.register(deadline, &waker.clone()));
    assert_eq!(deadlines(&queue), []);
}

#[tokio::test]
async fn a_dropped_or_cleared_timer_leaves_the_queue() {
    let (timers, _driver) = Timers::precise().unwrap();
    let queue = timers.queue.clone().unwrap();
    let deadline = TokioInstant::now() + HOUR;
    let [mut dropped, mut cleared] = [(); 2].map(|()| Timer::new(timers.clone()));
    for timer in [&mut dropped, &mut cleared] {
        assert_eq!(timer.poll_until(&mut Context::from_waker(Waker::noop()), deadline), Poll::Pending);
    }
    assert_eq!(deadlines(&queue), [deadline.into_std(); 2]);
    drop(dropped);
    assert_eq!(deadlines(&queue), [deadline.into_std()]);
    cleared.clear();
    assert_eq!(deadlines(&queue), []);
}

#[tokio::test]
async fn thousands_of_timers_fire_and_none_early() {
    let (timers, driver) = Timers::precise().unwrap();
    let queue = timers.queue.clone().unwrap();
    let start = TokioInstant::now();
    let mut waiting = JoinSet::new();
    for n in 0..5000 {
        waiting.spawn(fires(timers.clone(), start + Duration::from_micros(n * 7919 % 300_000)));
    }
    let fired = async { (waiting.join_all().await.len(), deadlines(&queue)) };
    assert_eq!(driven(driver, fired).await, (5000, vec![]));
}

#[tokio::test]
async fn another_thread_can_register() {
    let (timers, driver) = Timers::precise().unwrap();
    let (done, is_done) = tokio::sync::oneshot::channel();
    let thread = std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        runtime.block_on(fires(timers, TokioInstant::now() + Duration::from_millis(20)));
        done.send(()).unwrap();
    });
    driven(driver, is_done).await.unwrap();
    thread.join().unwrap();
}

#[tokio::test]
async fn timers_that_lose_their_driver_turn_coarse() {
    let (timers, driver) = Timers::precise().unwrap();
    let log = Arc::new(Log::default());
    let waker = log.waker(0);
    let mut timer = Timer::new(timers.clone());
    let mut poll = |deadline| timer.poll_until(&mut Context::from_waker(&waker), deadline);
    let deadline = TokioInstant::now() + HOUR;
    assert_eq!(poll(deadline), Poll::Pending);
    drop(driver);
    assert_eq!(*log.0.lock(), [0], "woken, to wait in another way");
    assert_eq!(poll(deadline), Poll::Pending);
    assert_eq!(poll(TokioInstant::now() + Duration::from_millis(5)), Poll::Pending);
    soon(log.reaches(2)).await;

    let later = Timer::new(timers.clone());
    assert!(later.precise.is_none());
    soon(fires(timers, TokioInstant::now() + Duration::from_millis(1))).await;
}

#[test]
fn a_woken_task_may_come_back_to_the_queue() {
    struct ClosesEntry(Mutex<Option<Entry>>, AtomicUsize);
    impl Wake for ClosesEntry {
        fn wake(self: Arc<Self>) {
            self.0.lock().take();
            self.1.fetch_add(1, Ordering::Relaxed);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (queue, driver) = open().unwrap();
        let mut entry = Entry::new(queue.clone()).unwrap();
        let mut other = Entry::new(queue).unwrap();
        other.register(Instant::now() + HOUR, Waker::noop());
        let closes = Arc::new(ClosesEntry(Mutex::new(Some(other)), AtomicUsize::new(0)));
        entry.register(Instant::now() + HOUR, &Arc::clone(&closes).into());
        drop(driver);
        assert_eq!(closes.1.load(Ordering::Relaxed), 1);
    });
}

#[derive(Debug, Clone)]
enum Step {
    Register(usize, u64),
    Clear(usize),
    Fire(u64),
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => (0..8_usize, 0..100_u64).prop_map(|(entry, second)| Step::Register(entry, second)),
        1 => (0..8_usize).prop_map(Step::Clear),
        1 => (0..100_u64).prop_map(Step::Fire),
    ]
}

proptest! {
    #[test]
    fn the_timerfd_is_never_armed_later_than_the_first_deadline(steps in prop::collection::vec(step(), 0..40)) {
        let queue = queue_without_driver();
        let mut entries: Vec<Entry> = (0..8).map(|_| Entry::new(queue.clone()).unwrap()).collect();
        let start = Instant::now() + HOUR;
        let at = |second| start + Duration::from_secs(second);
        let (mut model, mut now) = ([None; 8], None);
        for step in steps {
            match step {
                Step::Register(entry, second) => {
                    // A timer does not register a deadline that has passed, nor the same deadline again.
                    if now >= Some(second) || model[entry] == Some(at(second)) {
                        continue;
                    }
                    entries[entry].register(at(second), Waker::noop());
                    model[entry] = Some(at(second));
                }
                Step::Clear(entry) => {
                    entries[entry].clear();
                    model[entry] = None;
                }
                Step::Fire(second) => {
                    now = now.max(Some(second));
                    queue.with(|open| open.take_due(at(second), &mut Vec::new()));
                    model.iter_mut().for_each(|slot| *slot = slot.filter(|&deadline| deadline > at(second)));
                }
            }
            let mut expected: Vec<Instant> = model.into_iter().flatten().collect();
            expected.sort_unstable();
            prop_assert_eq!(&deadlines(&queue), &expected);
            let armed = queue.with(|open| open.armed).unwrap();
            prop_assert!(expected.first().is_none_or(|first| armed.is_some_and(|armed| armed <= *first)));
        }
    }
}
