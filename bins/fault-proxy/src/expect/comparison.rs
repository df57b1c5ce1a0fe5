//! Comparison operators of conditions.

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Comparison {
    Less,
    AtMost,
    Equal,
    AtLeast,
    Greater,
}

/// Splits a condition at its operator into metric, comparison and value. A name may contain `=`, but not `<`
/// or `>`.
pub(super) fn split(condition: &str) -> Option<(&str, Comparison, &str)> {
    let place = condition.find(['<', '>']).or_else(|| condition.rfind('='))?;
    let (left, rest) = condition.split_at(place);
    let operators = [
        ("<=", Comparison::AtMost),
        ("<", Comparison::Less),
        (">=", Comparison::AtLeast),
        (">", Comparison::Greater),
        ("=", Comparison::Equal),
    ];
    operators.into_iter().find_map(|(text, comparison)| Some((left, comparison, rest.strip_prefix(text)?)))
}

impl Comparison {
    pub(super) fn holds(self, measured: f64, value: f64) -> bool {
        match self {
            Self::Less => measured < value,
            Self::AtMost => measured <= value,
            Self::Equal => measured == value,
            Self::AtLeast => measured >= value,
            Self::Greater => measured > value,
        }
    }

    /// Returns true if the comparison only has an upper bound.
    pub(super) fn is_less(self) -> bool {
        matches!(self, Self::Less | Self::AtMost)
    }
}
