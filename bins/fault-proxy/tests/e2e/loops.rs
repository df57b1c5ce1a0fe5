//! Proxies whose connections would come back to them.

use crate::support::api::{Api, connect, create, listen_of};
use crate::support::{round_trip, run};
use serde_json::json;
use testkit::{TcpServer, free_port};

fn refused(args: &[&str]) -> String {
    let mut stderr = String::new();
    for command in ["run", "check"] {
        let ended = run(&[&[command, "--control", "off"], args].concat());
        assert_eq!(ended.code, Some(2), "{command} {args:?}: {}", ended.stderr);
        stderr = ended.stderr;
    }
    stderr
}

#[test]
fn a_mapping_that_leads_back_is_refused() {
    let port = free_port();
    for host in ["127.0.0.1", "localhost", "0.0.0.0"] {
        for listen in ["", "0.0.0.0:"] {
            let mapping = format!("{listen}{port}={host}:{port}");
            let problem = refused(&["--proxy", &mapping]);
            assert!(problem.contains(&format!(":{port} connects to {host}:{port}")), "{mapping}: {problem}");
        }
    }
    refused(&["--tls-self-signed", "--proxy", &format!("{port}=tls://localhost:{port}")]);
}

#[test]
fn mappings_that_lead_to_each_other_are_refused_and_a_chain_is_not() {
    let echo = TcpServer::echo();
    let (one, other) = (free_port(), free_port());
    let (there, back) = (format!("{one}=localhost:{other}"), format!("{other}=127.0.0.1:{one}"));
    let problem = refused(&["--proxy", &there, "--proxy", &back]);
    assert!(problem.contains(&format!("127.0.0.1:{one} connects to localhost:{other}, and ")), "{problem}");
    let on = format!("{other}={}", echo.addr());
    let chain = Api::with(&["--proxy", &there, "--proxy", &on]);
    round_trip(&connect(([127, 0, 0, 1], one).into()), b"through both").expect("a chain relays");
    assert!(!chain.stderr().contains("WARN"), "{}", chain.stderr());
}

#[test]
fn the_api_refuses_what_would_lead_back_and_nothing_changes() {
    let echo = TcpServer::echo();
    let api = Api::alone();
    let first = create(&api, "first", echo.addr());
    let port = free_port();
    let itself =
        json!({"name": "p", "listen": format!("127.0.0.1:{port}"), "upstream": format!("localhost:{port}")});
    let (status, answer) = api.ask("POST", "/proxies", &itself);
    assert_eq!(status, 400, "{answer}");
    assert!(
        answer["error"]
            .as_str()
            .is_some_and(|error| error.contains(&format!("connects to localhost:{port}")))
    );
    assert_eq!(api.ask("GET", "/proxies/p", &json!(null)).0, 404);
    let second = create(&api, "second", first);
    for upstream in [second, first] {
        let (status, answer) = api.ask("POST", "/proxies/first", &json!({"upstream": upstream.to_string()}));
        assert_eq!(status, 400, "{answer}");
        assert_eq!(listen_of(&api.get("/proxies/first")), first);
        round_trip(&connect(second), b"as before").expect("a chain relays");
    }
    // Change the upstream of the second proxy, so that the chain is not a loop.
    api.post("/proxies/second", &json!({"upstream": echo.addr().to_string()}));
    api.post("/proxies/first", &json!({"upstream": second.to_string()}));
    round_trip(&connect(first), b"the other way").expect("a chain relays");
    // A proxy that is disabled is part of no loop until it is enabled.
    api.post("/proxies/first", &json!({"enabled": false}));
    api.post("/proxies/second", &json!({"upstream": first.to_string()}));
    assert_eq!(api.ask("POST", "/proxies/first", &json!({"enabled": true})).0, 400);
}

#[test]
fn a_name_that_does_not_resolve_is_no_reason_to_fail() {
    let port = free_port();
    let mapping = format!("{port}=nowhere.invalid:{port}");
    let api = Api::with(&["--proxy", &mapping]);
    assert_eq!(listen_of(&api.get("/proxies")["proxy-1"]).port(), port);
}
