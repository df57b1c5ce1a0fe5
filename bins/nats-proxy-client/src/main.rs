//! nats-proxy-client.

fn main() {}
