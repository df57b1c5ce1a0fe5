//! stub
use std::time::Duration;
/// stub
#[derive(Debug, Clone, PartialEq)]
pub enum Delay {
    /// stub
    Constant(Duration),
    /// stub
    Uniform {
        /// stub
        min: Duration,
        /// stub
        max: Duration,
    },
}
impl Delay {
    pub(crate) fn sample(&self, draws: &mut impl rand::Rng) -> Duration {
        match self {
            Self::Constant(delay) => *delay,
            Self::Uniform { min, max } => *min + (*max - *min).mul_f64(rand::RngExt::random::<f64>(draws)),
        }
    }
    pub(crate) fn is_constant(&self) -> bool {
        matches!(self, Self::Constant(_))
    }
}
