use proptest::prelude::*;

use super::time::UNITS;
use super::*;

const MINUTES_10: Option<Duration> = Some(Duration::from_secs(600));

fn parse(text: &str) -> Schedule {
    Schedule::parse(text, ParseMode::Lenient).unwrap_or_else(|error| panic!("{error}"))
}

fn windows(schedule: &Schedule, duration: Option<Duration>) -> Vec<(u64, Option<u64>)> {
    let windows = schedule.resolve(duration).unwrap_or_else(|error| panic!("{error}"));
    windows.iter().map(|(start, end)| (start.as_secs(), end.map(|end| end.as_secs()))).collect()
}

fn refused(text: &str) -> String {
    Schedule::parse(text, ParseMode::Lenient).expect_err(text).to_string()
}

#[test]
fn schedules_found_in_the_wild() {
    for (text, expected) in [
        ("duration:50s", vec![(0, Some(50))]),
        ("start:30s", vec![(30, None)]),
        ("start:20s,duration:40s;start:80s,duration:30s", vec![(20, Some(60)), (80, Some(110))]),
        ("start:125s,duration:20s;start:70%,duration:5%", vec![(125, Some(145)), (420, Some(450))]),
    ] {
        for reading in [ParseMode::Lenient, ParseMode::Strict] {
            let schedule = Schedule::parse(text, reading).unwrap();
            assert_eq!(windows(&schedule, MINUTES_10), expected, "{text}");
            assert!(!schedule.merged_periods(), "{text}");
        }
    }
}

#[test]
fn a_lone_start_and_a_lone_duration_are_one_window_or_literally_two() {
    for (text, default, strict) in [
        ("start:30s;duration:3m", vec![(30, Some(210))], vec![(0, None)]),
        ("start:5m;duration:1m", vec![(300, Some(360))], vec![(0, Some(60)), (300, None)]),
        ("start:2h;duration:10s", vec![(7200, Some(7210))], vec![(0, Some(10)), (7200, None)]),
        ("start:50%;duration:10%", vec![(300, Some(360))], vec![(0, Some(60)), (300, None)]),
        ("start:1m;duration:10%", vec![(60, Some(120))], vec![(0, None)]),
        (" start : 90s ;\n duration : 4000ms ", vec![(90, Some(94))], vec![(0, Some(4)), (90, None)]),
        (
            "start:9s;duration:1s;start:20s;duration:1s",
            vec![(9, Some(10)), (20, Some(21))],
            vec![(0, Some(1)), (9, None)],
        ),
        (
            "start:9s;duration:1s;duration:2s",
            vec![(0, Some(2)), (9, Some(10))],
            vec![(0, Some(2)), (9, None)],
        ),
        ("start:9s;start:20s;duration:1s", vec![(9, None)], vec![(0, Some(1)), (9, None)]),
    ] {
        assert!(parse(text).merged_periods(), "{text}");
        assert_eq!(windows(&parse(text), MINUTES_10), default, "{text}");
        let literal = Schedule::parse(text, ParseMode::Strict).unwrap();
        assert!(!literal.merged_periods(), "{text}");
        assert_eq!(windows(&literal, MINUTES_10), strict, "{text}");
    }
}

#[test]
fn other_neighbors_are_not_joined() {
    for (text, expected) in [
        ("duration:3s;start:30s", vec![(0, Some(3)), (30, None)]),
        ("start:30s,duration:1s;duration:3s", vec![(0, Some(3)), (30, Some(31))]),
        ("start:30s;start:40s,duration:3s", vec![(30, None)]),
        ("duration:2s;duration:3s", vec![(0, Some(3))]),
    ] {
        assert!(!parse(text).merged_periods(), "{text}");
        assert_eq!(windows(&parse(text), None), expected, "{text}");
    }
}

#[test]
fn each_unit_is_what_it_says() {
    for (text, millis) in [
        ("7ms", 7),
        ("7s", 7000),
        ("7m", 420_000),
        ("7h", 25_200_000),
        ("7d", 604_800_000),
        ("7w", 4_233_600_000),
    ] {
        let windows = parse(&format!("duration:{text}")).resolve(None).unwrap();
        assert_eq!(windows.next_change(Duration::ZERO), Some(Duration::from_millis(millis)), "{text}");
    }
}

