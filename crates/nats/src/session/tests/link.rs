//! Sessions on one slow link: a queue without bounds in each direction, in simulated time.

mod long_paths;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;

use super::world::{LIMITS, MS};
use crate::budget::MemoryBudget;
use crate::handshake::Encoding;
use crate::session::{PathState, Probe, Role, Session, Window};

const SECOND: Duration = Duration::from_secs(1);
const MAX_MESSAGE: usize = 1 << 20;
/// What NATS adds to a message.
const NATS_HEADER: usize = 70;
static DATA: [u8; 32 << 10] = [0; 32 << 10];
const TICK: Duration = Duration::from_micros(500);
/// Between an echo and the next question.
const THINK_TIME: Duration = Duration::from_millis(50);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Load {
    /// The server sends as much as it may.
    Download,
    /// Some bytes there and back, again and again.
    Echo,
    Nothing,
}

#[derive(Debug)]
struct Tunnel {
    /// The client and the server.
    ends: [Session; 2],
    load: Load,
    /// What the client has read.
    read: u64,
    is_asked: bool,
    asked: Option<Duration>,
    round_trips: Vec<Duration>,
}

#[derive(Debug)]
enum Event {
    Arrive { tunnel: usize, end: usize, message: Bytes },
    Ask { tunnel: usize },
}

/// What happened in some time.
#[derive(Debug, Clone, Copy)]
struct Seen {
    /// What the clients read of what the link carries.
    goodput: f64,
    /// What the client that read least had, of the mean.
    least_share: f64,
    /// The median.
    queue: Duration,
    longest_queue: Duration,
}

/// One direction of the link.
#[derive(Debug, Clone, Copy)]
struct Wire {
    bytes_per_second: u64,
    delay: Duration,
    /// When all that was sent has left the queue.
    free: Duration,
    last_arrival: Duration,
}

#[derive(Debug)]
struct Link {
    now: Duration,
    /// To the client, and to the server.
    wires: [Wire; 2],
    tunnels: Vec<Tunnel>,
    events: BTreeMap<(Duration, u64), Event>,
    number: u64,
    budgets: [Arc<MemoryBudget>; 2],
    /// State that the tunnels of one process share, unless each has a separate process.
    paths: [Arc<PathState>; 2],
    probes: [Arc<Probe>; 2],
}

impl Link {
    fn new(bytes_per_second: u64, delay: Duration) -> Self {
        let now = 100 * SECOND;
        let probes: [Arc<Probe>; 2] = Default::default();
        let wire = Wire { bytes_per_second, delay, free: now, last_arrival: now };
        Self {
            now,
            wires: [wire; 2],
            tunnels: Vec::new(),
            events: BTreeMap::new(),
            number: 0,
            budgets: [(); 2].map(|()| MemoryBudget::new(256 << 20)),
            paths: probes.each_ref().map(|probe| PathState::new(Arc::clone(probe))),
            probes,
        }
    }

    /// A session with the process that all of these are with.
    fn open(&mut self, load: Load) -> usize {
        self.open_on(load, self.paths.clone())
    }

    /// A session with a peer that does not name its process.
    fn open_with_unknown(&mut self, load: Load) -> usize {
        let paths = self.probes.each_ref().map(|probe| PathState::new(Arc::clone(probe)));
        self.open_on(load, paths)
    }

    fn open_on(&mut self, load: Load, paths: [Arc<PathState>; 2]) -> usize {
        let now = self.now;
        let [client, server] =
            [0, 1].map(|end| Window::new(Arc::clone(&paths[end]), Arc::clone(&self.budgets[end]), now));
        let mut server = Session::new("0a", Encoding::Binary, Role::Server, LIMITS, server, now);
        server.on_opening(now);
        let credit = server.granted();
        let client = Session::new("0a", Encoding::Binary, Role::Client { credit }, LIMITS, client, now);
        let tunnel = Tunnel {
            ends: [client, server],
            load,
            read: 0,
            is_asked: false,
            asked: None,
            round_trips: Vec::new(),
        };
        self.tunnels.push(tunnel);
        let tunnel = self.tunnels.len() - 1;
        if load != Load::Nothing {
            self.schedule(now, Event::Ask { tunnel });
        }
        self.work(tunnel);
        tunnel
    }

    fn schedule(&mut self, at: Duration, event: Event) {
        self.number += 1;
        self.events.insert((at, self.number), event);
    }

    fn publish(&mut self, tunnel: usize, from: usize, message: Bytes) {
        let to = 1 - from;
        let wire = &mut self.wires[to];
        let bytes = (message.len() + NATS_HEADER) as u64;
        let start = wire.free.max(self.now);
        wire.free = start + Duration::from_nanos(bytes * 1_000_000_000 / wire.bytes_per_second);
        wire.last_arrival = wire.last_arrival.max(wire.free + wire.delay);
        // Processes receive everything that arrived in the meantime together.
        let at = TICK
            * u32::try_from(wire.last_arrival.as_micros().div_ceil(TICK.as_micros())).expect("some minutes");
        self.schedule(at, Event::Arrive { tunnel, end: to, message });
    }

