//! Measures contenders in turn, so that temporary disturbances of the machine affect all of them.

use std::array;

use anyhow::{Context, Result};

use super::super::report::{figure, median};

/// Name of a contender, and a function that measures it once.
pub(super) type Contender<'a, const N: usize> = (&'a str, &'a dyn Fn() -> Result<[f64; N]>);

/// Measures every contender in turn, `rounds` times. Returns the medians of each.
pub(super) fn medians<const N: usize>(
    what: &str,
    rounds: usize,
    contenders: &[Contender<'_, N>],
) -> Result<Vec<[f64; N]>> {
    let mut samples = vec![Vec::with_capacity(rounds); contenders.len()];
    for round in 1..=rounds {
        for ((name, measure), samples) in contenders.iter().zip(&mut samples) {
            let figures = measure().with_context(|| format!("{what}: {name} failed"))?;
            let shown = figures.map(figure).join(" ");
            eprintln!("{what}: {name}, round {round} of {rounds}: {shown}");
            samples.push(figures);
        }
    }
    Ok(samples.iter().map(|samples| columns(samples)).collect())
}

fn columns<const N: usize>(samples: &[[f64; N]]) -> [f64; N] {
    array::from_fn(|column| median(&samples.iter().map(|figures| figures[column]).collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn contenders_take_turns_and_their_medians_are_returned() {
        let turns = RefCell::new(Vec::new());
        let turn = |name, figures: [f64; 3]| {
            turns.borrow_mut().push(name);
            let round = (turns.borrow().len() - 1) / 2;
            Ok([figures[round], -figures[round]])
        };
        let (one, other) = (|| turn("one", [1.0, 5.0, 2.0]), || turn("other", [9.0, 7.0, 8.0]));
        let medians = medians("a test", 3, &[("one", &one), ("other", &other)]).unwrap();
        assert_eq!(*turns.borrow(), ["one", "other"].repeat(3));
        let shown: Vec<_> = medians.iter().map(|figures| figures.map(figure).join(" ")).collect();
        assert_eq!(shown, ["2.00 -2.00", "8.00 -8.00"]);
    }
}
