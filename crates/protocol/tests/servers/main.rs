//! The framers in front of real servers, with real clients.

mod http;
mod postgres;
mod random;
mod redis;
mod redis_cluster;
mod relay;
mod scripts;
