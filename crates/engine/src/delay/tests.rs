use rand::SeedableRng;

use super::*;
use crate::stage::rng::FaultRng;

const DRAWS: usize = 10_000;

/// Returns draws in milliseconds, sorted.
fn draw(delay: &Delay, seed: u64) -> Vec<f64> {
    let mut draws = FaultRng::seed_from_u64(seed);
    let mut values: Vec<f64> = (0..DRAWS).map(|_| nanos(delay.sample(&mut draws)) / 1e6).collect();
    values.sort_by(f64::total_cmp);
    values
}

/// Kolmogorov–Smirnov test at significance 0.01. Draws are rounded down to whole nanoseconds and to at least
/// 0, so the distribution function is evaluated one nanosecond below and above each draw.
#[track_caller]
fn fits(delay: &Delay, cdf: impl Fn(f64) -> f64) {
    let values = draw(delay, 11);
    let n = values.len() as f64;
    let mut distance: f64 = 0.0;
    for (index, x) in values.iter().enumerate() {
        let below = values.partition_point(|value| value < x) as f64;
        let upto = values.partition_point(|value| value <= x) as f64;
        let (cdf_below, cdf_upto) = if *x == 0.0 { (0.0, cdf(0.0)) } else { (cdf(x - 1e-6), cdf(x + 1e-6)) };
        distance = distance.max(cdf_below - below / n).max(upto / n - cdf_upto);
        assert!(index == 0 || values[index - 1] <= *x);
    }
    assert!(distance < 1.63 / n.sqrt(), "{delay}: distance {distance}");
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// Standard normal distribution function (Abramowitz and Stegun 26.2.17, error below 7.5e-8).
fn phi(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let polynomial = t
        * (0.319_381_530
            + t * (-0.356_563_782 + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let tail = (-x * x / 2.0).exp() / std::f64::consts::TAU.sqrt() * polynomial;
    if x < 0.0 { tail } else { 1.0 - tail }
}

#[test]
fn uniform_fits() {
    fits(&Delay::Uniform { min: ms(300), max: ms(500) }, |x| ((x - 300.0) / 200.0).clamp(0.0, 1.0));
}

#[test]
fn normal_fits() {
    fits(&Delay::Normal { mean: ms(300), stddev: ms(40) }, |x| phi((x - 300.0) / 40.0));
}

#[test]
fn normal_cut_at_0_fits() {
    fits(&Delay::Normal { mean: ms(20), stddev: ms(40) }, |x| phi((x - 20.0) / 40.0));
}

#[test]
fn log_normal_fits_with_the_mean_and_deviation_of_the_delay() {
    let variance = 1.25_f64.ln();
    let mu = 300_f64.ln() - variance / 2.0;
    let delay = Delay::LogNormal { mean: ms(300), stddev: ms(150) };
    fits(&delay, |x| phi((x.ln() - mu) / variance.sqrt()));
    let values = draw(&delay, 3);
    let mean = values.iter().sum::<f64>() / DRAWS as f64;
    let deviation = (values.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / DRAWS as f64).sqrt();
    assert!((mean - 300.0).abs() < 6.0, "{mean}");
    assert!((deviation - 150.0).abs() < 10.0, "{deviation}");
}

#[test]
fn pareto_fits() {
    let cdf = |x: f64| 1.0 - (20.0 / x.max(20.0)).powf(1.5);
    fits(&Delay::Pareto { scale: ms(20), shape: 1.5 }, cdf);
}

#[test]
fn pareto_normal_fits() {
    let delay = Delay::ParetoNormal { scale: ms(20), shape: 1.5, mean: ms(50), stddev: ms(15) };
    // The mean of the normal distribution function over the quantiles of the Pareto draw, on a grid of times.
    let paretos: Vec<f64> =
        (0..1000).map(|i| 20.0 * ((f64::from(i) + 0.5) / 1000.0).powf(-1.0 / 1.5)).collect();
    let at = |x: f64| paretos.iter().map(|pareto| phi((x - pareto - 50.0) / 15.0)).sum::<f64>() / 1000.0;
    let grid: Vec<f64> = (0..2000).map(|x| at(f64::from(x))).collect();
    fits(&delay, |x| {
        let whole = (0..2000).take_while(|at| f64::from(*at) <= x).count() - 1;
        match grid.get(whole + 1) {
            Some(next) => grid[whole] + (next - grid[whole]) * (x - whole as f64),
            None => 1.0 - (20.0 / (x - 50.0)).powf(1.5),
        }
    });
}

#[test]
fn every_value_of_a_table_is_equally_likely() {
    let table: Arc<[Duration]> = [10, 20, 30, 40, 400].map(ms).into();
    let values = draw(&Delay::Table(table), 5);
    let expected = DRAWS as f64 / 5.0;
    let chi_square: f64 = [10.0, 20.0, 30.0, 40.0, 400.0]
        .map(|value| values.iter().filter(|drawn| **drawn == value).count() as f64)
        .map(|count| (count - expected).powi(2) / expected)
        .iter()
        .sum();
    // 4 degrees of freedom, significance 0.01. Another value than those five would also make it large.
    assert!(chi_square < 13.28, "{chi_square}");
    assert_eq!(draw(&Delay::Table(Arc::new([])), 5)[DRAWS - 1], 0.0);
}

#[test]
fn uniform_includes_both_ends() {
    let delay = Delay::Uniform { min: ms(5), max: ms(5) + Duration::from_nanos(1) };
    let mut draws = FaultRng::seed_from_u64(1);
    let ends: std::collections::HashSet<Duration> = (0..100).map(|_| delay.sample(&mut draws)).collect();
    assert_eq!(ends.len(), 2);
    assert!(ends.contains(&ms(5)));
}

#[test]
fn constant_is_drawn_as_it_is() {
    assert_eq!(draw(&Delay::Constant(ms(7)), 1), vec![7.0; DRAWS]);
}

#[test]
fn no_draw_is_longer_than_the_longest() {
    let scale = Duration::from_secs(1);
    let values = draw(&Delay::Pareto { scale, shape: 0.3 }, 2);
    let cut = values.iter().filter(|value| **value == 3_600_000.0).count() as f64 / DRAWS as f64;
    let expected = 3600_f64.powf(-0.3);
    assert!((cut - expected).abs() < 0.01, "{cut}");
    for delay in [
        Delay::Constant(Duration::MAX),
        Delay::Uniform { min: Duration::MAX, max: Duration::MAX },
        Delay::Normal { mean: Duration::MAX, stddev: ms(1) },
        Delay::LogNormal { mean: Duration::MAX, stddev: Duration::MAX },
        Delay::ParetoNormal {
            scale: Duration::MAX,
            shape: 1e-300,
            mean: Duration::MAX,
            stddev: Duration::MAX,
        },
        Delay::Table([Duration::MAX].into()),
    ] {
        assert!(draw(&delay, 4)[DRAWS - 1] <= 3_600_000.0, "{delay:?}");
    }
}

#[test]
fn parameters_without_sense_draw_something() {
    for delay in [
        Delay::Uniform { min: ms(2), max: ms(1) },
        Delay::LogNormal { mean: ms(0), stddev: ms(1) },
        Delay::Pareto { scale: ms(0), shape: 0.0 },
        Delay::Pareto { scale: ms(1), shape: f64::NAN },
    ] {
        draw(&delay, 4);
    }
}

#[test]
fn constant_is_what_has_one_value() {
    assert!(Delay::Constant(ms(1)).is_constant());
    assert!(Delay::Uniform { min: ms(1), max: ms(1) }.is_constant());
    assert!(Delay::Normal { mean: ms(1), stddev: ms(0) }.is_constant());
    assert!(Delay::Table([ms(1), ms(1)].into()).is_constant());
    assert!(!Delay::Uniform { min: ms(1), max: ms(2) }.is_constant());
    assert!(!Delay::LogNormal { mean: ms(1), stddev: ms(1) }.is_constant());
    assert!(!Delay::Pareto { scale: ms(1), shape: 9.0 }.is_constant());
    assert!(!Delay::Table([ms(1), ms(2)].into()).is_constant());
}

#[test]
fn displays() {
    for (delay, text) in [
        (Delay::Constant(ms(300)), "constant 300 ms"),
        (Delay::Uniform { min: ms(300), max: ms(500) }, "uniform 300 ms to 500 ms"),
        (Delay::Normal { mean: ms(300), stddev: ms(40) }, "normal 300 ms ± 40 ms"),
        (Delay::LogNormal { mean: ms(1500), stddev: ms(10) }, "log-normal 1.5 s ± 10 ms"),
        (Delay::Normal { mean: ms(1500), stddev: ms(0) }, "constant 1.5 s"),
        (Delay::LogNormal { mean: ms(1500), stddev: ms(0) }, "constant 1.5 s"),
        (Delay::Pareto { scale: ms(20), shape: 1.5 }, "pareto from 20 ms, shape 1.5"),
        (
            Delay::ParetoNormal { scale: ms(20), shape: 1.5, mean: ms(50), stddev: ms(15) },
            "pareto from 20 ms, shape 1.5, plus normal 50 ms ± 15 ms",
        ),
        (Delay::Table([ms(20), ms(10), ms(15)].into()), "table of 3 from 10 ms to 20 ms"),
    ] {
        assert_eq!(delay.to_string(), text);
    }
}
