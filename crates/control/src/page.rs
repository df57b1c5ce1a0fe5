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
pub(crate) const FILES: [(&str, &str, &str); 31] = [
    ("/", HTML, include_str!("../page/index.html")),
    ("/page.css", CSS, include_str!("../page/page.css")),
    ("/overview.css", CSS, include_str!("../page/overview.css")),
    ("/detail.css", CSS, include_str!("../page/detail.css")),
    ("/dialog.css", CSS, include_str!("../page/dialog.css")),
    ("/page.js", JS, include_str!("../page/page.js")),
    ("/axis.js", JS, include_str!("../page/axis.js")),
    ("/changes.js", JS, include_str!("../page/changes.js")),
    ("/charts.js", JS, include_str!("../page/charts.js")),
    ("/connection.js", JS, include_str!("../page/connection.js")),
    ("/detail.js", JS, include_str!("../page/detail.js")),
    ("/dialog.js", JS, include_str!("../page/dialog.js")),
    ("/elements.js", JS, include_str!("../page/elements.js")),
    ("/empty.js", JS, include_str!("../page/empty.js")),
    ("/fault-fields.js", JS, include_str!("../page/fault-fields.js")),
    ("/fault-preview.js", JS, include_str!("../page/fault-preview.js")),
    ("/fault-states.js", JS, include_str!("../page/fault-states.js")),
    ("/fault-types.js", JS, include_str!("../page/fault-types.js")),
    ("/faults.js", JS, include_str!("../page/faults.js")),
    ("/format.js", JS, include_str!("../page/format.js")),
    ("/marks.js", JS, include_str!("../page/marks.js")),
    ("/messages.js", JS, include_str!("../page/messages.js")),
    ("/new-proxy.js", JS, include_str!("../page/new-proxy.js")),
    ("/overview.js", JS, include_str!("../page/overview.js")),
    ("/presets.js", JS, include_str!("../page/presets.js")),
    ("/preview.js", JS, include_str!("../page/preview.js")),
    ("/sections.js", JS, include_str!("../page/sections.js")),
    ("/sparkline.js", JS, include_str!("../page/sparkline.js")),
    ("/svg.js", JS, include_str!("../page/svg.js")),
    ("/tables.js", JS, include_str!("../page/tables.js")),
    ("/units.js", JS, include_str!("../page/units.js")),
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
