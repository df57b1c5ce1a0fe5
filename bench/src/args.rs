use clap::{Args, ValueEnum};

/// Arguments that all benchmarks have.
#[derive(Debug, Args)]
pub(crate) struct BenchArgs<Section: ValueEnum + Clone + Send + Sync + 'static> {
    /// Use small amounts, which takes a minute or two. The results are not meaningful.
    #[arg(long)]
    pub(super) quick: bool,
    /// Run only these sections.
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
