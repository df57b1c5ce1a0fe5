//! The whole screen, without a terminal.

mod detail;
mod dialogs;
mod overview;

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};
use fault_proxy_control::proxies::{FailureState, ProxyHistory, ProxyState, RecentState, Sample, TimesState};
use ratatui::Terminal;
use ratatui::backend::TestBackend;

use super::app::{Action, App, Change, Dialog};
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
            for dialog in [
                Dialog::Help,
                Dialog::Filter,
                Dialog::Remove { proxy: "a".into(), fault: "b".into(), label: "c".into() },
            ] {
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

#[test]
fn other_control_keys_are_not_letters() {
    let mut only = proxy("db");
    only.faults = vec![fault("late")];
    let mut test = Test::new(vec![only], (80, 24));
    for dialog in [None, Some(KeyCode::Delete)] {
        test.app.dialog = None;
        dialog.map(|key| test.press(key));
        let before = test.screen();
        // Terminals send Control and space as the byte 0.
        for c in "atdsry/?q ".chars() {
            let key = KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL);
            let action = test.app.press(key, &test.snapshot.state, Instant::now());
            assert!(matches!(action, Action::Nothing), "{key:?}");
            assert_eq!(test.screen(), before, "{key:?}");
        }
    }
}

#[test]
fn an_error_shows_its_way_out_at_80_columns() {
    const ERROR: &str = "cannot connect to the control API at http://127.0.0.1:8474: connection refused; start it with \
                         `fault-proxy run --control ADDR`, or set --addr";
    let shows = |screen: &str| {
        assert!(screen.lines().all(|line| line.chars().count() <= 80), "{screen}");
        let text = screen.split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(text.contains(ERROR), "{screen}");
    };
    let mut test = Test::new(vec![busy("db")], (80, 24));
    test.problem = Some(ERROR);
    shows(&test.screen());
    test.problem = None;
    test.app.on_done(Err(ERROR.to_owned()), Instant::now());
    shows(&test.screen());
    test.types("areset");
    test.app.on_done(Err(ERROR.to_owned()), Instant::now());
    let screen = test.screen();
    shows(&screen);
    assert!(screen.ends_with("\nadd to db: reset"), "{screen}");
    test.press(KeyCode::Esc);
    test.log = Some(vec![format!("10:00:00Z  WARN {ERROR}"), "10:00:00Z  INFO a line".to_owned()]);
    shows(&test.screen());
    test.log = None;
    test.snapshot.state.proxies[0].last_failure.as_mut().unwrap().message = ERROR.to_owned();
    test.press(KeyCode::Enter);
    shows(&test.screen());
}

#[test]
fn a_filter_is_shown_everywhere_with_the_way_out() {
    let mut with_fault = proxy("db");
    with_fault.faults = vec![fault("packet_loss_downstream")];
    with_fault.faults[0].kind = "packet_loss".to_owned();
    let mut test = Test::new(vec![with_fault, proxy("cache")], (80, 24));
    test.types("/packet-loss");
    test.press(KeyCode::Enter);
    let screen = test.screen();
    assert!(screen.contains("\nfilter \"packet-loss\": 1 of 2 proxies · Esc clears it\n"), "{screen}");
    assert!(screen.contains("◌ packet-loss\n") && !screen.contains("cache"), "{screen}");
    test.press(KeyCode::Enter);
    assert!(test.screen().contains("1 of 2 proxies · Esc in the list clears it"), "{}", test.screen());
    test.types("?");
    assert!(test.screen().contains("1 of 2 proxies · Esc in the list clears it"), "{}", test.screen());
    test.types("x");
    test.press(KeyCode::Esc);

    test.snapshot.state.proxies[0].faults.clear();
    for (size, key) in [((80, 24), 'a'), ((80, 4), 't'), ((50, 10), 'd')] {
        test.size = size;
        assert!(matches!(test.press(KeyCode::Char(key)), Action::Nothing));
        let screen = test.screen();
        assert!(screen.contains(": 0 of 2 proxies · Esc clears it\n"), "{screen}");
        assert!(screen.contains("no proxy matches the filter: Esc clears it"), "{key}: {screen}");
        assert_eq!(test.app.dialog, None);
    }
    test.press(KeyCode::Esc);
    let screen = test.screen();
    assert!(!screen.contains("filter \"") && screen.contains("cache"), "{screen}");
    test.app.filter = "long ".repeat(30);
    test.size = (80, 24);
    assert!(test.screen().contains("…\": 0 of 2 proxies · Esc clears it\n"), "{}", test.screen());
}

#[test]
fn a_fault_is_spelled_as_its_flag_everywhere() {
    let mut db = proxy("db");
    db.faults = vec![fault("lose_response_downstream")];
    db.faults[0].kind = "lose_response".to_owned();
    let mut test = Test::new(vec![db], (80, 24));
    assert!(test.screen().contains("◌ lose-response\n"), "{}", test.screen());
    test.types("d");
    assert!(test.screen().contains("remove lose-response from db? y/n"), "{}", test.screen());
    let Action::Change(Change { command: FaultCommand::Remove { fault, .. }, label }) =
        test.press(KeyCode::Enter)
    else {
        panic!("a removal")
    };
    assert_eq!((&*fault, label.as_deref()), ("lose_response_downstream", Some("lose-response")));
    test.press(KeyCode::Enter);
    assert!(test.screen().contains("› ◌ lose-response  latency 5 ms"), "{}", test.screen());
}
