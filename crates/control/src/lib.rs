//! Health and metrics of a running proxy over HTTP.
