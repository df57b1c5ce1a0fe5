//! nats-proxy-server.

fn main() {}