    /// Does what the ends of a tunnel can do now.
    fn work(&mut self, index: usize) {
        for end in 0..2 {
            let now = self.now;
            let tunnel = &mut self.tunnels[index];
            while let Some(chunk) = tunnel.ends[end].next_chunk() {
                tunnel.ends[end].consumed(now, chunk.len());
                if end == 0 {
                    tunnel.read += chunk.len() as u64;
                }
                tunnel.is_asked |= end == 1;
                if tunnel.load == Load::Echo && end == 0 {
                    tunnel.round_trips.extend(tunnel.asked.take().map(|asked| now - asked));
                    self.number += 1;
                    self.events.insert((now + THINK_TIME, self.number), Event::Ask { tunnel: index });
                } else if tunnel.load == Load::Echo {
                    let message = tunnel.ends[end].write(now, &chunk);
                    self.publish(index, end, message);
                    break;
                }
            }
            loop {
                let tunnel = &mut self.tunnels[index];
                let room = tunnel.ends[end].room(MAX_MESSAGE);
                if end == 0 || tunnel.load != Load::Download || !tunnel.is_asked || room == 0 {
                    break;
                }
                let message = tunnel.ends[end].write(now, &DATA[..room]);
                self.publish(index, end, message);
            }
            while let Some(transmit) = self.tunnels[index].ends[end].poll_transmit(now, MAX_MESSAGE) {
                self.publish(index, end, transmit.message);
            }
        }
    }

    /// Returns the tunnel where it happens.
    fn happen(&mut self, event: Event) -> usize {
        let (index, now) = match event {
            Event::Arrive { tunnel, .. } | Event::Ask { tunnel } => (tunnel, self.now),
        };
        match event {
            Event::Arrive { end, message, .. } => {
                self.tunnels[index].ends[end].receive(now, message).expect("a frame");
            }
            Event::Ask { .. } if self.tunnels[index].load != Load::Nothing => {
                let tunnel = &mut self.tunnels[index];
                tunnel.asked = Some(now);
                let message = tunnel.ends[0].write(now, &DATA[..1000]);
                self.publish(index, 0, message);
            }
            Event::Ask { .. } => {}
        }
        index
    }

    fn pass(&mut self, time: Duration) {
        let until = self.now + time;
        loop {
            let due = self.events.first_key_value().map(|((at, _), _)| *at);
            let deadlines = self.tunnels.iter().flat_map(|tunnel| &tunnel.ends).filter_map(Session::deadline);
            let Some(next) = deadlines.chain(due).min().filter(|next| *next <= until) else { break };
            self.now = self.now.max(next);
            let mut busy = BTreeSet::new();
            while let Some(entry) = self.events.first_entry().filter(|entry| entry.key().0 <= self.now) {
                let event = entry.remove();
                busy.insert(self.happen(event));
            }
            for (index, tunnel) in self.tunnels.iter_mut().enumerate() {
                for session in &mut tunnel.ends {
                    if session.deadline().is_some_and(|deadline| deadline <= self.now) {
                        session.on_deadline(self.now);
                        busy.insert(index);
                    }
                }
            }
            busy.into_iter().for_each(|index| self.work(index));
        }
        self.now = until;
    }

    /// How long data queues before it goes to the client.
    fn queue(&self) -> Duration {
        self.wires[0].free.saturating_sub(self.now)
    }

    /// The p50 of the echoes within this time.
    fn echo(&mut self, tunnel: usize, time: Duration) -> Duration {
        self.tunnels[tunnel].round_trips.clear();
        self.pass(time);
        let times = &mut self.tunnels[tunnel].round_trips;
        times.sort_unstable();
        times[times.len() / 2]
    }

    fn set_rate(&mut self, bytes_per_second: u64) {
        for wire in &mut self.wires {
            let queued = wire.free.saturating_sub(self.now);
            wire.free = self.now + queued.mul_f64(wire.bytes_per_second as f64 / bytes_per_second as f64);
            wire.bytes_per_second = bytes_per_second;
        }
    }

    fn set_delay(&mut self, delay: Duration) {
        self.wires.iter_mut().for_each(|wire| wire.delay = delay);
    }

    fn watch(&mut self, time: Duration) -> Seen {
        let before: Vec<_> = self.tunnels.iter().map(|tunnel| tunnel.read).collect();
        let mut queue = Vec::new();
        for _ in 0..200 {
            self.pass(time / 200);
            queue.push(self.queue());
        }
        queue.sort_unstable();
        let read: Vec<_> =
            self.tunnels.iter().zip(before).map(|(tunnel, before)| (tunnel.read - before) as f64).collect();
        let total: f64 = read.iter().sum();
        Seen {
            goodput: total / time.as_secs_f64() / self.wires[0].bytes_per_second as f64,
            least_share: read.iter().copied().fold(f64::MAX, f64::min) * read.len() as f64 / total,
            queue: queue[100],
            longest_queue: queue[199],
        }
    }
}

