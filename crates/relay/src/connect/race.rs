//! Happy Eyeballs: connection attempts to several addresses of one name (RFC 8305, sections 4 and 5).

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::select;
use tokio::time::{Instant, sleep};

/// The Connection Attempt Delay that RFC 8305 recommends.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// The minimum Connection Attempt Delay of RFC 8305.
const MIN_ATTEMPT_DELAY: Duration = Duration::from_millis(10);

/// Attempts of one race that have not succeeded.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    /// Errors of attempts, in the order in which the attempts failed.
    failed: Vec<(SocketAddr, io::Error)>,
    /// Addresses of attempts that have neither succeeded nor failed, in the order in which they started.
    pending: Vec<SocketAddr>,
}

impl Attempts {
    fn fail(&mut self, addr: SocketAddr, error: io::Error) {
        self.pending.retain(|pending| *pending != addr);
        self.failed.push((addr, error));
    }

    /// Returns each attempt with its error. The errors of pending attempts come last.
    pub(super) fn into_errors(self) -> Vec<(SocketAddr, io::Error)> {
        let no_answer = || io::Error::new(io::ErrorKind::TimedOut, "no answer");
        let pending = self.pending.into_iter().map(|addr| (addr, no_answer()));
        self.failed.into_iter().chain(pending).collect()
    }
}

/// Returns the first connection that succeeds, or `None` if all attempts fail.
///
/// An attempt starts when the previous one has been pending for [`ATTEMPT_DELAY`], or as soon as any attempt fails. If
/// the caller drops the future at `deadline` and that is too soon for all addresses, the delay is the share of one
/// address. The other attempts are dropped when one succeeds or when the future is dropped. `record` then has those that
/// were started.
pub(super) async fn race<T, F>(
    addresses: Vec<SocketAddr>,
    deadline: Instant,
    record: &mut Attempts,
    connect: impl Fn(SocketAddr) -> F,
) -> Option<(T, SocketAddr)>
where
    F: Future<Output = io::Result<T>>,
{
    // Most targets have one address, which needs neither a set of futures nor a timer.
    if let [addr] = addresses[..] {
        record.pending.push(addr);
        return match connect(addr).await {
            Ok(stream) => Some((stream, addr)),
            Err(error) => {
                record.fail(addr, error);
                None
            }
        };
    }
    let share = (deadline - Instant::now()) / u32::try_from(addresses.len()).unwrap_or(u32::MAX).max(1);
    let delay = share.clamp(MIN_ATTEMPT_DELAY, ATTEMPT_DELAY);
    let mut waiting = interleaved(addresses).into_iter();
    let mut attempts = FuturesUnordered::new();
    loop {
        if let Some(addr) = waiting.next() {
            record.pending.push(addr);
            let attempt = connect(addr);
            attempts.push(async move { (addr, attempt.await) });
        }
        select! {
            biased;
            ended = attempts.next() => match ended? {
                (addr, Ok(stream)) => return Some((stream, addr)),
                (addr, Err(error)) => record.fail(addr, error),
            },
            () = sleep(delay), if waiting.len() > 0 => {}
        }
    }
}

