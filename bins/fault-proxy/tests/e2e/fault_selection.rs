//! Faults that act on some sessions, by the order in which these start.

use std::{fs, io::ErrorKind, path::Path};

use crate::fault_support::script::end;
use crate::support::api::{Api, connect, create};
use crate::support::{BINARY, Proxy, round_trip, run, utf8};
use serde_json::json;
use tempfile::TempDir;
use testkit::{Daemon, TcpServer};

/// Which of `count` sessions, one after the other, end with a reset.
fn resets(proxy: &Proxy, count: usize) -> Vec<usize> {
    let is_reset = |_: &usize| match round_trip(&proxy.connect(), b"am I on?") {
        Ok(()) => false,
        Err(error) => {
            assert_eq!(error.kind(), ErrorKind::ConnectionReset);
            true
        }
    };
    (1..=count).filter(is_reset).collect()
}

#[test]
fn sessions_are_selected_by_their_order_on_all_threads() {
    let far_end = TcpServer::echo();
    let options = ["--with-reset", "--reset-skip", "3", "--reset-every", "2", "--reset-times", "3"];
    let proxy = Proxy::with(far_end.addr(), &options);
    assert_eq!(resets(&proxy, 14), [4, 6, 8]);
}

#[test]
fn one_client_is_refused_and_the_port_stays_open() {
    let far_end = TcpServer::echo();
    let proxy = Proxy::with(far_end.addr(), &["--with-refuse", "--refuse-times", "1"]);
    assert_eq!(resets(&proxy, 5), [1]);
}

#[test]
fn a_replay_selects_the_same_sessions() {
    let (directory, far_end) = (TempDir::new().unwrap(), TcpServer::echo());
    let journal = directory.path().join("journal");
    let options = ["--with-reset", "--reset-every", "2", "--reset-times", "4", "--reset-probability", "0.5"];
    let proxy = Proxy::with(far_end.addr(), &[&options[..], &["--journal", utf8(&journal)]].concat());
    let reset = resets(&proxy, 40);
    assert_eq!(reset.len(), 4, "{reset:?}");
    assert_eq!(end(&proxy), Some(0), "{}", proxy.stderr());
    let text = fs::read_to_string(&journal).unwrap();
    assert_eq!(text.matches(r#""decision":"applies","applies":true"#).count(), 4, "{text}");
    assert_eq!(text.matches(r#""decision":"applies","applies":false"#).count(), 36, "{text}");

    let replay = Daemon::spawn(Path::new(BINARY), &["replay", utf8(&journal)], &[]);
    replay.wait_for_line("listening on");
    assert_eq!(resets(&proxy, 40), reset);
    assert_eq!(end(&replay), Some(0), "{}", replay.stderr());
    // Each reset is recorded in both directions.
    let all = "replayed 48 of 48 decisions; 0 were not made again, 0 were not in the journal";
    assert!(replay.stdout().contains(all), "{}", replay.stdout());
}

#[test]
fn a_fault_of_the_api_counts_the_sessions_that_start_after_it() {
    let (far_end, api) = (TcpServer::echo(), Api::alone());
    let addr = create(&api, "cache", far_end.addr());
    let is_reset = || round_trip(&connect(addr), b"am I on?").is_err();
    let before = connect(addr);
    round_trip(&before, b"before").unwrap();
    let (path, fault) =
        ("/proxies/cache/toxics", json!({"type": "reset", "name": "once", "attributes": {"times": 1}}));
    assert_eq!(api.post(path, &fault)["attributes"], json!({"direction": "both", "times": 1}));
    round_trip(&before, b"it was open").unwrap();
    assert_eq!([(); 3].map(|()| is_reset()), [true, false, false]);
    // The count goes on after a change of something else, and restarts after a change of the selection.
    let path = "/proxies/cache/toxics/once";
    api.post(path, &json!({"attributes": {"after": "1ms"}}));
    assert!(!is_reset());
    let changed = api.post(path, &json!({"attributes": {"times": 2, "skip": 1}}));
    assert_eq!(changed["attributes"], json!({"after": 1, "direction": "both", "skip": 1, "times": 2}));
    round_trip(&before, b"it still is").unwrap();
    let (status, refused) = api.ask("POST", path, &json!({"attributes": {"times": 0}}));
    assert_eq!(status, 400, "{refused}");
    let problem = refused["error"].as_str().unwrap_or_default();
    assert!(problem.contains("times: is 0: use at least 1"), "{problem}");
}

#[test]
fn check_shows_the_selection() {
    let far_end = TcpServer::echo();
    let mapping = format!("{}={}", testkit::free_port(), far_end.addr());
    let options = ["--with-reset", "--reset-skip", "2", "--reset-every", "3", "--reset-times", "1"];
    let ended = run(&[&["check", "--proxy", &mapping][..], &options].concat());
    assert!(ended.stdout.contains("100%, skip 2, every 3, times 1"), "{ended:?}");
    let ended = run(&["check", "--proxy", &mapping, "--with-reset", "--reset-times", "0"]);
    assert!(ended.stderr.contains("--reset-times: is 0: use at least 1"), "{ended:?}");
    assert_eq!(ended.code, Some(2));
}
