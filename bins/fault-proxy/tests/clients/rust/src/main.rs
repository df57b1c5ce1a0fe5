//! `clients noxious|toxiproxy API_ADDRESS REDIS_PORT FREE_PORT`

mod noxious;
mod redis;
mod toxiproxy;

use std::env::args;

fn main() {
    let args: Vec<_> = args().skip(1).collect();
    let [client, api, redis, free] = &args[..] else {
        panic!("noxious|toxiproxy API_ADDRESS REDIS_PORT FREE_PORT")
    };
    let free = free.parse().expect("a port");
    let redis = format!("127.0.0.1:{redis}");
    match client.as_str() {
        "noxious" => noxious::run(api, &redis, free),
        "toxiproxy" => toxiproxy::run(api, &redis, free),
        other => panic!("no client {other}"),
    }
}

fn step(text: &str) {
    println!("{text}");
}