/// 10 Mbit/s with a round trip of 20 ms.
fn slow_link() -> Link {
    Link::new(1_250_000, 10 * MS)
}

#[test]
fn an_echo_beside_downloads_is_nearly_as_fast_as_alone() {
    let mut link = slow_link();
    let echo = link.open(Load::Echo);
    let alone = link.echo(echo, 4 * SECOND);
    link.open(Load::Download);
    link.pass(2 * SECOND);
    let beside_one = link.echo(echo, 10 * SECOND);
    for _ in 0..3 {
        link.open(Load::Download);
    }
    link.pass(2 * SECOND);
    let beside_four = link.echo(echo, 10 * SECOND);
    assert!(beside_one <= 3 * alone && beside_four <= 5 * alone, "{alone:?} {beside_one:?} {beside_four:?}");
}

#[test]
fn downloads_that_begin_one_after_the_other_get_equal_shares_of_the_whole_link() {
    for open in [Link::open, Link::open_with_unknown] {
        let mut link = slow_link();
        for _ in 0..4 {
            open(&mut link, Load::Download);
            link.pass(2 * SECOND);
        }
        link.pass(10 * SECOND);
        let seen = link.watch(20 * SECOND);
        assert!(seen.goodput > 0.95 && seen.least_share > 0.8 && seen.queue < 80 * MS, "{seen:?}");
    }
}

#[test]
fn a_link_that_gets_slower_or_faster_is_followed() {
    let mut link = slow_link();
    link.open(Load::Download);
    link.pass(5 * SECOND);
    for rate in [125_000, 12_500_000, 1_250_000] {
        link.set_rate(rate);
        link.pass(5 * SECOND);
        let seen = link.watch(10 * SECOND);
        assert!(seen.goodput > 0.93 && seen.queue < 120 * MS, "{rate}: {seen:?}");
    }
}

#[test]
fn a_path_that_gets_longer_or_shorter_is_followed() {
    let mut link = slow_link();
    for _ in 0..2 {
        link.open(Load::Download);
    }
    link.pass(5 * SECOND);
    for delay in [100, 1, 50] {
        link.set_delay(delay * MS);
        link.pass(8 * SECOND);
        let seen = link.watch(10 * SECOND);
        assert!(seen.goodput > 0.88 && seen.queue < 2 * delay * MS + 60 * MS, "{delay}: {seen:?}");
    }
}

#[test]
fn a_long_fast_path_is_full_within_two_seconds() {
    let mut link = Link::new(100_000_000, 50 * MS);
    link.open(Load::Download);
    link.pass(2 * SECOND);
    let seen = link.watch(SECOND);
    assert!(seen.goodput > 0.9, "{seen:?}");
}

#[test]
fn what_an_aborted_download_leaves_is_gone_within_a_second() {
    for rate in [100_000, 250_000, 1_250_000, 10_000_000] {
        let mut link = Link::new(rate, MS);
        link.open(Load::Download);
        let seen = link.watch(20 * SECOND);
        assert!(seen.longest_queue < 900 * MS && seen.queue < 150 * MS, "{rate}: {seen:?}");
    }
}

#[test]
fn a_session_that_begins_on_a_congested_path_is_granted_less_at_first() {
    let mut link = slow_link();
    let first = link.open(Load::Download);
    assert_eq!(link.tunnels[first].ends[0].granted(), 64 << 10);
    link.pass(5 * SECOND);
    let second = link.open(Load::Download);
    assert_eq!(link.tunnels[second].ends[0].granted(), 16 << 10);
}

#[test]
fn a_session_with_little_to_send_may_still_send_much_at_once() {
    let mut link = slow_link();
    let tunnel = link.open(Load::Echo);
    link.pass(100 * SECOND);
    let echoed = link.tunnels[tunnel].read;
    let credit = link.tunnels[tunnel].ends.each_ref().map(|end| end.sender.window());
    assert!(echoed > 1 << 20 && credit.iter().all(|credit| *credit >= 48 << 10), "{echoed} {credit:?}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(12))]

    #[test]
    fn links_are_full_and_queues_short(
        rate in prop_oneof![100_000..1_000_000_u64, 1_000_000..10_000_000_u64],
        delay in 1..50_u32,
        downloads in 1..8_usize,
    ) {
        let mut link = Link::new(rate, delay * MS);
        for _ in 0..downloads {
            link.open(Load::Download);
            link.pass(300 * MS);
        }
        link.pass(30 * SECOND);
        let seen = link.watch(10 * SECOND);
        // About a round trip, and some small messages of each.
        let messages = Duration::from_secs_f64(downloads as f64 * 12_000.0 / rate as f64);
        let longest = 2 * delay * MS + 20 * MS + 2 * messages;
        prop_assert!(seen.goodput > 0.90 && seen.queue < longest, "{seen:?}");
    }
}
