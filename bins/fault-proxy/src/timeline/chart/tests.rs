use fault_proxy_engine::{ParseMode, Schedule};

use super::*;

fn windows(text: &str) -> Windows {
    Schedule::parse(text, ParseMode::Lenient).unwrap().resolve(None).unwrap()
}

#[test]
fn names_of_any_width_are_aligned() {
    let (first, second) = (windows("start:2s,duration:4s"), windows("duration:1s;start:9s"));
    let drawn = chart(&[("遅延", &first), ("é", &second)], Some(Duration::from_secs(10)), 10);
    assert_eq!(drawn, "遅延  ··████····  2s–6s\né     █········█  0s–1s, 9s–\n      0      10s");
    for line in drawn.lines() {
        let bar = line.find(['·', '█', '0']).expect("a bar or the scale");
        assert_eq!(line[..bar].width(), 6);
    }
}

#[test]
fn without_a_duration_the_scale_goes_beyond_the_last_change() {
    let drawn = chart(&[("loss", &windows("start:2s,duration:4s;start:8s"))], None, 10);
    assert_eq!(drawn, "loss  ··████··██  2s–6s, 8s–\n      0      10s");
    let drawn = chart(&[("loss", &windows("duration:1s"))], None, 10);
    assert_eq!(drawn, "loss  ████████··  0s–1s\n      0    1.25s");
}

#[test]
fn without_any_change_there_is_no_scale() {
    for duration in [None, Some(Duration::ZERO)] {
        let drawn = chart(&[("a", &Windows::always()), ("b", &Windows::never())], duration, 4);
        assert_eq!(drawn, "a  ████  always\nb  ····  never\n   always");
    }
}

#[test]
fn a_window_shorter_than_a_cell_is_seen() {
    let short = windows("start:9999ms,duration:1ms;start:500ms,duration:1ms");
    let drawn = chart(&[("a", &short)], Some(Duration::from_secs(10)), 10);
    assert_eq!(drawn, "a  █········█  500ms–501ms, 9.999s–10s\n   0      10s");
}

#[test]
fn a_window_after_the_end_is_only_in_words() {
    let drawn =
        chart(&[("a", &windows("start:5s,duration:20s;start:30s"))], Some(Duration::from_secs(10)), 10);
    assert_eq!(drawn, "a  ·····█████  5s–25s, 30s–\n   0      10s");
}

#[test]
fn extremes_are_drawn() {
    let far = Windows::always().within(Duration::MAX, None);
    assert!(chart(&[("", &far)], None, 10).starts_with("  ··········  "));
    assert_eq!(chart(&[], None, 0), "  always");
    assert_eq!(chart(&[("a", &far)], Some(Duration::from_secs(1)), 0).lines().count(), 2);
}

#[test]
fn times_are_in_units_that_people_count_in() {
    for (millis, words) in [
        (0, "0s"),
        (1500, "1.5s"),
        (70_000, "70s"),
        (120_000, "2m"),
        (125_000, "2m5s"),
        (450_000, "7m30s"),
        (450_250, "450.25s"),
        (3_600_000, "1h"),
        (2_682_061_000, "4w3d1h1m1s"),
    ] {
        assert_eq!(time_in_words(Duration::from_millis(millis)), words);
    }
}

#[test]
fn the_charts_of_the_documentation_are_what_is_drawn() {
    let blocks: Vec<_> = include_str!("../../../../../docs/schedules.md")
        .split("\n```text chart\n")
        .skip(1)
        .filter_map(|rest| rest.split("\n```\n").next())
        .collect();
    assert!(!blocks.is_empty());
    for block in blocks {
        let (schedules, drawn) = block.split_once("\n\n").expect(block);
        let duration = Some(Duration::from_secs(600));
        let rows: Vec<(&str, Windows)> = schedules
            .lines()
            .map(|line| {
                let (name, text) = line.split_once(' ').expect(line);
                let schedule = Schedule::parse(text, ParseMode::Lenient).expect(text);
                (name, schedule.resolve(duration).expect(text))
            })
            .collect();
        let rows: Vec<_> = rows.iter().map(|(name, windows)| (*name, windows)).collect();
        assert_eq!(chart(&rows, duration, 40), drawn);
    }
}
