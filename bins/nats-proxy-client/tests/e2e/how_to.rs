//! Runs the commands that the pages about NATS show; see [`Reader`].

use crate::support::{client_binary, server_binary};
use testkit::manual::Reader;

#[test]
fn the_quick_start_goes_as_it_says() {
    let programs = server_binary();
    let programs = programs.parent().expect("it is in a directory");
    assert_eq!(Reader::of_section("nats.md", "Quick start", programs).follow(), 5);
}

#[test]
fn the_readme_shows_a_tunnel_that_works() {
    let programs = server_binary();
    let programs = programs.parent().expect("it is in a directory");
    assert_eq!(Reader::of_section("../README.md", "TCP over NATS", programs).follow(), 5);
}

#[test]
fn a_database_is_reached_over_nats_which_is_restarted() {
    let programs = client_binary().parent().expect("it is in a directory");
    let commands = Reader::of("how-to/tunnel.md", programs).follow();
    assert!(commands > 7, "{commands} commands");
}
