//! The view of one proxy.

use super::*;

#[test]
fn a_proxy_is_opened_with_its_faults_and_figures() {
    let mut test = Test::new(vec![busy("orders-db")], (80, 24));
    test.press(KeyCode::Enter);
    let screen = test.screen();
    for part in [
        "orders-db  :6000 → db:5432",
        "sessions   12 open, 340 so far",
        "failed     7, the last 12s ago: cannot connect to db:5432: Connection refused",
        "requests   1.2 KB/s",
        "responses  3.0 MB/s",
        "added      p50 201 ms, p90 210 ms, p99 240 ms, max 1.5 s                       █\n",
        "› ◌ late  latency 5 ms, responses  on, never acted",
        "  ● loss  latency 5 ms, responses  on",
    ] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    test.press(KeyCode::Down);
    let Action::Change(Change { command: FaultCommand::Disable { proxy, fault }, .. }) =
        test.press(KeyCode::Char('t'))
    else {
        panic!("a switch")
    };
    assert_eq!((&*proxy, &*fault), ("orders-db", "loss"));
    test.snapshot.state.proxies[0].faults[1].enabled = false;
    assert!(matches!(
        test.press(KeyCode::Char(' ')),
        Action::Change(Change { command: FaultCommand::Enable { .. }, .. })
    ));
    test.press(KeyCode::Esc);
    assert!(test.screen().contains("OPEN/ALL"));
}

#[test]
fn keys_that_come_together_scroll_to_the_end_at_most() {
    let mut test = Test::new(many(1), (80, 24));
    for code in [KeyCode::Enter, KeyCode::End, KeyCode::PageDown, KeyCode::PageDown] {
        test.press(code);
    }
    let end = test.screen();
    test.press(KeyCode::End);
    assert_eq!(test.screen(), end);
}

#[test]
fn a_fault_that_is_used_up_and_has_a_long_effect_shows_its_state() {
    let mut db = proxy("db");
    db.faults = vec![fault("once")];
    (db.faults[0].used_up, db.faults[0].acted) = (true, true);
    db.faults[0].description = "a very long effect ".repeat(6);
    let mut test = Test::new(vec![db], (80, 24));
    assert!(test.screen().contains("■ once\n"), "{}", test.screen());
    test.press(KeyCode::Enter);
    assert!(test.screen().contains("…  used up\n"), "{}", test.screen());
}
