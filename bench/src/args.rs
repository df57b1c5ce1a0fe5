use clap::{Args, ValueEnum};

/// What every benchmark takes.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs<Section: ValueEnum + Clone + Send + Sync + 'static> {
    /// Small amounts, a minute or two overall: to try the benchmark out, not to quote its figures.
    #[arg(long)]
    pub(super) quick: bool,
    /// Only these sections.
    #[arg(long, value_enum, value_delimiter = ',')]
    pub(super) only: Vec<Section>,
}

impl<Section: ValueEnum + PartialEq + Send + Sync> BenchArgs<Section> {
    /// Returns the requested sections. Defaults to all.
    pub(super) fn sections(&self) -> impl Iterator<Item = &Section> {
        let is_wanted = |section: &&Section| self.only.is_empty() || self.only.contains(section);
        Section::value_variants().iter().filter(is_wanted)
    }
}