#[test]
fn percentages_are_exact() {
    let of = |text: &str, run| parse(text).resolve(Some(run)).unwrap().next_change(Duration::ZERO);
    assert_eq!(
        of("duration:33%", Duration::from_nanos(1_000_000_007)),
        Some(Duration::from_nanos(330_000_002))
    );
    assert_eq!(of("start:100%", Duration::MAX), Some(Duration::MAX));
    assert_eq!(of("start:0%", Duration::from_secs(1)), None);
}

#[test]
fn a_window_that_is_too_short_to_be_is_left_out() {
    let windows = parse("start:50%,duration:1%").resolve(Some(Duration::from_nanos(10))).unwrap();
    assert_eq!(windows, Windows::never());
}

#[test]
fn a_percentage_needs_a_duration() {
    let error = parse("start:5s,duration:20 %;start:30%").resolve(None).expect_err("no duration");
    assert_eq!(
        error.to_string(),
        "a percentage without --duration\n  \
           start:5s,duration:20 %;start:30%\n                    ^^^^\n\
         hint: percentages refer to --duration: set it, or use a time such as 30s"
    );
}

#[test]
fn each_refusal_says_what_is_wrong_and_where() {
    for (text, message, place) in [
        ("", "the schedule is empty", "^"),
        (" ", "the schedule is empty", "^"),
        ("start:10", "missing unit", "      ^^"),
        ("start:10 ;duration:5s", "missing unit", "      ^^"),
        ("start:10sec", "unknown unit", "        ^^^"),
        ("start:10M", "unknown unit", "        ^"),
        ("start:1h30m", "unknown unit", "       ^^^^"),
        ("start:1.5s", "not a whole number", "      ^^^^"),
        ("start:", "not a whole number", "      ^"),
        ("start:-5s", "not a whole number", "      ^^^"),
        ("start:five", "not a whole number", "      ^^^^"),
        ("start:5s,duration:", "not a whole number", "                  ^"),
        ("start=5s", "missing colon", "     ^"),
        ("start", "missing colon", "     ^"),
        ("begin:5s", "unknown word: expected `start` or `duration`", "^^^^^"),
        ("starts:5s", "unknown word: expected `start` or `duration`", "^^^^^^"),
        ("Start:5s", "unknown word: expected `start` or `duration`", "^^^^^"),
        ("start:5s,DURATION:5s", "unknown word: expected `start` or `duration`", "         ^^^^^^^^"),
        ("5s", "unknown word: expected `start` or `duration`", "^^"),
        ("start:5s;", "a period or a duration is missing", "         ^"),
        (";start:5s", "a period or a duration is missing", "^"),
        ("start:5s;;start:6s", "a period or a duration is missing", "         ^"),
        ("start:5s,", "a period or a duration is missing", "         ^"),
        ("start:5s,start:6s", "no duration after the comma", "         ^^^^^"),
        ("duration:5s,start:6s", "a comma after a duration", "           ^"),
        ("start:5s,duration:5s,duration:6s", "a comma after a duration", "                    ^"),
        ("start:5s duration:6s", "no comma or semicolon after a time", "         ^^^^^^^^"),
        ("start:5s:", "no comma or semicolon after a time", "        ^"),
        ("start:101%", "more than 100%", "      ^^^^"),
        ("start:99999999999999999999%", "more than 100%", "      ^^^^^^^^^^^^^^^^^^^^^"),
        ("start:99999999999999999999ms", "the time is too long", "      ^^^^^^^^^^^^^^^^^^^^^^"),
        ("start:30500568905w", "the time is too long", "      ^^^^^^^^^^^^"),
        ("duration:0s", "the window has no length", "         ^^"),
        ("duration:0%", "the window has no length", "         ^^"),
        ("start:5s;duration:00ms", "the window has no length", "                  ^^^^"),
    ] {
        let error = refused(text);
        let (shown, hint) = error.split_once("\nhint: ").expect("a hint");
        assert_eq!(shown, format!("{message}\n  {text}\n  {place}"));
        assert!(!hint.is_empty() && !hint.contains('\n'), "{error}");
    }
    parse("start:30500568904w");
    parse("start:100%");
}

