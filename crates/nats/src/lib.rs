//! TCP connections over NATS that lose no byte when NATS blinks.
