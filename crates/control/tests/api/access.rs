//! Access control.

use super::Api;

const PROXY: &str = r#"{"name":"p","upstream":"up:1"}"#;

#[tokio::test]
async fn pages_of_other_sites_change_nothing() {
    let api = Api::new().await;
    let host = format!("Host: {}", api.addr);
    for origin in ["null", "http://evil.example", "http://127.0.0.1", &format!("ftp://{}", api.addr)] {
        let header = format!("Origin: {origin}");
        for (method, path) in [("POST", "/proxies"), ("DELETE", "/proxies/p"), ("OPTIONS", "/proxies")] {
            let answer = api.ask_with(method, path, &[&host, &header], PROXY).await;
            answer.assert_refused_with(403, &["pages of", origin]);
            assert!(!answer.head.contains("access-control-"), "{answer:?}");
        }
        assert_eq!(api.ask_with("GET", "/proxies", &[&host, &header], "").await.status, 200);
    }
    assert!(api.proxies.all().is_empty());
    // its own, or of TLS in front of it
    for scheme in ["http", "https"] {
        let own = format!("Origin: {scheme}://{}", api.addr);
        assert_eq!(api.ask_with("POST", "/proxies", &[&host, &own], PROXY).await.status, 201);
        api.delete("/proxies/p").await;
    }
}

#[tokio::test]
async fn a_name_that_may_be_someone_elses_is_refused() {
    let api = Api::new().await;
    for host in ["evil.example", "evil.example:8474", "localhost.evil.example", "127.0.0.1.evil.example", ""]
    {
        for path in ["/proxies", "/metrics", "/events", "/readyz", "/"] {
            let answer = api.ask_with("GET", path, &[&format!("Host: {host}")], "").await;
            answer.assert_refused_with(403, &[host, "this machine", "token"]);
        }
    }
    for host in ["localhost", "LocalHost:1", "db.localhost:1", "127.0.0.1:1", "[::1]:1", "[::1]", "10.0.0.1"]
    {
        let answer = api.ask_with("GET", "/proxies", &[&format!("Host: {host}")], "").await;
        assert_eq!(answer.status, 200, "{host}");
    }
}

#[tokio::test]
async fn a_token_is_asked_for() {
    let api = Api::with_token(Some("s3cret")).await;
    let guarded = [
        "/proxies",
        "/proxies/p",
        "/proxies/p/toxics",
        "/proxies/p/toxics/x",
        "/version",
        "/fault-types",
        "/metrics",
        "/events",
    ];
    for path in guarded {
        for wrong in [
            "X: y",
            "Authorization: Bearer",
            "Authorization: s3cret",
            "Authorization: Bearer s3cre",
            "Authorization: Basic s3cret",
        ] {
            let answer = api.ask_with("GET", path, &["Host: any.example", wrong], "").await;
            answer.assert_refused_with(401, &["token"]);
            assert!(answer.head.contains("www-authenticate: bearer"), "{answer:?}");
        }
    }
    for path in ["/proxies", "/populate", "/reset"] {
        api.post(path, "[]").await.assert_refused_with(401, &["token"]);
    }
    for token in ["Bearer s3cret", "bearer  s3cret "] {
        let header = format!("Authorization: {token}");
        assert_eq!(api.ask_with("GET", "/proxies", &["Host: any.example", &header], "").await.status, 200);
    }
    for open in ["/livez", "/readyz", "/health"] {
        assert_eq!(api.get(open).await.status, 200);
    }
}

#[tokio::test]
async fn browsers_are_refused_unless_the_page_asks() {
    let api = Api::with_proxy().await;
    let agent = "User-Agent: Mozilla/5.0 (X11)";
    for path in ["/proxies", "/proxies/p", "/version", "/proxies/p/toxics"] {
        let answer = api.ask_with("GET", path, &["Host: localhost", agent], "").await;
        answer.assert_refused(403, "User agent not allowed");
        let answer =
            api.ask_with("GET", path, &["Host: localhost", agent, "X-Fault-Proxy-Page: 1"], "").await;
        assert_eq!(answer.status, 200);
        let other = "User-Agent: curl/8 (Mozilla/5.0)";
        assert_eq!(api.ask_with("GET", path, &["Host: localhost", other], "").await.status, 200);
    }
    for path in ["/metrics", "/livez"] {
        assert_eq!(api.ask_with("GET", path, &["Host: localhost", agent], "").await.status, 200, "{path}");
    }
    let answer = api.ask_with("GET", "/nowhere", &["Host: localhost", agent], "").await;
    assert_eq!(answer.status, 404);
}
