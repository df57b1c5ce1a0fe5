mod lengths;
mod parts;
mod random;

use super::Http;
use crate::testing::{Turn, events};
use crate::{MAX_KEY, Protocol};

const GET: &str = "GET /a?b HTTP/1.1\r\nHost: a\r\n\r\n";

fn client(text: &str) -> Turn {
    Turn::Client(text.as_bytes().to_vec())
}

fn server(text: &str) -> Turn {
    Turn::Server(text.as_bytes().to_vec())
}

fn all_seen(turns: &[Turn]) -> Vec<String> {
    events(Protocol::Http, turns, &[usize::MAX])
}

/// The events without the ends of heads.
fn seen(turns: &[Turn]) -> Vec<String> {
    all_seen(turns).into_iter().filter(|event| !event.contains(": head of")).collect()
}

/// The events without their offsets.
fn without_offsets(turns: &[Turn]) -> Vec<String> {
    seen(turns).iter().filter_map(|event| Some(event.split_once(": ")?.1.to_owned())).collect()
}

/// The events of a response to a request.
fn answered(request: &str, response: &str) -> Vec<String> {
    let all = seen(&[client(request), server(response)]);
    all.into_iter().filter(|event| !event.contains("request") && !event.contains("sent")).collect()
}

fn assert_opaque(turns: &[Turn], why: &str) {
    let all = all_seen(turns);
    assert!(all.last().is_some_and(|event| event.ends_with(why)), "{turns:?}: {all:?}");
    for length in [1, 2, 7] {
        assert_eq!(events(Protocol::Http, turns, &[length]), all, "{turns:?}");
    }
}

const AMBIGUOUS: &str = "opaque: the end of a message is ambiguous";
const OTHER: &str = "opaque: the data is not of the protocol";
const SWITCHED: &str = "opaque: the session has switched to another protocol";
const UNREQUESTED: &str = "opaque: a response has no request";

#[test]
fn a_request_has_its_method_and_its_target() {
    let turns = [client(GET), server("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")];
    let expected = ["0: request 1 GET `/a?b`", "30: sent 1", "0: response 1", "40: done 1 success"];
    assert_eq!(seen(&turns), expected);
    for (line, expected) in [
        ("OPTIONS * HTTP/1.1", "request 1 OPTIONS `*`"),
        ("PROPFIND http://a/b?c HTTP/1.0", "request 1 PROPFIND `http://a/b?c`"),
        ("CONNECT a:443 HTTP/1.1", "request 1 CONNECT `a:443`"),
        ("get /é HTTP/1.1", "request 1 get `/é`"),
    ] {
        assert_eq!(without_offsets(&[client(&format!("{line}\r\n\r\n"))])[0], expected);
    }
}

#[test]
fn a_request_begins_before_the_rest_of_its_head() {
    assert_eq!(seen(&[client("\r\n\r\nGET / HTTP/1.")]), ["4: request 1 GET `/`"]);
    let mut framer = crate::Framer::new(Protocol::Http);
    framer.on_requests(b"\r\nGET / HTTP", |event| panic!("{event:?}"));
    assert_eq!(framer.undecided_since(), Some(2));
    framer.on_requests(b"/1.", |_| {});
    assert_eq!(framer.undecided_since(), None);
}

#[test]
fn a_response_is_undecided_up_to_its_status() {
    let mut framer = crate::Framer::new(Protocol::Http);
    framer.on_requests(GET.as_bytes(), |_| {});
    for status in ["100 ", "103 ", "200 "] {
        let head = format!("HTTP/1.1 {status}");
        let mut begins = Vec::new();
        let before = framer.undecided_response_since();
        framer.on_responses(&head.as_bytes()[..11], |event| panic!("{event:?}"));
        assert!(before.is_none() && framer.undecided_response_since().is_some());
        framer.on_responses(&head.as_bytes()[11..], |event| begins.push(event.offset));
        assert_eq!(framer.undecided_response_since(), None);
        framer.on_responses(b"A\r\n\r\n", |_| {});
        assert_eq!(begins, if status == "200 " { vec![36] } else { vec![] });
    }
}

#[test]
fn a_long_target_is_cut() {
    let target = format!("/{}", "x".repeat(3 * MAX_KEY));
    let turns = [client(&format!("GET {target} HTTP/1.1\r\n\r\n"))];
    let expected = [format!("request 1 GET `{}`", &target[..MAX_KEY]), "sent 1".to_owned()];
    assert_eq!(without_offsets(&turns), expected);
}

