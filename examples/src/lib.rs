//! Programs a service author copies from.
