//! End-to-end tests of `nats-proxy-client`: the program as its users run it, real servers and real clients.

mod config;
mod docs;
mod endings;
mod faults;
mod gone_clients;
mod health;
mod how_to;
mod leaks;
mod memory;
mod message_limits;
mod noise;
mod outages;
mod packaging;
mod postgres;
mod quick_start;
mod refusals;
mod resets;
mod rights;
mod scale_out;
mod security;
mod services;
mod slow_link;
mod slow_reader;
mod support;
mod targets;
mod transfer;