#[test]
fn rfc_9112_2_2_line_breaks_are_cr_lf() {
    for request in [
        "GET / HTTP/1.1\n\n",
        "GET / HTTP/1.1\r\nA: b\n\r\n",
        "GET / HTTP/1.1\r\nA: b\rc\r\n\r\n",
        "GET / HTTP/1.1\r\r\n",
    ] {
        assert_opaque(&[client(request)], AMBIGUOUS);
    }
    assert_opaque(&[client("\n\nGET / HTTP/1.1\r\n\r\n")], OTHER);
}

#[test]
fn rfc_9112_5_malformed_fields_are_opaque() {
    for field in ["A : b", " A: b", "A: b\r\n c", "A", ": b", "A: \u{1}"] {
        assert_opaque(&[client(&format!("GET / HTTP/1.1\r\n{field}\r\n\r\n"))], OTHER);
        assert_opaque(&[client(GET), server(&format!("HTTP/1.1 200 OK\r\n{field}\r\n\r\n"))], OTHER);
    }
}

#[test]
fn other_protocols_are_opaque() {
    assert_opaque(&[client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")], OTHER);
    assert_eq!(seen(&[client("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")]).len(), 1);
    assert_eq!(seen(&[client("OPTIONS rtsp://a RTSP/1.0\r\n\r\n")]).len(), 1);
    assert_opaque(&[client("\u{16}\u{3}\u{1}")], "opaque: the session is encrypted");
    assert_opaque(&[client("GET /\r\n")], OTHER);
    assert_opaque(&[client("GET  / HTTP/1.1\r\n\r\n")], OTHER);
    assert_opaque(&[client("EHLO a\r\n")], OTHER);
    assert_opaque(&[client(GET), server("<html>")], OTHER);
    assert_opaque(&[client(GET), server("HTTP/1.1 20\r\n\r\n")], OTHER);
    assert_opaque(&[client(GET), server("HTTP/1.1 099 A\r\n\r\n")], OTHER);
}

#[test]
fn heads_and_trailers_have_a_limit() {
    let long = "opaque: the head of a message is too long";
    let fields = "A: b\r\n".repeat(11_000);
    assert_opaque(&[client(&format!("GET / HTTP/1.1\r\n{fields}"))], long);
    assert_opaque(&[client(GET), server(&format!("HTTP/1.1 200 OK\r\n{fields}"))], long);
    let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n";
    assert_opaque(&[client(&format!("{head}{fields}"))], long);
    let fields = "A: b\r\n".repeat(10_000);
    assert_eq!(seen(&[client(&format!("GET / HTTP/1.1\r\n{fields}\r\n"))])[1], "60018: sent 1");
}

#[test]
fn rfc_9110_15_2_interim_responses_come_before_the_response() {
    let interim = "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n";
    let response = format!("{interim}HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n");
    let expected = [format!("{}: response 1", interim.len()), format!("{}: done 1 503", response.len())];
    assert_eq!(answered(GET, &response), expected);
}

#[test]
fn rfc_9110_10_1_1_a_client_may_wait_with_the_body() {
    let head = client("PUT / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-Continue\r\n\r\n");
    let (go_on, ok) =
        (server("HTTP/1.1 100 Continue\r\n\r\n"), server("HTTP/1.1 201 A\r\nContent-Length: 0\r\n\r\n"));
    let waits = [head.clone(), go_on.clone(), client("ab"), ok.clone()];
    let expected = ["request 1 PUT `/`", "sent 1", "response 1", "done 1 success"];
    assert_eq!(without_offsets(&waits), expected);
    let impatient = [head.clone(), client("ab"), ok];
    assert_eq!(without_offsets(&impatient), expected);
    let refused = server("HTTP/1.1 417 No\r\nContent-Length: 0\r\n\r\n");
    let goes_on = [head.clone(), go_on, refused.clone(), client("ab"), client(GET)];
    assert_eq!(without_offsets(&goes_on)[2..], ["done 1 417", "sent 1", "request 2 GET `/a?b`", "sent 2"]);
    // The client may send the body now, or another request.
    assert_opaque(&[head, refused, client("GE")], AMBIGUOUS);
}

#[test]
fn rfc_9112_9_3_a_head_decides_if_the_connection_is_used_again() {
    for (head, expected) in [
        ("GET / HTTP/1.1", "Implicit"),
        ("GET / HTTP/1.1\r\nConnection: keep-alive", "Implicit"),
        ("GET / HTTP/1.1\r\nConnection: TE , Close", "Close"),
        ("GET / HTTP/1.1\r\nConnection: keep-alive\r\nConnection: close", "Close"),
        ("GET / HTTP/1.0", "Close"),
        ("GET / HTTP/1.0\r\nconnection: Keep-Alive", "Requested"),
        ("GET / HTTP/1.0\r\nConnection: keep-alive, close", "Close"),
        ("PUT / HTTP/1.1\r\nContent-Length: 2\r\nExpect: 100-continue", "Implicit waits"),
        ("PUT / HTTP/1.1\r\nContent-Length: 0\r\nExpect: 100-continue", "Implicit"),
        ("PUT / HTTP/1.0\r\nContent-Length: 2\r\nExpect: 100-continue", "Close"),
    ] {
        let expected = format!("{}: head of 1 {expected}", head.len() + 4);
        assert!(all_seen(&[client(&format!("{head}\r\n\r\n"))]).contains(&expected), "{head}");
    }
}

#[test]
fn a_response_may_end_before_its_request() {
    let turns = [
        client("POST / HTTP/1.1\r\nContent-Length: 4\r\n\r\nab"),
        server("HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n"),
        client("cd"),
        client(GET),
        server("HTTP/1.0 404 Not Found\r\nContent-Length: 0\r\n\r\n"),
    ];
    let expected = [
        "request 1 POST `/`",
        "response 1",
        "done 1 413",
        "sent 1",
        "request 2 GET `/a?b`",
        "sent 2",
        "response 2",
        "done 2 404",
    ];
    assert_eq!(without_offsets(&turns), expected);
}

#[test]
fn a_response_may_end_before_the_head_of_its_request() {
    let early = |rest: &str, next: &str| {
        let response = server("HTTP/1.1 431 Large\r\nContent-Length: 0\r\n\r\n");
        [client("PUT / HTTP/1.1\r\n"), response, client(rest), client(next)]
    };
    let turns = early("Upgrade: a\r\n\r\n", GET);
    let expected =
        ["request 1 PUT `/`", "response 1", "done 1 431", "sent 1", "request 2 GET `/a?b`", "sent 2"];
    assert_eq!(without_offsets(&turns), expected);
    assert_opaque(&early("Content-Length: 2\r\nExpect: 100-continue\r\n\r\n", "ab"), AMBIGUOUS);
}

#[test]
fn a_response_without_a_request_is_opaque() {
    let timeout = server("HTTP/1.1 408 Request Timeout\r\nConnection: close\r\n\r\n");
    assert_opaque(std::slice::from_ref(&timeout), UNREQUESTED);
    let ok = server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n");
    assert_opaque(&[client(GET), ok, timeout], UNREQUESTED);
}

#[test]
fn rfc_9112_9_3_2_pipelined_requests_have_responses_in_order() {
    let requests = format!("{GET}{}{GET}", GET.replace("GET", "HEAD"));
    let first = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n\r\n";
    let second = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
    let third = "HTTP/1.1 500 A\r\nContent-Length: 1\r\n\r\na";
    let ends = [first.len(), first.len() + second.len(), first.len() + second.len() + third.len()];
    let expected = [
        "0: response 1".to_owned(),
        format!("{}: done 1 success", ends[0]),
        format!("{}: response 2", ends[0]),
        format!("{}: done 2 success", ends[1]),
        format!("{}: response 3", ends[1]),
        format!("{}: done 3 500", ends[2]),
    ];
    assert_eq!(answered(&requests, &format!("{first}{second}{third}")), expected);
}

#[test]
fn a_session_is_small_also_after_a_long_pipeline() {
    assert!(size_of::<Http>() <= 512, "{}", size_of::<Http>());
    let mut http = Http::default();
    let response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    for (requests, responses) in
        [(GET.repeat(1000), response.repeat(999)), (String::new(), response.to_owned())]
    {
        http.on_requests(requests.as_bytes(), &mut |_| {}).expect("requests");
        http.on_responses(responses.as_bytes(), &mut |_| {}).expect("responses");
    }
    let kept = http.session.pending.capacity();
    assert!(http.session.pending.is_empty() && kept <= 128, "{kept}");
}

#[test]
fn rfc_9112_6_3_8_a_response_without_a_length_ends_with_the_stream() {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    for (response, expected) in [
        (format!("{head}data: a\n\ndata: b\r\r"), vec!["18: part 2 of 1", "18: done 1 success"]),
        (head.replace("200 OK", "500 No"), vec!["0: done 1 500"]),
        (head.replace("\r\n\r\n", "\r\nContent-Length: 1\r\n\r\n"), vec![]),
        (head.trim_end().to_owned(), vec![]),
    ] {
        let mut framer = crate::Framer::new(Protocol::Http);
        framer.on_requests(GET.as_bytes(), |_| {});
        framer.on_responses(response.as_bytes(), |_| {});
        let mut seen = Vec::new();
        framer.on_responses_end(|event| {
            let (at, event) = (event.offset - head.len() as u64, crate::testing::shown(event));
            seen.push(format!("{at}:{}", event.split_once(':').expect("an offset").1));
        });
        assert_eq!(seen, expected, "{response}");
        framer.on_responses_end(|event| panic!("{event:?}"));
    }
}
