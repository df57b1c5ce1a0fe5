//! TCP connections over NATS that lose no byte when NATS blinks.
mod message;
mod opening;
mod session;
