//! Questions, lines to edit, and the help.

use super::*;

#[test]
fn a_fault_is_removed_after_a_question() {
    let mut only = proxy("db");
    only.faults = vec![fault("late")];
    let mut test = Test::new(vec![only], (80, 24));
    test.press(KeyCode::Delete);
    assert!(test.screen().contains("remove late from db? y/n"));
    assert!(matches!(test.press(KeyCode::Char('n')), Action::Nothing));
    test.press(KeyCode::Char('d'));
    let Action::Change(Change { command: FaultCommand::Remove { proxy, fault }, .. }) =
        test.press(KeyCode::Char('y'))
    else {
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
    assert!(matches!(
        test.press(KeyCode::Enter),
        Action::Change(Change { command: FaultCommand::Add { .. }, .. })
    ));
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
fn the_help_fits_80_columns_and_names_what_the_filter_looks_at() {
    for log in [None, Some(Vec::new())] {
        let mut test = Test::new(many(3), (80, 24));
        test.log = log;
        test.types("?");
        let screen = test.screen();
        assert!(screen.contains("with a text in a name, address or fault\n"), "{screen}");
        assert!(screen.contains("used up: ") && !screen.contains('…'), "{screen}");
    }
}
