//! Both legs of a session against far ends that speak rustls, over TCP and over pipes of a few bytes.

mod acceptor;
mod bulk;
mod clear;
mod connector;
mod connector_failures;
mod endings;
mod files;
mod postgres_downstream;
mod postgres_upstream;
mod protocols;
mod refusals;
mod resumption;
mod sessions;
mod sessions_cut;
mod support;
