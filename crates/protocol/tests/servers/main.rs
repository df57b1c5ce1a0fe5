//! The framers in front of real servers, with real clients.

mod postgres;
mod redis;
mod relay;
