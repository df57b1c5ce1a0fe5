//! End-to-end tests of `nats-proxy-server`: the program as its users run it, real servers and real clients.

mod docs;
mod ending;
