//! placeholder
/// placeholder
#[derive(Debug, Clone, PartialEq)]
pub struct Windows;
