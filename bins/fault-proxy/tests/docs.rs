//! The pages of the documentation, read by somebody who types what they show ([`Reader`] says how), and where they lead.

mod support;

use std::path::{Path, PathBuf};

use support::BINARY;
use testkit::manual::{self, Reader};
use testkit::{Certificates, Postgres, clients};

/// A reader with the programs of this build.
fn reader(page: &str) -> Reader {
    Reader::of(page, Path::new(BINARY).parent().expect("it is in a directory"))
}

fn assert_more_than(least: usize, commands: usize) {
    assert!(commands > least, "{commands} commands");
}

#[test]
fn the_tutorial_goes_as_it_says() {
    assert_more_than(25, reader("tutorial.md").follow());
}

#[test]
fn a_test_suite_switches_faults() {
    let python = clients::python_modules("toxiproxy");
    let reader = reader("how-to/test-suite.md").with_variable("PYTHONPATH", python.display());
    assert_more_than(5, reader.follow());
}

#[test]
fn an_outage_is_rehearsed() {
    assert_more_than(4, reader("how-to/rehearse-an-outage.md").follow());
}

#[test]
fn a_fault_is_found_for_a_failure() {
    assert_more_than(10, reader("how-to/which-fault.md").follow());
}

#[test]
fn a_server_with_tls_is_put_behind_it() {
    let certificates = Certificates::generate();
    let server = Postgres::start_tls(&certificates);
    let reader = reader("how-to/tls-upstream.md").with_server(5432, server.port());
    assert_more_than(5, reader.with_file("ca.pem", certificates.ca_file()).follow());
}

#[test]
fn the_contents_have_every_page() {
    assert_eq!(manual::astray_in_contents(), Vec::<PathBuf>::new());
}

#[test]
fn links_lead_somewhere() {
    assert_eq!(manual::broken_links(), []);
}
