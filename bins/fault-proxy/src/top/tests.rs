//! The whole screen, without a terminal.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use fault_proxy_control::proxies::{FailureState, ProxyHistory, ProxyState, RecentState, Sample, TimesState};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::app::{Action, App, Dialog};
use super::draw::{Shown, draw};
use super::source::Snapshot;
use super::testing::{fault, proxy, state};
use crate::args::FaultCommand;

fn snapshot(proxies: Vec<ProxyState>) -> Snapshot {
    let sample = |at: u64| Sample {
        at_ms: at * 1000,
        bytes_to_upstream: at,
        bytes_to_client: at,
        latency_p50_ms: None,
        latency_p99_ms: (at == 59).then_some(240.0),
        sessions: 0,
        sessions_failed: 0,
        sessions_active: 0,
    };
    let history = |proxy: &ProxyState| ProxyHistory {
        name: proxy.name.clone(),
        samples: (0..60).map(sample).collect(),
    };
    Snapshot { history: proxies.iter().map(history).collect(), state: state(75_000, None, proxies) }
}

/// A proxy with everything.
fn busy(name: &str) -> ProxyState {
    let mut busy = proxy(name);
    (busy.sessions_active, busy.sessions_total, busy.sessions_failed) = (12, 340, 7);
    let message = "cannot connect to db:5432: Connection refused".to_owned();
    busy.last_failure = Some(FailureState { at_ms: 63_000, reason: "refused".to_owned(), message });
    let latency = TimesState { count: 9, p50: 201.0, p90: 210.0, p95: 212.0, p99: 240.0, max: 1500.0 };
    busy.recent = RecentState {
        bytes_per_second_to_upstream: 1234.0,
        bytes_per_second_to_client: 3_000_000.0,
        latency_ms: Some(latency),
    };
    busy.faults = vec![fault("late"), fault("loss")];
    busy.faults[1].acted = true;
    busy
}

fn many(count: usize) -> Vec<ProxyState> {
    (1..=count).map(|number| proxy(&format!("svc-{number}"))).collect()
}

/// A view and its state.
struct Test {
    app: App,
    snapshot: Snapshot,
    size: (u16, u16),
    log: Option<Vec<String>>,
    problem: Option<&'static str>,
}

impl Test {
    fn new(proxies: Vec<ProxyState>, size: (u16, u16)) -> Self {
        Self { app: App::default(), snapshot: snapshot(proxies), size, log: None, problem: None }
    }

    fn screen(&mut self) -> String {
        let mut terminal = Terminal::new(TestBackend::new(self.size.0, self.size.1)).unwrap();
        let shown = Shown {
            snapshot: &self.snapshot,
            address: "http://127.0.0.1:8474",
            is_run: self.log.is_some(),
            problem: self.problem,
            log: self.log.as_deref(),
        };
        terminal.draw(|frame| draw(frame, &mut self.app, &shown)).unwrap();
        let buffer = terminal.backend().buffer();
        let row =
            |y| (0..self.size.0).map(|x| buffer[(x, y)].symbol()).collect::<String>().trim_end().to_owned();
        (0..self.size.1).map(row).collect::<Vec<_>>().join("\n")
    }

    fn press(&mut self, code: KeyCode) -> Action {
        self.app.press(KeyEvent::from(code), &self.snapshot.state, Instant::now())
    }

    fn types(&mut self, text: &str) {
        for c in text.chars() {
            assert!(matches!(self.press(KeyCode::Char(c)), Action::Nothing), "{c}");
        }
    }
}

