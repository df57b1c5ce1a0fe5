//! TLS settings that would have no effect.

use anyhow::{Result, bail};
use fault_proxy_mapping::Scheme;

use super::Settings;

/// Returns an error for TLS settings that no proxy uses.
///
/// Accepts them if the user enabled the control API or set a file of the compatible API, because these can
/// create other proxies.
///
/// # Errors
/// The error names the first flag that has no effect.
pub(crate) fn refuse_unused_tls(settings: &Settings) -> Result<()> {
    let has_api = settings.control.as_ref().is_some_and(|control| !control.is_default);
    if settings.proxies.is_empty() || has_api || !settings.populate.is_empty() {
        return Ok(());
    }
    let schemes = settings.proxies.iter().map(|proxy| proxy.mapping.upstream.scheme());
    let any_tls: fn(&Scheme) -> bool = |scheme| scheme.is_encrypted();
    let direct_tls: fn(&Scheme) -> bool = |scheme| scheme.is_encrypted() && !scheme.is_postgres();
    let postgres_tls: fn(&Scheme) -> bool = |scheme| scheme.is_encrypted() && scheme.is_postgres();
    let tls = &settings.upstream_tls;
    for (flag, is_given, applies) in [
        ("--upstream-ca", tls.ca_file.is_some(), any_tls),
        ("--upstream-cert", tls.identity.is_some(), any_tls),
        ("--upstream-sni", tls.server_name.is_some(), any_tls),
        ("--upstream-insecure", tls.insecure, any_tls),
        ("--upstream-alpn", !settings.upstream_alpn.is_empty(), direct_tls),
        ("--psqls-direct", settings.psqls_direct, postgres_tls),
    ] {
        if is_given && !schemes.clone().flatten().any(|scheme| applies(&scheme)) {
            let users = Scheme::ALL.into_iter().filter(applies);
            let upstreams: Vec<_> = users.map(|scheme| format!("{scheme}://")).collect();
            bail!(
                "{flag} has no effect: it applies to upstreams with {}, and no proxy has one; use {}HOST:PORT as the \
                 upstream, or remove {flag}",
                upstreams.join(", "),
                upstreams[0]
            );
        }
    }
    let may_choose =
        |scheme: Option<Scheme>| scheme.is_none_or(|scheme| !scheme.is_encrypted() && !scheme.is_postgres());
    if !settings.listener_alpn.is_empty() && !schemes.clone().any(may_choose) {
        bail!(
            "--tls-alpn has no effect: it applies to upstreams with http://, redis://, tcp://, unix: or no scheme, and no proxy has one; \
             https://, rediss:// and tls:// upstreams choose the protocol themselves, and psql:// and psqls:// always use `postgresql`; \
             remove --tls-alpn"
        );
    }
    Ok(())
}
