use std::sync::mpsc;
use std::task::Waker;

use super::*;
use crate::delay::Delay;
use crate::direction::Directions;
use crate::effect::{Effect, Fault};
use crate::engine::{Engine, Settings};
use crate::faults::Latency;
use crate::journal::Journal;
use crate::pipeline::SessionContext;
use crate::proxy::Faults;
use crate::stream::FaultStream;

/// Memory of one direction of a session while no fault acts, in bytes. An idle session with the control API
/// on has two of them. The allocator rounds 129 to 160 bytes up to 160, and the next bytes up to 192.
const MAX_CLEAR_SIZE: usize = 160;

/// Size of the state that both connections share, with the two counters of an `Arc`, in the allocator's size classes.
const MAX_COMMON_SIZE: usize = 64;
const MAX_IDENTITY_SIZE: usize = 112;

#[test]
fn a_connection_is_small_while_no_fault_acts() {
    let size = size_of::<FaultStream<Box<dyn Send>>>();
    assert!(size <= MAX_CLEAR_SIZE, "{size} bytes");
    let (common, identity) = (size_of::<SessionShared>() + 16, size_of::<SessionContext>() + 16);
    assert!(common <= MAX_COMMON_SIZE && identity <= MAX_IDENTITY_SIZE, "{common} and {identity} bytes");
}

const TO_UPSTREAM: Directions = Directions { to_upstream: true, to_downstream: false };
const TO_DOWNSTREAM: Directions = Directions { to_upstream: false, to_downstream: true };

fn latency(directions: Directions) -> Vec<Fault> {
    let effect = Effect::from(Latency { delay: Delay::Constant(Duration::from_millis(100)), once: false });
    vec![Fault { directions, ..Fault::new("latency", effect) }]
}

/// The requests of a session, and the offsets of the decisions of its faults.
struct Requests {
    faults: Faults,
    flow: FaultFlow,
    decisions: mpsc::Receiver<u64>,
}

impl Requests {
    fn new(plan: Vec<Fault>) -> Self {
        let (decided, decisions) = mpsc::channel();
        let journal = Journal::new(move |decision| _ = decided.send(decision.offset));
        let settings = Settings { journal: Some(journal), ..Settings::default() };
        let faults = Engine::new(settings).proxy("test", plan);
        let flow = faults.session().flows().0;
        Self { faults, flow, decisions }
    }

    fn is_small(&self) -> bool {
        matches!(self.flow.state, State::Clear(_))
    }

    fn is_passing(&mut self) -> bool {
        self.flow.poll_passthrough(&mut Context::from_waker(Waker::noop()))
    }

    fn take_in(&mut self, mut bytes: &[u8]) {
        _ = self.flow.poll_fill(&mut Context::from_waker(Waker::noop()), &mut bytes);
    }

    fn head(&mut self) -> Poll<Vec<u8>> {
        let head = self.flow.poll_head(&mut Context::from_waker(Waker::noop()));
        head.map(|len| self.flow.head(len.expect("no fault resets it")).to_vec())
    }
}

#[tokio::test(start_paused = true)]
async fn what_faults_need_is_there_from_the_first_to_the_last_of_them() {
    let mut requests = Requests::new(Vec::new());
    assert!(requests.is_passing());
    requests.flow.on_bypassed(3000);
    requests.faults.replace(latency(TO_DOWNSTREAM));
    assert!(requests.is_passing());
    assert!(requests.is_small(), "a fault in the other direction takes no memory in this one");
    for before in [3000, 5003] {
        requests.faults.replace(latency(TO_UPSTREAM));
        assert!(!requests.is_passing());
        requests.flow.write_unbounded(b"abc");
        assert_eq!(requests.head(), Poll::Pending);
        assert_eq!(requests.decisions.try_iter().collect::<Vec<_>>(), [before], "counted from the start");
        requests.faults.replace(Vec::new());
        assert_eq!(requests.head(), Poll::Ready(b"abc".to_vec()));
        assert!(!requests.is_small() && !requests.flow.is_passthrough(), "it holds bytes");
        requests.flow.consume(3);
        assert!(requests.is_passing() && requests.is_small());
        requests.flow.on_bypassed(2000);
    }
}

#[tokio::test(start_paused = true)]
async fn a_session_that_begins_with_a_fault_and_one_that_is_polled_without_any_take_what_comes() {
    let mut requests = Requests::new(latency(TO_UPSTREAM));
    assert!(!requests.is_small() && !requests.is_passing());
    let mut requests = Requests::new(Vec::new());
    requests.take_in(b"abc");
    assert_eq!(requests.head(), Poll::Ready(b"abc".to_vec()));
    requests.flow.consume(3);
    assert_eq!(requests.head(), Poll::Ready(Vec::new()), "the end of the flow, which stays");
    assert!(!requests.is_passing() && !requests.is_small());
}
