//! Asking a program that runs how it is, as container engines do.

use std::time::Duration;

use anyhow::{Context, Result, bail};
use ureq::Agent;

use crate::addr::ListenAddr;

const TIMEOUT: Duration = Duration::from_secs(2);

/// Succeeds if the program whose HTTP endpoint is at `addr` is ready.
///
/// # Errors
/// What it says, or why it says nothing.
pub fn ask(addr: &ListenAddr) -> Result<()> {
    let config = Agent::config_builder().http_status_as_error(false).timeout_global(Some(TIMEOUT)).build();
    let host = addr.host.as_deref().unwrap_or("127.0.0.1");
    let url = format!("http://{host}:{}/readyz", addr.port);
    let mut answer = config.new_agent().get(&url).call().with_context(|| format!("no answer from {url}"))?;
    if answer.status().is_success() {
        return Ok(());
    }
    let text = answer.body_mut().read_to_string().unwrap_or_default();
    bail!("{url} answers {}: {}", answer.status().as_u16(), text.trim())
}
