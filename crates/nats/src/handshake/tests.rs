use proptest::prelude::*;

use super::*;

/// As captured.
const GO_REQUEST: &[u8] = br#"{"ID":"","Reply":"","Data":null,"Metadata":null}"#;
const GO_REPLY: &[u8] = br#"{"ID":"","Reply":"","Data":"OTNlNmNiMDI5OWE1ZThmNA==","Metadata":{}}"#;
const INBOX: &str = "_INBOX.own";
const ID: &str = "93e6cb0299a5e8f4";

fn host(host: &str, port: u16) -> Target {
    Target::Host { host: host.to_owned(), port }
}

fn offer() -> Offer {
    let sender = EndInfo { instance: InstanceId::parse("0123456789abcdef"), max_message: Some(4096) };
    Offer { encodings: vec![Encoding::Binary, Encoding::Json], sender }
}

fn request(target: &Target, refused_by: &[InstanceId]) -> (HeaderMap, Bytes) {
    let (offer, id) = (offer(), RequestId::parse("request-1").unwrap());
    super::request(
        target,
        &Terms { offer: &offer, id: &id, wait: Duration::from_secs(15), refused_by, notices: Some(INBOX) },
    )
}

/// What is read of a request with an offer that no server has refused.
fn asked(target: Target) -> Request {
    let id = RequestId::parse("request-1").ok();
    let wait = Some(Duration::from_secs(15));
    Request { target, offer: Some(offer()), refused_by: vec![], id, wait, notices: Some(INBOX.into()) }
}

fn headers(pairs: &[(&str, &str)]) -> HeaderMap {
    pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).fold(
        HeaderMap::new(),
        |mut map, (name, value)| {
            map.insert(name, value);
            map
        },
    )
}

fn refused(pairs: &[(&str, &str)]) -> String {
    Request::parse(subject::REQUEST, Some(&headers(pairs)), GO_REQUEST).unwrap_err().to_string()
}

#[test]
fn a_request_is_the_captured_one_and_an_offer() {
    let (headers, body) = request(&host("redis", 6379), &[]);
    assert_eq!(body, GO_REQUEST);
    let header = |name| headers.get(name).map(|value| value.as_str());
    assert_eq!((header("remote_host"), header("remote_port")), (Some("redis"), Some("6379")));
    let parsed = Request::parse(subject::REQUEST, Some(&headers), &body).unwrap();
    assert_eq!(parsed, asked(host("redis", 6379)));
}

#[test]
fn a_legacy_request_offers_nothing() {
    let headers = headers(&[("remote_host", "redis"), ("remote_port", "6379")]);
    let parsed = Request::parse(subject::REQUEST, Some(&headers), GO_REQUEST).unwrap();
    assert_eq!(
        parsed,
        Request { offer: None, id: None, wait: None, notices: None, ..asked(host("redis", 6379)) }
    );
}

#[test]
fn headers_count_before_metadata_and_metadata_without_headers() {
    let body = br#"{"ID":"","Data":null,"Metadata":{"remote_host":"a","remote_port":"1"}}"#;
    assert_eq!(Request::parse(subject::REQUEST, None, body).unwrap().target, host("a", 1));
    let headers = headers(&[("remote_host", "b"), ("remote_port", "2")]);
    assert_eq!(Request::parse(subject::REQUEST, Some(&headers), body).unwrap().target, host("b", 2));
    let other = self::headers(&[("other", "x")]);
    assert!(Request::parse(subject::REQUEST, Some(&other), body).is_err());
}

#[test]
fn an_instance_that_is_no_number_counts_as_none() {
    let pairs =
        [("remote_host", "redis"), ("remote_port", "6379"), ("proxy-version", "1"), ("proxy-instance", "?")];
    let parsed = Request::parse(subject::REQUEST, Some(&headers(&pairs)), GO_REQUEST).unwrap();
    assert_eq!(parsed.offer, Some(Offer { encodings: vec![], sender: EndInfo::default() }));
}

#[test]
fn notices_go_to_one_subject_of_moderate_length() {
    for (inbox, is_taken) in [(INBOX, true), ("_INBOX.*", false), ("a b", false), (&"a".repeat(257), false)] {
        let pairs = [("remote_host", "redis"), ("remote_port", "6379"), ("proxy-notices", inbox)];
        let parsed = Request::parse(subject::REQUEST, Some(&headers(&pairs)), GO_REQUEST).unwrap();
        assert_eq!(parsed.notices.is_some(), is_taken, "{inbox}");
    }
}

