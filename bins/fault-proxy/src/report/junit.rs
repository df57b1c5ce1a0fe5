//! Verdicts in the XML format of JUnit, with the elements and attributes that CI systems read.

use std::io::{self, Cursor, Write};

use proxy_cli::terminal::escape_control;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::Verdict;

/// Verdicts of a run.
#[derive(Debug)]
pub(crate) struct Suite<'a> {
    pub(crate) duration_ms: u64,
    pub(crate) seed: u64,
    pub(crate) verdicts: &'a [Verdict],
    /// Class of verdicts without a proxy: the proxies that they are about.
    pub(crate) proxies: String,
}

impl Suite<'_> {
    /// Returns the duration in seconds.
    fn time(&self) -> String {
        (self.duration_ms as f64 / 1e3).to_string()
    }
}

/// Returns the document: a test case for each verdict, with the proxy as its class. Each verdict was measured during the whole run, so that the
/// time of each test case is that of the run.
pub(super) fn document(suite: &Suite<'_>) -> io::Result<Vec<u8>> {
    let mut xml = Writer::new_with_indent(Cursor::new(Vec::new()), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let failures = suite.verdicts.iter().filter(|verdict| !verdict.is_met).count().to_string();
    let tests = suite.verdicts.len().to_string();
    let time = suite.time();
    let counts = || {
        [
            ("name", "fault-proxy"),
            ("tests", &*tests),
            ("failures", &*failures),
            ("errors", "0"),
            ("time", &*time),
        ]
    };
    xml.create_element("testsuites").with_attributes(counts()).write_inner_content(|xml| {
        let element = xml.create_element("testsuite").with_attributes(counts());
        element.write_inner_content(|xml| cases(xml, suite)).map(drop)
    })?;
    let mut document = xml.into_inner().into_inner();
    document.push(b'\n');
    Ok(document)
}

fn cases<W: Write>(xml: &mut Writer<W>, suite: &Suite<'_>) -> io::Result<()> {
    xml.create_element("properties").write_inner_content(|xml| {
        let seed = suite.seed.to_string();
        xml.create_element("property")
            .with_attributes([("name", "seed"), ("value", &*seed)])
            .write_empty()
            .map(drop)
    })?;
    let time = suite.time();
    for verdict in suite.verdicts {
        let class = text(verdict.label.as_ref().unwrap_or(&suite.proxies));
        let name = text(&verdict.condition);
        let case = xml.create_element("testcase");
        let case = case.with_attributes([("name", &*name), ("classname", &*class), ("time", &*time)]);
        let measured = text(&verdict.to_string());
        if verdict.is_met {
            case.write_inner_content(|xml| {
                xml.create_element("system-out").write_text_content(BytesText::new(&measured)).map(drop)
            })?;
        } else {
            case.write_inner_content(|xml| {
                xml.create_element("failure").with_attribute(("message", &*measured)).write_empty().map(drop)
            })?;
        }
    }
    Ok(())
}

/// Escapes control characters, and replaces the two other characters that XML cannot contain.
fn text(plain: &str) -> String {
    escape_control(plain).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_has_only_characters_of_xml() {
        assert_eq!(text("a\u{fffe}\u{ffff}\u{0}\u{fffd}🐢<"), "a\u{fffd}\u{fffd}\\u{0}\u{fffd}🐢<");
    }
}
