//! Replacement for the export of traces in builds without the feature `otlp`.

use std::convert::Infallible;

use anyhow::Result;
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Identity;

/// Exporter, which does not exist without the feature.
#[derive(Debug)]
pub(super) struct Traces(Infallible);

impl Traces {
    #[expect(clippy::unnecessary_wraps, reason = "as with the feature")]
    pub(super) fn from_env() -> Result<Option<Self>> {
        Ok(None)
    }

    pub(super) fn layer<S: tracing::Subscriber>(&self) -> impl Layer<S> {
        match self.0 {}
        #[expect(unreachable_code, reason = "the type of the layer")]
        Identity::new()
    }
}
