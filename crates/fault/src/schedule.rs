//! stub
use std::time::Duration;
/// stub
#[derive(Debug, Clone, PartialEq)]
pub struct Windows(Vec<(Duration, Option<Duration>)>);
impl Windows {
    /// stub
    pub fn always() -> Self {
        Self(vec![(Duration::ZERO, None)])
    }
    /// stub
    pub fn from_times(times: impl IntoIterator<Item = (Duration, Option<Duration>)>) -> Self {
        Self(times.into_iter().collect())
    }
    /// stub
    pub fn one(start: Duration, end: Duration) -> Self {
        Self(vec![(start, Some(end))])
    }
    /// stub
    pub fn is_on(&self, at: Duration) -> bool {
        self.0.iter().any(|(start, end)| *start <= at && end.is_none_or(|end| at < end))
    }
    /// stub
    pub fn next_change(&self, after: Duration) -> Option<Duration> {
        self.0.iter().flat_map(|(start, end)| [Some(*start), *end]).flatten().filter(|at| *at > after).min()
    }
}