#[test]
fn hints_say_what_to_write() {
    for (text, hint) in [
        ("start:10", "write 10s, 10ms, 10m, 10h, 10d, 10w, or 10% of --duration"),
        ("start:10S", "units are in lower case: s"),
        ("Start:10s", "words are in lower case: start"),
        ("start:1s,Duration:1s", "words are in lower case: duration"),
        ("start:99999999999w", "the longest time is 30500568904w"),
    ] {
        assert!(refused(text).ends_with(&format!("\nhint: {hint}")), "{}", refused(text));
    }
}

#[test]
fn what_cannot_be_shown_is_escaped_and_the_carets_are_still_below() {
    assert!(refused("start:1s\t;日本:5s").contains("\n  start:1s\\t;日本:5s\n             ^^^^\n"));
}

fn times() -> impl Strategy<Value = Time> {
    prop_oneof![
        (0..200_000u64).prop_map(Time::Millis),
        (0..2000u64).prop_map(|minutes| Time::Millis(minutes * 60_000)),
        any::<u64>().prop_map(Time::Millis),
        (0..=100u32).prop_map(Time::Percent),
    ]
}

fn schedules() -> impl Strategy<Value = Schedule> {
    let durations = times().prop_filter("a window has a length", |time| !time.is_zero());
    let periods =
        (times(), prop::option::of(durations)).prop_map(|(start, duration)| Period { start, duration });
    prop::collection::vec(periods, 1..6).prop_map(|periods| Schedule {
        text: String::new(),
        periods,
        merged: false,
    })
}

/// Generates texts that are often almost a schedule, and often a valid one.
fn texts() -> impl Strategy<Value = String> {
    let token = prop::sample::select(vec![
        "start",
        "duration",
        ":",
        ":",
        ",",
        ";",
        "5",
        "0",
        "10",
        "ms",
        "s",
        "m",
        "%",
        "start:5s",
        "duration:",
        "7%",
        " ",
        "\n",
        "é",
        ".",
        "S",
        "99999999999999999999",
    ]);
    prop_oneof![".*", prop::collection::vec(token, 0..10).prop_map(|tokens| tokens.concat())]
}

/// Returns the text of a schedule with a start in each period, and times in the largest unit in which they
/// are whole numbers.
fn written(schedule: &Schedule) -> String {
    let time = |time: Time| match time {
        Time::Percent(percent) => format!("{percent}%"),
        Time::Millis(0) => "0s".to_owned(),
        Time::Millis(millis) => {
            let (name, size) = UNITS.into_iter().find(|(_, size)| millis.is_multiple_of(*size)).unwrap();
            format!("{}{name}", millis / size)
        }
    };
    let period = |Period { start, duration }: &Period| {
        let duration = duration.map(|duration| format!(",duration:{}", time(duration)));
        format!("start:{}{}", time(*start), duration.unwrap_or_default())
    };
    schedule.periods.iter().map(period).collect::<Vec<_>>().join(";")
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn what_is_written_parses_to_the_same(schedule in schedules()) {
        let text = written(&schedule);
        for reading in [ParseMode::Lenient, ParseMode::Strict] {
            let again = Schedule::parse(&text, reading).unwrap();
            prop_assert_eq!(&again.periods, &schedule.periods);
            prop_assert!(!again.merged_periods());
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in texts(), duration in prop::option::of(any::<Duration>())) {
        for reading in [ParseMode::Lenient, ParseMode::Strict] {
            match Schedule::parse(&text, reading) {
                Ok(schedule) => {
                    let again = Schedule::parse(&written(&schedule), ParseMode::Strict).unwrap();
                    prop_assert_eq!(&again.periods, &schedule.periods);
                    let resolved = schedule.resolve(duration);
                    prop_assert!(resolved.is_ok() || (duration.is_none() && text.contains('%')));
                }
                Err(error) => prop_assert_eq!(error.to_string().lines().count(), 4),
            }
        }
    }
}
