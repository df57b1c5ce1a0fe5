//! Tests of conditions.

use fault_proxy_engine::faults::Refuse;
use fault_proxy_engine::{Effect, Engine, Settings};
use fault_proxy_relay::RelayStats;

use super::*;

fn parsed(text: &str) -> Expectation {
    text.parse().unwrap()
}

fn holds(text: &str, value: f64) -> bool {
    parsed(text).holds(value)
}

fn measured(name: &str, sessions: u64, faults: &[&str]) -> MeasuredProxy {
    let faults = faults.iter().map(|name| Fault::new(*name, Effect::from(Refuse))).collect();
    let mut totals = RelayStats::default();
    totals.sessions = sessions;
    let faults = Engine::new(Settings::default()).proxy(name, faults).stats();
    let label = format!("{name}=up:1");
    MeasuredProxy { name: name.to_owned(), label, totals, faults, requests: Vec::new(), unread: 0 }
}

fn told(expectation: &Expectation, proxies: &[MeasuredProxy]) -> Vec<(bool, String)> {
    let verdicts = expectation.verdicts(proxies).into_iter();
    verdicts.map(|verdict| (verdict.is_met, verdict.to_string())).collect()
}

#[test]
fn values_have_the_units_of_their_metrics() {
    assert!(holds("latency.p99_error<1ms", 0.0009) && !holds("latency.p99_error<1ms", 0.001));
    assert!(holds("latency.p50 >= 300", 0.3) && holds("latency.max<=1s", 1.0));
    assert!(holds("bandwidth.rate<=500kbit/s", 62_500.0) && !holds("bandwidth.rate<500kbit/s", 62_500.0));
    assert!(holds("storm/packet-loss.loss<2%", 0.019) && !holds("storm/packet-loss.loss<2%", 0.021));
    assert!(holds("refuse.actions>0", 1.0) && !holds("refuse.actions>0", 0.0));
    assert!(holds("errors<1", 0.0) && !holds("cache.failed<1", 1.0));
}

#[test]
fn what_is_wrong_is_named_with_the_way_out() {
    for (text, problem) in [
        ("latency.p99", "it does not compare a metric; use FAULT.METRIC<VALUE"),
        ("latency<1ms", "`latency` has no metric; use"),
        ("p99<1ms", "`p99` requires the name of a fault before it; use"),
        ("latency.p98<1ms", "`p98` is not a metric; use"),
        ("latency.p99<soon", "`soon`: "),
        ("errors<nan", "`nan`: not a number"),
        ("sessions>=-1", "`-1`: is negative"),
        ("unconfirmed=0", "`unconfirmed` requires the names of a proxy and a kind of request before it; use"),
        ("latency.p50=1ms", "a measured value is almost never equal: use <"),
        ("db.commit.unconfirmed=0.5", "no value can meet it: a count is a whole number"),
        ("errors<0", "no value can meet it: use <="),
        ("latency.p50<0ms", "no value can meet it: use <="),
        ("packet-loss.loss>100%", "no value can meet it: use >="),
        ("sessions>=0", "every value meets it: use >"),
        (" ", "it is empty: remove a `;`"),
        ("bandwidth.rate>1kbps", "use KBps (bytes) or kbit/s (bits)"),
    ] {
        let error = text.parse::<Expectation>().unwrap_err();
        assert!(error.contains(problem), "{text}: {error}");
    }
}

#[test]
fn a_name_is_that_of_a_fault_or_of_a_proxy() {
    let (latency, refuse, cache, db) =
        ("latency".to_owned(), "refuse".to_owned(), "cache".to_owned(), "db".to_owned());
    let fault = Fault::new("refuse", Effect::from(Refuse));
    let faults = [(&latency, None), (&refuse, Some(&fault)), (&db, None)];
    let resolve = |text: &str| parsed(text).resolve(&faults, &[(&cache, None), (&db, None)]);
    for (text, subject) in [
        ("errors<1", Subject::All),
        ("cache.sessions>1", Subject::Proxy(cache.clone())),
        ("db.errors<1", Subject::Proxy(db.clone())),
        ("db.actions<1", Subject::Fault(db.clone())),
        ("latency.sessions>1", Subject::Fault(latency.clone())),
    ] {
        assert_eq!(resolve(text).unwrap().subject, subject, "{text}");
    }
    for (text, problem) in [
        ("db.sessions>1", "`db` is the name of a fault and of a proxy: rename one of them"),
        (
            "cache.p50<1ms",
            "`cache` is a proxy, whose metrics are sessions, errors, failed; faults: db, latency, refuse",
        ),
        ("cache.errors>=0", "every value meets it: use >"),
        (
            "latncy.p50<1ms",
            "no fault or proxy is called `latncy`; did you mean `latency`?; faults: db, latency, refuse",
        ),
        ("cach.errors<1", "no fault or proxy is called `cach`; did you mean `cache`?"),
        (
            "6380=db:6379.errors<1",
            "no fault or proxy is called `6380=db:6379`; faults: db, latency, refuse; proxies: cache, db",
        ),
        ("refuse.errors<1", "`refuse` has no such metric; its metrics are sessions, actions"),
    ] {
        let error = resolve(text).unwrap_err();
        assert!(error.starts_with(problem), "{text}: {error}");
    }
}