#[test]
fn an_overview_fits_80_columns() {
    let mut test = Test::new(vec![busy("orders-db"), proxy("cache")], (80, 24));
    let screen = test.screen();
    let lines: Vec<_> = screen.lines().collect();
    assert_eq!(lines[0], "fault-proxy  127.0.0.1:8474 · 1m 15s · 14 sessions open, 343 so far · 7 failed");
    assert_eq!(
        lines[1], "  PROXY      OPEN/ALL     FAILED   REQ/s  RESP/s     P50     P99  FAULTS",
        "{screen}"
    );
    assert_eq!(lines[2], "› cache           2/3          -       -       -       -       -");
    assert_eq!(
        lines[3], "  orders-db    12/340  refused 7  1.2 KB  3.0 MB  201 ms  240 ms  ◌ late ● loss",
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
    assert!(screen.contains("11 of 30 proxies have \"SVC-2\""), "{screen}");
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
    let Action::Change(FaultCommand::Disable { proxy, fault }) = test.press(KeyCode::Char('t')) else {
        panic!("a switch")
    };
    assert_eq!((&*proxy, &*fault), ("orders-db", "loss"));
    test.snapshot.state.proxies[0].faults[1].enabled = false;
    assert!(matches!(test.press(KeyCode::Char(' ')), Action::Change(FaultCommand::Enable { .. })));
    test.press(KeyCode::Esc);
    assert!(test.screen().contains("OPEN/ALL"));
}

#[test]
fn a_fault_is_removed_after_a_question() {
    let mut only = proxy("db");
    only.faults = vec![fault("late")];
    let mut test = Test::new(vec![only], (80, 24));
    test.press(KeyCode::Delete);
    assert!(test.screen().contains("remove late from db? y/n"));
    assert!(matches!(test.press(KeyCode::Char('n')), Action::Nothing));
    test.press(KeyCode::Char('d'));
    let Action::Change(FaultCommand::Remove { proxy, fault }) = test.press(KeyCode::Char('y')) else {
        panic!("a removal")
    };
    assert_eq!((&*proxy, &*fault), ("db", "late"));
}

#[test]
fn keys_for_a_fault_say_what_is_missing() {
    let mut test = Test::new(vec![proxy("bare"), busy("db")], (80, 24));
    test.types("t");
    assert!(test.screen().contains("bare has no faults: press a to add one"));
    test.press(KeyCode::Down);
    test.types("d");
    let screen = test.screen();
    assert!(screen.contains("db has several faults: select one") && screen.contains("› ◌ late"), "{screen}");
    test.app.tick(Instant::now() + Duration::from_secs(60));
    assert!(test.screen().contains("Esc back"));
}

#[test]
fn a_fault_is_added_by_a_line_that_stays_until_it_is_right() {
    let mut test = Test::new(vec![proxy("db")], (80, 24));
    test.types("alatency mean");
    assert!(test.screen().contains("\nadd to db: latency mean"));
    test.press(KeyCode::Enter);
    let screen = test.screen();
    assert!(screen.contains("write KEY=VALUE") && screen.contains("add to db: latency mean"), "{screen}");
    test.types("=200ms");
    assert!(matches!(test.press(KeyCode::Enter), Action::Change(FaultCommand::Add { .. })));
    test.app.on_done(Err("toxic already exists".to_owned()), Instant::now());
    assert!(test.screen().contains("toxic already exists\nadd to db: latency mean=200ms"));
    test.app.on_done(Ok("db has latency_downstream: mean=200ms".to_owned()), Instant::now());
    assert!(test.screen().contains("db has latency_downstream: mean=200ms") && test.app.dialog.is_none());
    test.types("ax");
    test.press(KeyCode::Esc);
    assert_eq!(test.app.dialog, None);
}

#[test]
fn help_shows_all_keys() {
    for (log, leave) in [(None, "leave; the run continues"), (Some(Vec::new()), "close the view; the run")] {
        let mut test = Test::new(many(3), (80, 24));
        let is_run = log.is_some();
        test.types("?");
        assert!(test.screen().contains(leave) || is_run, "{}", test.screen());
        test.log = log;
        test.size = (80, 30);
        let screen = test.screen();
        assert!(screen.contains(leave) && screen.contains("it is on, but has never acted"), "{screen}");
        test.types("x");
        assert_eq!(test.app.dialog, None);
    }
}

#[test]
fn the_log_is_below_and_a_lost_connection_above() {
    let mut test = Test::new(many(3), (80, 24));
    let line = |number| format!("\u{1b}[2m10:00:00Z\u{1b}[0m \u{1b}[32m INFO\u{1b}[0m line {number}");
    test.log = Some((0..9).map(line).collect());
    let screen = test.screen();
    assert!(screen.contains("── log ──") && screen.contains("\n10:00:00Z  INFO line 8\n"), "{screen}");
    assert!(!screen.contains("line 3") && screen.contains("line 4"), "{screen}");
    test.problem = Some("cannot connect");
    assert!(test.screen().starts_with("fault-proxy  no data: cannot connect\n"));
    let mut none = Test::new(Vec::new(), (80, 24));
    assert!(none.screen().contains("no proxies: fault-proxy ctl create"));
}

#[test]
fn names_cannot_control_the_terminal() {
    let mut evil = busy("\u{1b}]0;evil\u{7}");
    evil.faults[0].name = "a\nb".to_owned();
    evil.upstream = "\u{9b}2J".to_owned();
    let mut test = Test::new(vec![evil], (140, 24));
    for _ in 0..2 {
        let screen = test.screen();
        assert!(screen.contains(r"\u{1b}]0;evil\u{7}") && screen.contains(r"a\nb"), "{screen}");
        assert!(!screen.contains(|c: char| c.is_control() && c != '\n'), "{screen:?}");
        test.press(KeyCode::Enter);
    }
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
fn no_size_is_too_small() {
    for width in [0, 1, 2, 3, 7, 10, 20, 40, 200] {
        for height in [0, 1, 2, 3, 5, 10, 60] {
            let mut proxies = many(30);
            proxies.extend([busy("orders-db"), busy("日本語のプロキシ")]);
            let mut test = Test::new(proxies, (width, height));
            test.log = Some(vec!["10:00:00Z  INFO line".to_owned()]);
            let keys = [KeyCode::Home, KeyCode::Enter, KeyCode::PageDown, KeyCode::End, KeyCode::Down];
            for code in keys {
                test.press(code);
                test.screen();
            }
            for dialog in
                [Dialog::Help, Dialog::Filter, Dialog::Remove { proxy: "a".into(), fault: "b".into() }]
            {
                test.app.dialog = Some(dialog);
                test.screen();
            }
            test.app.dialog = None;
            test.types("alatency mean=200ms");
            test.screen();
        }
    }
}

#[test]
fn control_keys_act_everywhere() {
    let mut test = Test::new(vec![proxy("db")], (80, 24));
    test.types("a");
    let mut control = |c| {
        let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
        test.app.press(key, &test.snapshot.state, Instant::now())
    };
    assert!(matches!(control('c'), Action::Interrupt));
    assert!(matches!(control('z'), Action::Suspend));
    assert!(matches!(control('l'), Action::Redraw));
    test.app.dialog = None;
    assert!(matches!(test.press(KeyCode::Char('q')), Action::Leave));
}