#[test]
fn a_services_request_names_it_by_its_subject() {
    let name: ServiceName = "redis".parse().unwrap();
    let target = Target::Service(name.clone());
    let (headers, body) = request(&target, &[]);
    assert!(headers.get("remote_host").is_none());
    assert_eq!(Request::parse(&subject::service(&name), Some(&headers), &body).unwrap().target, target);
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    assert_eq!(refused(&[("remote_port", "1")]), "the request has no `remote_host`");
    assert_eq!(refused(&[("remote_host", "a")]), "the request has no `remote_port`");
    for port in ["0", "65536", "x", ""] {
        assert!(refused(&[("remote_host", "a"), ("remote_port", port)]).contains("is not a port"));
    }
    let (long, longer) = ("a".repeat(64), "a".repeat(300));
    for (host, shown) in [
        ("a b", r#""a b""#),
        ("a\u{e9}", "\"a\u{e9}\""),
        (r"\115ecret.example", r#""\\115ecret.example""#),
        ("[db]", r#""[db]""#),
        (&long, &*long),
        (&longer, &longer[..100]),
    ] {
        let error = refused(&[("remote_host", host), ("remote_port", "1")]);
        assert!(error.contains(shown) && error.contains("is not a host name"), "{error}");
        assert!(error.len() < 300, "{error}");
    }
}

#[test]
fn the_host_of_a_request_is_a_name_or_an_address_perhaps_in_brackets() {
    for (asked, found) in [("DB.", "DB."), ("[::1]", "::1"), ("::1", "::1"), ("fe80::1%2", "fe80::1%2")] {
        let headers = headers(&[("remote_host", asked), ("remote_port", "1")]);
        let request = Request::parse(subject::REQUEST, Some(&headers), GO_REQUEST).unwrap();
        assert_eq!(request.target, host(found, 1));
    }
}

#[test]
fn the_first_encoding_that_both_have_is_chosen_and_else_json() {
    assert_eq!(offer().choose(&[Encoding::Binary, Encoding::Json]), Encoding::Binary);
    assert_eq!(offer().choose(&[Encoding::Json]), Encoding::Json);
    let no_encodings = Offer { encodings: vec![], sender: EndInfo::default() };
    assert_eq!(no_encodings.choose(&[Encoding::Binary]), Encoding::Json);
}

/// The fields that version 0.2 of both programs writes.
#[test]
fn ends_that_say_nothing_of_themselves_are_understood() {
    let headers = headers(&[
        ("remote_host", "redis"),
        ("remote_port", "6379"),
        ("proxy-version", "1"),
        ("proxy-encodings", "binary,json"),
    ]);
    let offer = Request::parse(subject::REQUEST, Some(&headers), GO_REQUEST).unwrap().offer;
    assert_eq!(offer, Some(Offer { sender: EndInfo::default(), ..self::offer() }));
    let reply = br#"{"ID":"","Reply":"","Data":"OTNlNmNiMDI5OWE1ZThmNA==","Metadata":{"version":"1","encoding":"binary","window":"65536"}}"#;
    let agreed = Negotiated { encoding: Encoding::Binary, window: 65_536, sender: EndInfo::default() };
    let id = SessionId::parse(ID).unwrap();
    assert_eq!(opened(&id, Some(agreed)), &reply[..]);
    assert_eq!(Reply::parse(reply).unwrap(), Reply::Opened { id, agreed: Some(agreed) });
}

#[test]
fn a_legacy_reply_is_the_captured_one() {
    let id = SessionId::parse(ID).unwrap();
    assert_eq!(opened(&id, None), GO_REPLY);
    assert_eq!(Reply::parse(GO_REPLY).unwrap(), Reply::Opened { id, agreed: None });
}

#[test]
fn what_was_agreed_reads_back() {
    let instance = InstanceId::parse("fedcba9876543210");
    for sender in [EndInfo::default(), EndInfo { instance, max_message: Some(4096) }] {
        for encoding in [Encoding::Binary, Encoding::Json] {
            let id = SessionId::parse(ID).unwrap();
            let agreed = Negotiated { encoding, window: 65_536, sender };
            let reply = opened(&id, Some(agreed));
            assert_eq!(Reply::parse(&reply).unwrap(), Reply::Opened { id, agreed: Some(agreed) });
        }
    }
}

#[test]
fn a_server_that_has_a_request_reads_back() {
    let server = InstanceId::parse("0123456789abcdef").unwrap();
    assert_eq!(Reply::parse(&pending(server)).unwrap(), Reply::Pending { server });
}

#[test]
fn a_request_names_the_servers_that_have_refused_it() {
    let ids = ["1", "2"].map(|id| InstanceId::parse(id).unwrap());
    let (headers, body) = request(&host("redis", 6379), &ids);
    let parsed = Request::parse(subject::REQUEST, Some(&headers), &body).unwrap();
    assert_eq!(parsed.refused_by, ids);
}

fn refusal(reason: &str, scope: Scope) -> Refusal {
    Refusal { reason: reason.to_owned(), scope }
}

fn read(payload: &[u8]) -> (Refusal, Option<InstanceId>) {
    match Reply::parse(payload).unwrap() {
        Reply::Refused { refusal, server } => (refusal, server),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_refusal_reads_back_and_holds_nothing_that_a_log_cannot_take() {
    let server = InstanceId::parse("0123456789abcdef").unwrap();
    for scope in [Scope::All, Scope::Busy, Scope::ThisServer] {
        let sent = refusal("not today", scope);
        assert_eq!(read(&sent.encode(server, 384)), (sent, Some(server)));
    }
    // On the wire it has a space.
    let short = refusal("no", Scope::All).encode(server, 384);
    assert_eq!(message::decode(&short).unwrap().data, "refused: no");
    assert_eq!(read(&short).0, refusal("no", Scope::All));
    let (told, _) = read(&refusal(&"line\n".repeat(1000), Scope::All).encode(server, 384));
    assert!(told.reason.len() <= MAX_REASON && !told.reason.contains('\n'));
}

#[test]
fn refusals_of_old_servers_are_told_apart_by_their_reasons() {
    let old = |reason: &str, metadata: &[(&str, &str)]| {
        read(&message::encode("", reason.as_bytes(), &[&[("error", "true")], metadata].concat()))
    };
    let refused = old("refused: db port 1 is not allowed here", &[]);
    assert_eq!(refused, (refusal("db port 1 is not allowed here", Scope::ThisServer), None));
    let answered = "cannot connect to db:1: Connection refused (os error 111)";
    assert_eq!(old(answered, &[]), (refusal(answered, Scope::All), None));
    assert_eq!(old("it is busy", &[("retry", "true")]), (refusal("it is busy", Scope::Busy), None));
}

#[test]
fn targets_are_written_as_people_write_them() {
    assert_eq!(host("::1", 5432).to_string(), "[::1]:5432");
    assert_eq!(host("db", 5432).to_string(), "db:5432");
    assert_eq!(Target::Service("db".parse().unwrap()).to_string(), "nats-service:db");
}

proptest! {
    #[test]
    fn nothing_makes_it_panic(payload in prop::collection::vec(any::<u8>(), 0..100), text in "\\PC*") {
        let _ = Reply::parse(&payload);
        let _ = Request::parse(subject::REQUEST, None, &payload);
        let _ = Reply::parse(text.as_bytes());
        let metadata = message::encode("", &payload, &[("remote_host", &text), ("version", &text), ("window", &text)]);
        let _ = Reply::parse(&metadata);
        let _ = Request::parse(subject::REQUEST, None, &metadata);
    }
}

#[test]
fn a_long_reason_is_cut_so_that_every_server_takes_the_refusal() {
    let reason = "a reason ".repeat(100);
    for scope in [Scope::All, Scope::ThisServer, Scope::Busy] {
        let refusal = Refusal { reason: reason.clone(), scope };
        let message = refusal.encode(InstanceId::parse("0123456789abcdef").unwrap(), usize::MAX);
        assert!((300..=384).contains(&message.len()), "{}", message.len());
        let Reply::Refused { refusal, .. } = Reply::parse(&message).unwrap() else { panic!("{message:?}") };
        assert_eq!(refusal.scope, scope);
        assert!(reason.starts_with(&refusal.reason));
    }
}
