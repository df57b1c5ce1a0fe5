//! Where messages end.

use super::{AMBIGUOUS, GET, SWITCHED, answered, assert_opaque, client, seen, server, without_offsets};

#[test]
fn rfc_9112_6_3_1_responses_without_content() {
    let head = GET.replace("GET", "HEAD");
    for (request, response) in [
        (&head[..], "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n"),
        (&head, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"),
        (&head, "HTTP/1.1 200 OK\r\n\r\n"),
        (GET, "HTTP/1.1 204 No Content\r\n\r\n"),
        (GET, "HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n"),
    ] {
        let expected = ["0: response 1".to_owned(), format!("{}: done 1 success", response.len())];
        assert_eq!(answered(request, response), expected, "{response}");
    }
}

#[test]
fn rfc_9112_6_3_2_a_tunnel_begins_after_a_success_of_connect() {
    let connect = "CONNECT a:1 HTTP/1.1\r\n\r\n";
    let turns =
        [client(connect), server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nHTTP/1.1 200 OK\r\n\r\n")];
    assert_opaque(&turns, SWITCHED);
    assert_eq!(seen(&turns)[2..], ["0: response 1", "38: done 1 success", &format!("38: {SWITCHED}")]);
    let refused = [
        client(connect),
        server("HTTP/1.1 407 Authenticate\r\nContent-Length: 2\r\n\r\nno"),
        client(GET),
        server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ];
    assert_eq!(without_offsets(&refused)[3..5], ["done 1 407", "request 2 GET `/a?b`"]);
    assert_eq!(without_offsets(&refused).last().expect("events"), "done 2 success");
    // Bytes of the client before the response may be of the tunnel.
    assert_opaque(&[client(&format!("{connect}{GET}"))], AMBIGUOUS);
    assert_opaque(&[client("CONNECT a:1 HTTP/1.1\r\nContent-Length: 5\r\n\r\n")], AMBIGUOUS);
}

#[test]
fn rfc_9110_7_8_a_session_switches_after_101() {
    let upgrade = "GET / HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n";
    let turns = [client(upgrade), server("HTTP/1.1 101 Switching Protocols\r\n\r\n\u{1}\u{2}")];
    assert_eq!(without_offsets(&turns)[2..], ["response 1", "done 1 success", SWITCHED]);
    let ignored = [client(upgrade), server("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"), client(GET)];
    assert_eq!(without_offsets(&ignored).last().expect("events"), "sent 2");
    assert_opaque(&[client(&format!("{upgrade}{GET}"))], AMBIGUOUS);
}

#[test]
fn rfc_9112_6_3_3_conflicting_lengths_are_opaque() {
    for fields in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked",
        "Content-Length: 5\r\nContent-Length: 6",
        "Content-Length: 5, 5",
        "Content-Length: +5",
        "Content-Length: -5",
        "Content-Length: 0x5",
        "Content-Length: 5 5",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Transfer-Encoding: identity",
        "Transfer-Encoding: chunked, chunked",
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked, gzip",
        "Transfer-Encoding: chunked;a=b",
        "Transfer-Encoding: \"chunked\"",
        "Transfer-Encoding: xchunked",
        "Transfer-Encoding:",
        "Transfer-Encoding: , chunked",
    ] {
        assert_opaque(&[client(&format!("POST / HTTP/1.1\r\n{fields}\r\n\r\n"))], AMBIGUOUS);
        assert_opaque(&[client(GET), server(&format!("HTTP/1.1 200 OK\r\n{fields}\r\n\r\n"))], AMBIGUOUS);
    }
    // HTTP/1.0 does not have transfer codings.
    let fields = "Transfer-Encoding: chunked\r\n\r\n";
    assert_opaque(&[client(&format!("POST / HTTP/1.0\r\n{fields}"))], AMBIGUOUS);
    assert_opaque(&[client(GET), server(&format!("HTTP/1.0 200 OK\r\n{fields}"))], AMBIGUOUS);
    // A request without a length that is not chunked.
    assert_opaque(&[client("POST / HTTP/1.1\r\nTransfer-Encoding: gzip\r\n\r\n")], AMBIGUOUS);
}

#[test]
fn rfc_9112_6_3_6_content_ends_by_its_length() {
    let post = "POST / HTTP/1.1\r\ncontent-length:\t3 \r\nContent-Length: 03\r\n\r\n\r\n\r";
    let turns = [client(&format!("{post}{GET}"))];
    let expected = [
        "0: request 1 POST `/`".to_owned(),
        format!("{}: sent 1", post.len()),
        format!("{}: request 2 GET `/a?b`", post.len()),
        format!("{}: sent 2", post.len() + GET.len()),
    ];
    assert_eq!(seen(&turns), expected);
}

#[test]
fn rfc_9112_6_3_8_a_response_without_a_length_lasts_until_the_close() {
    for fields in ["", "Transfer-Encoding: gzip\r\n"] {
        let response = format!("HTTP/1.1 200 OK\r\n{fields}\r\nHTTP/1.1 200 OK\r\n\r\n");
        assert_eq!(answered(&GET.repeat(2), &response), ["0: response 1"]);
    }
}

#[test]
fn rfc_9112_7_1_chunks_have_extensions_and_trailers() {
    for body in [
        "0\r\n\r\n",
        "000\r\n\r\n",
        "3\r\n\r\n0\r\n0\r\n\r\n",
        "0a;a=\"b;c\";d\r\n0123456789\r\n1 ; a\r\nx\r\n0;e\r\nA: b\r\nC: d\r\n\r\n",
        "00000000000000000000A\r\n0123456789\r\n0\r\n\r\n",
    ] {
        let head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\nTransfer-Encoding: Chunked\r\n\r\n";
        let response = format!("{head}{body}");
        let expected = ["0: response 1".to_owned(), format!("{}: done 1 success", response.len())];
        assert_eq!(answered(GET, &response), expected, "{body}");
    }
}

#[test]
fn rfc_9112_7_1_malformed_chunks_are_opaque() {
    for body in [
        "\r\n",
        ";a\r\n",
        " 5\r\n",
        "0x5\r\n",
        "-1\r\n",
        "g\r\n",
        "5 5\r\n",
        "5\n",
        "5\rx",
        "5;a\n",
        "5;a\rb",
        "1\r\nxx\r\n",
        "1\r\nx\n",
        "10000000000000000\r\n",
        "0\r\nA: b\n",
        "0\r\nA: b\rc",
        &format!("1;{}", "x".repeat(5000)),
    ] {
        let head = "POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n";
        assert_opaque(&[client(&format!("{head}{body}"))], AMBIGUOUS);
    }
}
