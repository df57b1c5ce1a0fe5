//! Servers that have refused a request, and whether to ask another one.

use crate::id::InstanceId;

/// Maximum number of refusing servers that a request contains. Their IDs take 1 KiB.
const MAX_SERVERS: usize = 64;

/// The servers that have refused a request permanently.
///
/// NATS gives each request to any server, so a client meets servers again that have refused it, and it cannot know how
/// many there are. The client stops when the probability of having missed another server is below 10⁻⁶: (k / (k + 1))ⁿ
/// for k known servers and n requests in a row without a new one.
#[derive(Debug, Default)]
pub(crate) struct Refusals {
    servers: Vec<InstanceId>,
    reasons: Vec<String>,
    /// Refusals in a row by servers that had refused before.
    repeats: usize,
}

impl Refusals {
    /// Records a refusal, and returns true if the client should ask another server. `server` is `None` if it does not
    /// send its ID. Such servers are distinguished by their reasons.
    pub(crate) fn add(&mut self, server: Option<InstanceId>, reason: String) -> bool {
        let is_known = match &server {
            Some(server) => self.servers.contains(server),
            None => self.reasons.contains(&reason),
        };
        if is_known {
            self.repeats += 1;
        } else {
            self.repeats = 0;
            self.servers.extend(server);
            if !self.reasons.contains(&reason) {
                self.reasons.push(reason);
            }
        }
        let known = self.servers.len().max(self.reasons.len());
        known < MAX_SERVERS && self.repeats < 7 * (2 * known + 1)
    }

    /// Records that a server exists that may accept the request later.
    pub(super) fn met_another(&mut self) {
        self.repeats = 0;
    }

    /// Returns the servers that are known to refuse the request.
    pub(super) fn servers(&self) -> &[InstanceId] {
        &self.servers
    }

    /// Returns each reason once, or `None` if no server has refused.
    pub(super) fn reason(&self) -> Option<String> {
        (!self.reasons.is_empty()).then(|| self.reasons.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: usize) -> InstanceId {
        InstanceId::parse(&number.to_string()).unwrap()
    }

    /// Asks servers in an order that `draws` decides until one accepts. The first `refusing` of `servers` do not
    /// accept.
    fn is_found(refusing: usize, servers: usize, mut draws: impl Iterator<Item = usize>) -> bool {
        let mut refusals = Refusals::default();
        loop {
            let server = draws.next().unwrap() % servers;
            if server >= refusing {
                return true;
            }
            if !refusals.add(Some(id(server)), format!("reason {server}")) {
                return false;
            }
        }
    }

    #[test]
    fn a_single_server_is_asked_a_bounded_number_of_times() {
        let mut refusals = Refusals::default();
        let asked = (0..).take_while(|_| refusals.add(Some(id(1)), "no".to_owned())).count();
        assert_eq!(asked, 21);
        assert_eq!(refusals.reason().as_deref(), Some("no"));
    }

    #[test]
    fn servers_without_an_id_are_distinguished_by_their_reasons() {
        let mut refusals = Refusals::default();
        assert!(refusals.add(None, "not here".to_owned()) && refusals.add(None, "not there".to_owned()));
        let asked = (0..).take_while(|_| refusals.add(None, "not here".to_owned())).count();
        assert_eq!(asked, 34);
        assert!(refusals.servers().is_empty());
        assert_eq!(refusals.reason().as_deref(), Some("not here; not there"));
    }

    #[test]
    fn a_server_that_is_busy_keeps_the_search_going() {
        let mut refusals = Refusals::default();
        for _ in 0..1000 {
            assert!(refusals.add(Some(id(1)), "no".to_owned()));
            refusals.met_another();
        }
    }

    #[test]
    fn many_servers_are_not_asked_for_ever() {
        let mut refusals = Refusals::default();
        let asked = (0..).take_while(|number| refusals.add(Some(id(*number)), "no".to_owned())).count();
        assert_eq!(asked, MAX_SERVERS - 1);
    }

    #[test]
    fn the_one_server_of_several_that_accepts_is_found() {
        for servers in 1..=20 {
            for seed in 0..50_u64 {
                let draws = (0..).map(move |step: u64| {
                    // SplitMix64
                    let mut mixed = seed.wrapping_add(step.wrapping_mul(0x9E37_79B9_7F4A_7C15));
                    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
                    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
                    usize::try_from((mixed ^ (mixed >> 31)) >> 33).unwrap()
                });
                assert!(is_found(servers - 1, servers, draws.clone()), "{servers} {seed}");
                assert!(!is_found(servers, servers, draws), "{servers} {seed}");
            }
        }
    }
}