/// Alternates between the address families. Keeps the resolver's order within each family, and starts with the
/// resolver's first address.
fn interleaved(addresses: Vec<SocketAddr>) -> Vec<SocketAddr> {
    let is_first_ipv4 = addresses.first().is_some_and(SocketAddr::is_ipv4);
    let (first, second): (Vec<_>, Vec<_>) =
        addresses.into_iter().partition(|addr| addr.is_ipv4() == is_first_ipv4);
    let (mut first, mut second) = (first.into_iter(), second.into_iter());
    std::iter::from_fn(|| Some([first.next(), second.next()]))
        .take_while(|pair| pair.iter().any(Option::is_some))
        .flat_map(|pair| pair.into_iter().flatten())
        .collect()
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::future::pending;

    use proptest::prelude::*;
    use tokio::time::timeout_at;

    use super::*;

    const DEAD: Option<(u64, bool)> = None;

    fn addr(number: u16) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], number))
    }

    /// Races one attempt for each outcome: after how many milliseconds it ends, and whether it succeeds. Returns the
    /// winner's number, the time at the end, the numbers that failed, and when each attempt started.
    async fn raced(outcomes: &[Option<(u64, bool)>]) -> (Option<u16>, u64, Vec<u16>, Vec<u64>) {
        raced_within(10_000, outcomes).await
    }

    /// As `raced`, until a deadline in milliseconds.
    async fn raced_within(
        limit: u64,
        outcomes: &[Option<(u64, bool)>],
    ) -> (Option<u16>, u64, Vec<u16>, Vec<u64>) {
        let began = Instant::now();
        let now = || u64::try_from(began.elapsed().as_millis()).unwrap();
        let (starts, mut record) = (RefCell::new(Vec::new()), Attempts::default());
        let addresses = (0..u16::try_from(outcomes.len()).unwrap()).map(addr).collect();
        let deadline = began + Duration::from_millis(limit);
        let race = race(addresses, deadline, &mut record, |addr| {
            starts.borrow_mut().push(now());
            let outcome = outcomes[usize::from(addr.port())];
            async move {
                let Some((after, is_success)) = outcome else { return pending().await };
                sleep(Duration::from_millis(after)).await;
                if is_success { Ok(()) } else { Err(io::ErrorKind::ConnectionRefused.into()) }
            }
        });
        let winner = timeout_at(deadline, race).await.unwrap_or(None);
        let failed = record.failed.iter().map(|(addr, _)| addr.port()).collect();
        (winner.map(|(_, addr)| addr.port()), now(), failed, starts.into_inner())
    }

    #[tokio::test(start_paused = true)]
    async fn a_dead_address_delays_the_next_by_a_quarter_of_a_second() {
        assert_eq!(raced(&[DEAD, Some((5, true))]).await, (Some(1), 255, vec![], vec![0, 250]));
        let two_dead = raced(&[DEAD, DEAD, Some((0, true)), Some((0, true))]).await;
        assert_eq!(two_dead, (Some(2), 500, vec![], vec![0, 250, 500]));
        assert_eq!(raced(&[Some((5, true)), DEAD]).await, (Some(0), 5, vec![], vec![0]));
    }

    #[tokio::test(start_paused = true)]
    async fn each_address_gets_its_share_of_a_short_time() {
        let live = Some((20, true));
        assert_eq!(raced_within(200, &[DEAD, live]).await, (Some(1), 120, vec![], vec![0, 100]));
        let three_dead = raced_within(800, &[DEAD, DEAD, DEAD, live]).await;
        assert_eq!(three_dead, (Some(3), 620, vec![], vec![0, 200, 400, 600]));
        assert_eq!(raced_within(12, &[DEAD, DEAD]).await, (None, 12, vec![], vec![0, 10]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_refused_address_delays_nothing() {
        let refused = Some((1, false));
        assert_eq!(raced(&[refused, Some((5, true))]).await, (Some(1), 6, vec![0], vec![0, 1]));
        let refused_before_dead = raced(&[refused, DEAD, Some((5, true))]).await;
        assert_eq!(refused_before_dead, (Some(2), 256, vec![0], vec![0, 1, 251]));
        assert_eq!(raced(&[refused, refused]).await, (None, 2, vec![0, 1], vec![0, 1]));
    }

    #[tokio::test(start_paused = true)]
    async fn an_attempt_that_is_slow_still_wins_if_it_is_first() {
        let slow = raced(&[Some((300, true)), Some((100, true))]).await;
        assert_eq!(slow, (Some(0), 300, vec![], vec![0, 250]));
        // The failure of an old attempt starts the next one immediately.
        let late_failure = raced(&[Some((260, false)), DEAD, Some((1, true))]).await;
        assert_eq!(late_failure, (Some(2), 261, vec![0], vec![0, 250, 260]));
    }

    #[tokio::test(start_paused = true)]
    async fn a_single_address_needs_no_timer() {
        assert_eq!(raced(&[Some((9000, true))]).await, (Some(0), 9000, vec![], vec![0]));
        assert_eq!(raced(&[Some((0, false))]).await, (None, 0, vec![0], vec![0]));
        assert_eq!(raced(&[]).await, (None, 0, vec![], vec![]));
    }

    #[test]
    fn families_alternate_beginning_with_the_first() {
        let sorted = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|ip| format!("{ip}:1").parse().unwrap()).collect();
            interleaved(addresses).iter().map(|addr| addr.ip().to_string()).collect::<Vec<_>>()
        };
        let mixed = sorted(&["[::1]", "[::2]", "[::3]", "10.0.0.1", "10.0.0.2"]);
        assert_eq!(mixed, ["::1", "10.0.0.1", "::2", "10.0.0.2", "::3"]);
        assert_eq!(sorted(&["10.0.0.1", "[::1]", "[::2]"]), ["10.0.0.1", "::1", "::2"]);
    }

    proptest! {
        #[test]
        fn interleaving_loses_no_address(families: Vec<bool>) {
            let all: Vec<SocketAddr> = families.iter().enumerate().map(|(at, is_ipv4)| {
                let port = u16::try_from(at).unwrap();
                if *is_ipv4 { addr(port) } else { ([0, 0, 0, 0, 0, 0, 0, 1], port).into() }
            }).collect();
            let mut ports: Vec<_> = interleaved(all).iter().map(SocketAddr::port).collect();
            prop_assert!(ports.first().is_none_or(|first| *first == 0));
            ports.sort_unstable();
            prop_assert_eq!(ports, (0..u16::try_from(families.len()).unwrap()).collect::<Vec<_>>());
        }
    }
}
