//! The list of all proxies.

use super::*;

#[test]
fn an_overview_fits_80_columns() {
    let mut test = Test::new(vec![busy("orders-db"), proxy("cache")], (80, 24));
    let screen = test.screen();
    let lines: Vec<_> = screen.lines().collect();
    assert_eq!(lines[0], "fault-proxy  127.0.0.1:8474 · 1m 15s · 14 sessions open, 343 so far · 7 failed");
    assert_eq!(lines[1], "  PROXY      OPEN/ALL     FAILED  REQ B/s  RESP B/s     P99  FAULTS", "{screen}");
    assert_eq!(lines[2], "› cache           2/3          -        -         -       -");
    assert_eq!(
        lines[3], "  orders-db    12/340  refused 7   1.2 KB    3.0 MB  240 ms  ◌ late ● loss",
        "{screen}"
    );
    assert!(
        lines[23].starts_with("? help  q leave  Enter open  a add  t toggle  d remove  / filter  s by name"),
        "{screen}"
    );
}

#[test]
fn wide_terminals_show_the_reason_the_route_and_a_chart() {
    let mut test = Test::new(vec![busy("orders-db")], (140, 40));
    let screen = test.screen();
    for part in ["ROUTE", ":6000 → db:5432", "refused 7", "TREND", "▇█"] {
        assert!(screen.contains(part), "{part}: {screen}");
    }
    test.size = (120, 40);
    assert!(test.screen().contains("TREND"), "{}", test.screen());
}

#[test]
fn what_does_not_fit_is_counted() {
    let mut test = Test::new(many(30), (80, 24));
    let screen = test.screen();
    assert!(screen.contains("\n› svc-1 ") && screen.contains("\n  svc-20 "), "{screen}");
    assert!(screen.contains("\n  … 10 more proxies below\n"), "{screen}");
    test.press(KeyCode::PageDown);
    let screen = test.screen();
    assert!(screen.contains("\n› svc-20 ") && screen.contains("… 10 more proxies below"), "{screen}");
    test.press(KeyCode::End);
    let screen = test.screen();
    assert!(screen.contains("\n› svc-30 ") && screen.contains("\n  … 10 more proxies above\n"), "{screen}");
    test.press(KeyCode::Up);
    assert!(test.screen().contains("\n› svc-29 "));
    test.size = (80, 10);
    let screen = test.screen();
    assert!(screen.contains("\n› svc-29 ") && screen.contains("more proxies above, 1 below"), "{screen}");
}

#[test]
fn a_filter_lists_some_and_escape_lists_all() {
    let mut test = Test::new(many(30), (80, 24));
    test.types("/SVC-2");
    let screen = test.screen();
    assert!(screen.contains("filter: SVC-2") && !screen.contains("svc-1 "), "{screen}");
    assert!(
        screen.contains("\nfilter \"SVC-2\": 11 of 30 proxies · Enter keeps it, Esc clears it\n"),
        "{screen}"
    );
    test.press(KeyCode::Enter);
    test.press(KeyCode::Down);
    assert!(test.screen().contains("\n› svc-20 "), "{}", test.screen());
    test.press(KeyCode::Esc);
    let screen = test.screen();
    assert!(screen.contains("\n  svc-1 ") && screen.contains("\n› svc-20 "), "{screen}");
}

#[test]
fn the_order_changes_and_the_selection_stays() {
    let mut test = Test::new(vec![proxy("a"), busy("b"), proxy("c")], (80, 24));
    test.press(KeyCode::Down);
    test.press(KeyCode::Down);
    test.types("s");
    let screen = test.screen();
    assert!(screen.contains("by failed"), "{screen}");
    assert!(screen.lines().nth(2).unwrap().starts_with("  b"), "{screen}");
    assert!(screen.lines().nth(4).unwrap().starts_with("› c"), "{screen}");
    test.types("r");
    assert!(test.screen().lines().nth(2).unwrap().starts_with("› c"), "{}", test.screen());
}

#[test]
fn the_reason_of_failures_stays_when_faults_are_added() {
    let mut db = busy("orders-db-1");
    db.sessions_failed = 1234;
    for width in [80, 100, 120, 160] {
        for count in 0..6 {
            db.faults = (0..count).map(|number| fault(&format!("fault-{number}"))).collect();
            let mut test = Test::new(vec![db.clone(), proxy("cache")], (width, 24));
            assert!(test.screen().contains("refused 1234 "), "{width} {count}: {}", test.screen());
        }
    }
}

#[test]
fn the_title_of_the_chart_is_above_its_last_bar() {
    let mut test = Test::new(vec![busy("db")], (120, 24));
    let screen = test.screen();
    let column = |line: usize, text: &str| {
        let line = screen.lines().nth(line).unwrap();
        line.rsplit_once(text).unwrap_or_else(|| panic!("{text}: {screen}")).0.chars().count()
            + text.chars().count()
    };
    assert_eq!(column(1, "TREND"), column(2, "█"), "{screen}");
}
