//! The web page.

use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JS: &str = "text/javascript; charset=utf-8";

/// Content security policy: loads nothing from other servers, and forbids other pages to embed this one.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; connect-src 'self'; img-src 'self' data:; \
                      frame-ancestors 'none'; base-uri 'none'; form-action 'none'";

/// Files of the page with their paths.
pub(crate) const FILES: [(&str, &str, &str); 14] = [
    ("/", HTML, include_str!("../page/index.html")),
    ("/page.css", CSS, include_str!("../page/page.css")),
    ("/page.js", JS, include_str!("../page/page.js")),
    ("/proxy.js", JS, include_str!("../page/proxy.js")),
    ("/changes.js", JS, include_str!("../page/changes.js")),
    ("/charts.js", JS, include_str!("../page/charts.js")),
    ("/dialog.css", CSS, include_str!("../page/dialog.css")),
    ("/dialog.js", JS, include_str!("../page/dialog.js")),
    ("/elements.js", JS, include_str!("../page/elements.js")),
    ("/fault-fields.js", JS, include_str!("../page/fault-fields.js")),
    ("/fault-preview.js", JS, include_str!("../page/fault-preview.js")),
    ("/fault-types.js", JS, include_str!("../page/fault-types.js")),
    ("/presets.js", JS, include_str!("../page/presets.js")),
    ("/preview.js", JS, include_str!("../page/preview.js")),
];

pub(crate) fn routes() -> Router {
    FILES.iter().fold(Router::new(), |router, (path, kind, text)| {
        router.route(path, get(async move || file(kind, text)))
    })
}

fn file(kind: &'static str, text: &'static str) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, kind),
        (header::CACHE_CONTROL, "no-cache"),
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    (headers, text)
}
