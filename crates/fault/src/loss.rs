//! stub
use crate::piece::Piece;
use std::time::Duration;
/// stub
#[derive(Debug, Clone, PartialEq)]
pub struct LossModel;
#[derive(Debug)]
pub(crate) struct LossySender;
pub(crate) struct LossEvent;
impl LossySender {
    pub(crate) fn new(_: LossModel, _: Duration, _: u32) -> Self { Self }
    pub(crate) fn push(&mut self, _: Piece, _: &mut impl rand::Rng, _: &mut dyn FnMut(LossEvent)) {}
    pub(crate) fn pop(&mut self, _: Duration, _: &mut impl rand::Rng, _: &mut dyn FnMut(LossEvent)) -> Option<Piece> { None }
    pub(crate) fn due(&self) -> Option<Duration> { None }
    pub(crate) fn waiting(&self) -> usize { 0 }
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = Piece> { std::iter::empty() }
}