#[test]
fn a_fault_that_never_acted_or_was_removed_is_not_as_expected() {
    let expectation = parsed("latency.actions<=5");
    let idle = "latency.actions<=5: the fault never acted on db=up:1".to_owned();
    assert_eq!(told(&expectation, &[measured("db", 1, &["latency"])]), [(false, idle)]);
    let gone = "latency.actions<=5: no proxy has the fault latency any more".to_owned();
    assert_eq!(told(&expectation, &[measured("db", 1, &[])]), [(false, gone)]);
}

#[test]
fn sessions_are_those_of_a_proxy_or_of_all() {
    let proxies = [measured("cache", 2, &[]), measured("db", 3, &[])];
    let all = "sessions>=5: 5".to_owned();
    assert_eq!(told(&parsed("sessions>=5"), &proxies), [(true, all)]);
    let of_db = parsed("db.sessions>3").resolve(&[], &[(&"db".to_owned(), None)]).unwrap();
    assert_eq!(told(&of_db, &proxies), [(false, "db.sessions>3: 3 on db=up:1".to_owned())]);
    let gone = "db.sessions>3: the proxy db has been deleted".to_owned();
    assert_eq!(told(&of_db, &proxies[..1]), [(false, gone)]);
}

#[test]
fn a_rate_that_was_not_measured_is_below_any_limit_if_bytes_passed() {
    let mut figures = measured("db", 1, &["bandwidth"]).faults.remove(0).1;
    let is_met = |text: &str, figures: &fault_proxy_engine::FaultStats| {
        let expected = parsed(text);
        expected.comparison.is_less() && expected.metric.is_unlimited_rate(figures)
    };
    assert!(!is_met("bandwidth.rate<1MBps", &figures), "nothing passed");
    figures.bytes = 1;
    assert!(is_met("bandwidth.rate<1MBps", &figures) && is_met("bandwidth.rate<=1MBps", &figures));
    assert!(!is_met("bandwidth.rate>1MBps", &figures) && !is_met("bandwidth.p50<1ms", &figures));
}

#[test]
fn a_name_may_have_dots() {
    assert_eq!(parsed("v1.2.latency.p99<1ms").subject, Subject::Fault("v1.2.latency".to_owned()));
}

#[test]
fn requests_are_those_of_a_kind_of_a_proxy() {
    let (db, dotted, raw) = ("db".to_owned(), "db.json".to_owned(), "raw".to_owned());
    let fault = Fault::new("db.commit", Effect::from(Refuse));
    let proxies = [(&db, Some(Protocol::Psql)), (&dotted, Some(Protocol::Redis)), (&raw, None)];
    let resolve = |text: &str| parsed(text).resolve(&[], &proxies).map(|expected| expected.subject);
    let requests =
        |proxy: &str, kind: &str| Subject::Requests { proxy: proxy.to_owned(), kind: kind.to_owned() };
    assert_eq!(resolve("db.commit.unconfirmed=1"), Ok(requests("db", "commit")));
    assert_eq!(resolve("db.select.p99<250ms"), Ok(requests("db", "select")));
    assert_eq!(resolve("db.json.FT.SEARCH.requests>1"), Ok(requests("db.json", "FT.SEARCH")));
    for (text, problem) in [
        (
            "raw.commit.unconfirmed=0",
            "the requests of `raw` cannot be read: its upstream needs the scheme psql,",
        ),
        (
            "db.comit.unconfirmed=0",
            "`comit` is not a kind of statement; did you mean `commit`?; the kinds are begin,",
        ),
        ("db.sql=x.requests>0", "`sql=x` is not a kind of request: use"),
        ("db.commit.errors<1", "requests have no such metric; their metrics are p50,"),
        ("db.commit.answered>=0", "every value meets it: use >"),
        ("db.unconfirmed=0", "`db` is a proxy, whose metrics are sessions, errors, failed; put the kind"),
    ] {
        let error = resolve(text).unwrap_err();
        assert!(error.starts_with(problem), "{text}: {error}");
    }
    let name = "db.commit".to_owned();
    let with_fault = |text: &str| parsed(text).resolve(&[(&name, Some(&fault))], &proxies);
    assert_eq!(with_fault("db.commit.actions>1").unwrap().subject, Subject::Fault(name.clone()));
    assert_eq!(with_fault("db.commit.unconfirmed=0").unwrap().subject, requests("db", "commit"));
    let error = with_fault("db.commit.p50<1ms").unwrap_err();
    assert!(error.contains("rename the fault"), "{error}");
}

#[test]
fn requests_that_could_not_be_read_are_not_confirmed() {
    let db = [(&"db".to_owned(), Some(Protocol::Psql))];
    let expected = parsed("db.commit.unconfirmed=0").resolve(&[], &db).unwrap();
    let mut proxy = measured("db", 2, &[]);
    let told_of = |proxy: &MeasuredProxy| told(&expected, std::slice::from_ref(proxy));
    assert_eq!(told_of(&proxy), [(true, "db.commit.unconfirmed=0: 0 on db=up:1".to_owned())]);
    proxy.unread = 2;
    let unread =
        "db.commit.unconfirmed=0: 2 sessions could not be read, so not all requests are counted on db=up:1";
    assert_eq!(told_of(&proxy), [(false, unread.to_owned())]);
    let slow = parsed("db.commit.p99<1s").resolve(&[], &db).unwrap();
    let none = "db.commit.p99<1s: no response was delivered on db=up:1".to_owned();
    assert_eq!(told(&slow, &[measured("db", 1, &[])]), [(false, none)]);
}
