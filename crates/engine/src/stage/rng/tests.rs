use rand::RngExt;

use super::*;

fn key(seed: u64) -> DrawKey {
    DrawKey::new(seed, "db", 1, Some(Direction::ToUpstream), "latency")
}

#[test]
fn each_part_of_the_name_makes_other_draws() {
    use Direction::{ToDownstream, ToUpstream};
    let mut firsts: Vec<u64> = [
        DrawKey::new(1, "db", 1, Some(ToUpstream), "latency"),
        DrawKey::new(2, "db", 1, Some(ToUpstream), "latency"),
        DrawKey::new(1, "cache", 1, Some(ToUpstream), "latency"),
        DrawKey::new(1, "db", 2, Some(ToUpstream), "latency"),
        DrawKey::new(1, "db", 1, Some(ToDownstream), "latency"),
        DrawKey::new(1, "db", 1, None, "latency"),
        DrawKey::new(1, "db", 1, Some(ToUpstream), "jitter"),
    ]
    .map(|key| key.at(0).next_u64())
    .into();
    firsts.push(key(1).at(1).next_u64());
    firsts.sort_unstable();
    firsts.dedup();
    assert_eq!(firsts.len(), 8);
}

#[test]
fn the_draws_of_a_seed_never_change() {
    let draws = |offset| {
        let mut draws = key(7).at(offset);
        [draws.next_u64(), draws.next_u64()]
    };
    assert_eq!(
        [draws(0), draws(1460)],
        [
            [8_401_288_436_849_555_835, 2_765_819_272_481_814_231],
            [8_988_596_601_873_569_887, 12_970_717_753_696_557_441]
        ]
    );
}

/// Pairs of neighboring draws fill a grid evenly, and neither draws nor pairs are biased.
fn assert_independent(what: &str, draws: &[f64]) {
    const CELLS: usize = 16;
    let count = draws.len() as f64;
    let mean = draws.iter().sum::<f64>() / count;
    assert!((mean - 0.5).abs() < 5.0 / (12.0 * count).sqrt(), "{what}: mean {mean}");
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "draws are from 0 to 1")]
    let cell = |draw: f64| (draw * CELLS as f64) as usize;
    let mut grid = [0_u32; CELLS * CELLS];
    let mut product = 0.0;
    for pair in draws.windows(2) {
        grid[cell(pair[0]) * CELLS + cell(pair[1])] += 1;
        product += (pair[0] - 0.5) * (pair[1] - 0.5);
    }
    let correlation = 12.0 * product / count;
    assert!(correlation.abs() < 5.0 / count.sqrt(), "{what}: correlation {correlation}");
    let expected = (count - 1.0) / grid.len() as f64;
    let chi_square: f64 = grid.iter().map(|seen| (f64::from(*seen) - expected).powi(2) / expected).sum();
    let degrees = (grid.len() - 1) as f64;
    assert!((chi_square - degrees).abs() < 5.0 * (2.0 * degrees).sqrt(), "{what}: chi-square {chi_square}");
}

#[test]
fn neighboring_draws_are_independent_along_every_part_of_the_name() {
    use Direction::{ToDownstream, ToUpstream};
    const COUNT: u64 = 50_000;
    let named = |number: u64| format!("fault-{number}");
    let up = Some(ToUpstream);
    let first = |key: DrawKey, offset| key.at(offset).random::<f64>();
    let along = |draw: &dyn Fn(u64) -> f64| (0..COUNT).map(draw).collect::<Vec<_>>();
    assert_independent("offsets", &along(&|number| first(key(1), number)));
    assert_independent("segments", &along(&|number| first(key(1), number * 1460)));
    assert_independent("seeds", &along(&|number| first(key(number), 1460)));
    let session = |number| first(DrawKey::new(1, "db", number, up, "latency"), 1460);
    assert_independent("sessions", &along(&session));
    let fault = |number| first(DrawKey::new(1, "db", 1, up, &named(number)), 1460);
    assert_independent("faults", &along(&fault));
    let proxy = |number| first(DrawKey::new(1, &named(number), 1, up, "latency"), 1460);
    assert_independent("proxies", &along(&proxy));
    let direction = |number: u64| {
        let direction = if number.is_multiple_of(2) { ToUpstream } else { ToDownstream };
        first(DrawKey::new(1, "db", 1, Some(direction), "latency"), number / 2)
    };
    assert_independent("directions", &along(&direction));
    // Several draws of each decision, one decision after the other.
    let of_one = |number: u64| {
        let mut draws = key(1).at(number / 4 * 1460);
        (0..number % 4).for_each(|_| _ = draws.next_u64());
        draws.random::<f64>()
    };
    assert_independent("draws of a decision", &along(&of_one));
}
