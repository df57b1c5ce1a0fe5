use proptest::{collection::vec, prelude::*};
use serde_json::Value;

use super::*;

const ID: &str = "93e6cb0299a5e8f4";

/// What the Go binaries sent, and the id, data and metadata of it.
type Captured = (&'static str, &'static str, &'static [u8], &'static [(&'static str, &'static str)]);

const CAPTURED: [Captured; 6] = [
    (r#"{"ID":"","Reply":"","Data":null,"Metadata":null}"#, "", b"", &[]),
    (r#"{"ID":"","Reply":"","Data":"OTNlNmNiMDI5OWE1ZThmNA==","Metadata":{}}"#, "", b"93e6cb0299a5e8f4", &[]),
    (
        r#"{"ID":"93e6cb0299a5e8f4","Reply":"","Data":"aGVsbG8gAP8K","Metadata":null}"#,
        ID,
        b"hello \0\xff\n",
        &[],
    ),
    (
        r#"{"ID":"93e6cb0299a5e8f4","Reply":"","Data":"ZWNobzpoZWxsbyAA/wo=","Metadata":{}}"#,
        ID,
        b"echo:hello \0\xff\n",
        &[],
    ),
    (
        r#"{"ID":"93e6cb0299a5e8f4","Reply":"","Data":null,"Metadata":{"type":"close"}}"#,
        ID,
        b"",
        &[("type", "close")],
    ),
    (
        r#"{"ID":"","Reply":"","Data":"bm8gcm91dGU=","Metadata":{"error":"true"}}"#,
        "",
        b"no route",
        &[("error", "true")],
    ),
];

fn borrowed<'a>(message: &'a Message<'_>) -> Vec<(&'a str, &'a str)> {
    message.metadata.iter().map(|(key, value)| (key.as_ref(), value.as_ref())).collect()
}

#[test]
fn captured_messages_are_read() {
    for (text, id, data, metadata) in CAPTURED {
        let message = decode(text.as_bytes()).unwrap();
        assert_eq!((message.id.as_ref(), &message.data[..]), (id, data), "{text}");
        assert_eq!(borrowed(&message), metadata, "{text}");
        assert!(matches!(message.id, Cow::Borrowed(_)), "{text}");
        assert_eq!(message.is_close(), text.contains("close"));
    }
}

#[test]
fn captured_messages_are_written_byte_for_byte() {
    for (text, id, data, metadata) in CAPTURED {
        let written = match (id, text.ends_with("{}}")) {
            ("", true) => encode_reply(data),
            // Only the servers of tcp-sproxy write this.
            (_, true) => continue,
            (_, false) => encode(id, data, metadata),
        };
        assert_eq!(written, text);
    }
}

#[test]
fn a_reader_is_tolerant() {
    for (text, data) in [
        ("null", ""),
        ("{}", ""),
        (r#"{"ID":null,"Reply":null,"Data":null,"Metadata":null}"#, ""),
        (r#"{"Data":""}"#, ""),
        (" {\n\t\"Data\" : \"aGVsbG8=\" , \"New\":[{\"x\":1e9}], \"ID\":\"\" }\r\n", "hello"),
        (r#"{"Data":"aGVsbG\u0038="}"#, "hello"),
        (r#"{"Metadata":{"k":null},"Data":"aGVsbG8=","Reply":7}"#, "hello"),
        (r#"{"Data":"aGVsbG8=","Data":"aGVsbG8="}"#, "hello"),
    ] {
        let message = decode(text.as_bytes()).unwrap();
        assert_eq!((message.id.as_ref(), &message.data[..]), ("", data.as_bytes()), "{text}");
    }
    let escaped = decode(br#"{"ID":"a\nb","Data":"\/\/\/\/","Metadata":{"\u006b":"\"","n":null}}"#).unwrap();
    assert_eq!(escaped.id, "a\nb");
    assert_eq!(escaped.data[..], [0xff; 3]);
    assert_eq!(borrowed(&escaped), [("k", "\""), ("n", "")]);
}

#[test]
fn errors_name_the_part_and_quote_nothing() {
    for (text, error) in [
        (r#"{"ID":5}"#, "ID is not a string"),
        (r#"{"Data":"secret"}"#, "Data is not base64"),
        (r#"{"Data":"c2VjcmV0\n"}"#, "Data is not base64"),
        (r#"{"Data":"aGVsbG8"}"#, "Data is not base64"),
        (r#"{"Data":[115]}"#, "Data is not a string"),
        (r#"{"Metadata":"secret"}"#, "Metadata is not an object of strings"),
        (r#"{"Metadata":{"secret":1}}"#, "Metadata is not an object of strings"),
        (r#"["secret","","",null]"#, "the payload is not an object"),
        (r#""secret""#, "the payload is not an object"),
        ("", "not JSON (line 1, column 0 of 0 bytes)"),
        ("secret", "not JSON (line 1, column 1 of 6 bytes)"),
        (r#"{"ID":"secret"#, "not JSON (line 1, column 13 of 13 bytes)"),
        (r#"{"Metadata":{"secret":"x"}} {}"#, "not JSON (line 1, column 29 of 30 bytes)"),
    ] {
        assert_eq!(decode(text.as_bytes()).unwrap_err().to_string(), error, "{text}");
    }
    assert!(matches!(decode(b"{\"ID\":\"\xff\"}"), Err(MessageError::NotJson { .. })));
}

/// Base64 after RFC 4648, section 4, one bit at a time.
fn plain_base64(text: &str) -> Vec<u8> {
    const ALPHABET: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut bits = Vec::new();
    for byte in text.bytes().filter(|&byte| byte != b'=') {
        let value = ALPHABET.iter().position(|&letter| letter == byte).unwrap();
        bits.extend((0..6).rev().map(|bit| u8::from(value >> bit & 1 == 1)));
    }
    bits.chunks_exact(8).map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit)).collect()
}

proptest! {
    #[test]
    fn what_is_written_is_read_and_fits_its_capacity(
        id in ".{0,12}|[\\x00-\\x7f]{0,12}",
        data in vec(any::<u8>(), 0..300),
        metadata in vec(("[a-z\"\\\\\\x00-\\x1f]{0,8}", ".{0,20}"), 0..4),
    ) {
        let sorted: BTreeMap<&str, &str> =
            metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
        let metadata: Vec<(&str, &str)> = sorted.into_iter().collect();
        let mut out = BytesMut::with_capacity(capacity(&id, data.len(), metadata_len(&metadata)));
        let (start, room) = (out.as_ptr(), out.capacity());
        begin(&mut out, &id, &data);
        end(&mut out, metadata.iter().copied());
        prop_assert_eq!((start, room), (out.as_ptr(), out.capacity()));
        prop_assert_eq!(&encode(&id, &data, &metadata)[..], &out[..]);

        let message = decode(&out).unwrap();
        prop_assert_eq!(message.id.as_ref(), &id);
        prop_assert_eq!(&message.data[..], &data[..]);
        prop_assert_eq!(borrowed(&message), &metadata[..]);

        let value: Value = serde_json::from_slice(&out).unwrap();
        prop_assert_eq!(&value["ID"], &Value::from(id));
        prop_assert_eq!(&value["Reply"], &Value::from(""));
        match value["Data"].as_str() {
            Some(text) => prop_assert_eq!(plain_base64(text), data),
            None => prop_assert!(value["Data"].is_null() && data.is_empty()),
        }
        match value["Metadata"].as_object() {
            Some(object) => {
                let object: Vec<_> = object.iter().map(|(key, value)| (key.as_str(), value.as_str().unwrap())).collect();
                prop_assert_eq!(object, metadata);
            }
            None => prop_assert!(value["Metadata"].is_null() && metadata.is_empty()),
        }
    }

    #[test]
    fn what_any_writer_of_json_writes_is_read(
        id in ".{0,12}", data in vec(any::<u8>(), 0..100), key in ".{0,12}", value in ".{0,12}", pretty: bool,
    ) {
        let text = STANDARD.encode_to_string(&data);
        let value_json = serde_json::json!({ "Data": text, "Metadata": { key.clone(): value.clone() }, "ID": id });
        let payload = if pretty {
            serde_json::to_vec_pretty(&value_json).unwrap()
        } else {
            value_json.to_string().replace('/', "\\/").into_bytes()
        };
        let message = decode(&payload).unwrap();
        prop_assert_eq!(message.id.as_ref(), id);
        prop_assert_eq!(&message.data[..], data);
        prop_assert_eq!(borrowed(&message), [(key.as_str(), value.as_str())]);
    }

    #[test]
    fn no_payload_makes_the_reader_panic(payload in vec(any::<u8>(), 0..60), text in "[\\[\\]{}\":,a-zIDaMt0-9 ]{0,60}") {
        let _ = decode(&payload);
        let _ = decode(text.as_bytes());
    }
}
