#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding { Binary, Json }
