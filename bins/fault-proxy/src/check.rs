//! Tries everything that a run would need, and runs nothing.

use std::time::Instant;

use anyhow::{Result, bail};
use comfy_table::{Table, presets};
use proxy_relay::Connected;

use crate::run;
use crate::wire::Proxy;

pub(crate) fn check(proxies: &[Proxy]) -> Result<()> {
    let runtime = run::runtime()?;
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_header(["proxy", "listen", "upstream"]);
    let mut failed = 0;
    for proxy in proxies {
        let (listen, upstream) = (listen(proxy), runtime.block_on(connect(proxy)));
        failed += usize::from(listen.is_err() || upstream.is_err());
        table.add_row([proxy.mapping.to_string(), told(listen), told(upstream)]);
    }
    println!("{table}");
    if failed > 0 {
        bail!("{failed} of {} mappings would not work", proxies.len());
    }
    Ok(())
}

fn told(result: Result<String>) -> String {
    result.unwrap_or_else(|error| format!("FAILED: {error:#}"))
}

fn listen(proxy: &Proxy) -> Result<String> {
    Ok(proxy.bind(1)?[0].local_addr()?.to_string())
}

async fn connect(proxy: &Proxy) -> Result<String> {
    let started = Instant::now();
    let Connected { peer, .. } = proxy.route.connector.connect().await?;
    Ok(format!("{peer}, connected in {:.1} ms", started.elapsed().as_secs_f64() * 1e3))
}
