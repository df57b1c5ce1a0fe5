//! stub
use crate::piece::Piece;
use std::time::Duration;
/// stub
#[derive(Debug, Clone, PartialEq)]
pub enum LossModel {
    /// s
    Bernoulli {
        /// s
        rate: f64,
        /// s
        correlation: f64,
    },
}
#[derive(Debug, Default)]
pub(crate) struct LossySender(std::collections::VecDeque<Piece>);
pub(crate) struct LossEvent;
impl LossySender {
    pub(crate) fn new(_: LossModel, _: Duration, _: u32) -> Self {
        Self::default()
    }
    pub(crate) fn push(&mut self, a: Piece, _: &mut impl rand::Rng, _: &mut dyn FnMut(LossEvent)) {
        self.0.push_back(a)
    }
    pub(crate) fn pop(
        &mut self,
        _: Duration,
        _: &mut impl rand::Rng,
        _: &mut dyn FnMut(LossEvent),
    ) -> Option<Piece> {
        self.0.pop_front()
    }
    pub(crate) fn due(&self) -> Option<Duration> {
        None
    }
    pub(crate) fn waiting(&self) -> usize {
        0
    }
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Piece> {
        std::iter::empty()
    }
}
