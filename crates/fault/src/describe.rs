//! Faults in words, for people.

use std::fmt::{self, Display, Formatter};
use std::time::Duration;

use crate::effect::{Effect, Scope, Sides};
use crate::loss::LossModel;
use crate::units::in_largest_unit;

/// A time: `300 ms`, `1.5 s`, `500 µs`.
pub(crate) struct Time(pub(crate) Duration);

impl Display for Time {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let nanos = self.0.as_nanos() as f64;
        match nanos {
            0.0 => f.write_str("0 ms"),
            1e9.. => write!(f, "{} s", rounded(nanos / 1e9)),
            1e6.. => write!(f, "{} ms", rounded(nanos / 1e6)),
            _ => write!(f, "{} µs", rounded(nanos / 1e3)),
        }
    }
}

struct Size(u64);

impl Display for Size {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (number, unit) = in_largest_unit(self.0);
        write!(f, "{number} {unit}")
    }
}

/// A number with a decimal prefix, for units that have one.
struct Scaled(f64, [&'static str; 4]);

impl Display for Scaled {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let Self(number, [one, kilo, mega, giga]) = self;
        match *number {
            1e9.. => write!(f, "{} {giga}", rounded(number / 1e9)),
            1e6.. => write!(f, "{} {mega}", rounded(number / 1e6)),
            1e3.. => write!(f, "{} {kilo}", rounded(number / 1e3)),
            _ => write!(f, "{} {one}", rounded(*number)),
        }
    }
}

/// A rate in bytes a second, shown in bits: `1 mbit/s`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BitRate(pub f64);

impl Display for BitRate {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        Scaled(self.0 * 8.0, ["bit/s", "kbit/s", "mbit/s", "gbit/s"]).fmt(f)
    }
}

struct Percent(f64);

impl Display for Percent {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        // Twelve digits hide what multiplication does to the last one of them.
        let text = format!("{:.12}", self.0 * 100.0);
        write!(f, "{}%", text.trim_end_matches('0').trim_end_matches('.'))
    }
}

fn rounded(number: f64) -> f64 {
    (number * 1e3).round() / 1e3
}

struct Loss<'a>(&'a LossModel);

impl Display for Loss<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self.0 {
            LossModel::Bernoulli { rate, correlation: 0.0 } => write!(f, "{}", Percent(*rate)),
            LossModel::Bernoulli { rate, correlation } => {
                write!(f, "{}, correlation {}", Percent(*rate), Percent(*correlation))
            }
            LossModel::GilbertElliott { good_to_bad, bad_to_good, good_loss, bad_loss } => {
                write!(f, "{} in a good state, {} in a bad one", Percent(*good_loss), Percent(*bad_loss))?;
                write!(f, " (good to bad {}, bad to good {})", Percent(*good_to_bad), Percent(*bad_to_good))
            }
            LossModel::FiveState => f.write_str("in five states"),
        }
    }
}

impl Display for Effect {
    /// For people, in a line: `latency normal 300 ms ± 40 ms`.
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latency { delay, once: false } => write!(f, "latency {delay}"),
            Self::Latency { delay, once: true } => write!(f, "latency {delay}, once a flow"),
            Self::Jitter { amplitude, frequency } => {
                write!(f, "jitter up to {}, {} times a second at most", Time(*amplitude), rounded(*frequency))
            }
            Self::Bandwidth { rate: 0.0, .. } => f.write_str("bandwidth 0, bytes wait"),
            Self::Bandwidth { rate, burst, scope } => {
                let bits = BitRate(*rate);
                let bytes = Scaled(*rate, ["B/s", "KB/s", "MB/s", "GB/s"]);
                let scope = match scope {
                    Scope::Session => "a session",
                    Scope::Proxy => "a proxy",
                    Scope::All => "for all proxies",
                };
                write!(f, "bandwidth {bits} ({bytes}) burst {} {scope}", Size(*burst))
            }
            Self::PacketLoss { model, rtt, mss } => {
                write!(f, "packet loss {}, ", Loss(model))?;
                match rtt {
                    Some(rtt) => write!(f, "round trip {}, ", Time(*rtt))?,
                    None => f.write_str("round trip as measured, ")?,
                }
                write!(f, "segments of {}", Size(u64::from(*mss)))
            }
            Self::Blackhole { discard: false } => f.write_str("blackhole, bytes wait"),
            Self::Blackhole { discard: true } => f.write_str("blackhole, bytes are gone"),
            Self::Reset { after, bytes, sides } => {
                f.write_str(match sides {
                    Sides::Client => "reset of the client's connection",
                    Sides::Server => "reset of the server's connection",
                    Sides::Both => "reset of both connections",
                })?;
                write!(f, " after {}", Time(*after))?;
                bytes.map_or(Ok(()), |bytes| write!(f, " and {}", Size(bytes)))
            }
            Self::Timeout { after, discard } => {
                match after {
                    Some(after) => write!(f, "timeout, closed after {}", Time(*after))?,
                    None => f.write_str("timeout, never closed")?,
                }
                f.write_str(if *discard { ", bytes are gone" } else { "" })
            }
            Self::ResetOnData { after } => {
                write!(f, "reset of both connections {} after the first bytes", Time(*after))
            }
            Self::SlowClose { delay } => write!(f, "slow close, {} later", Time(*delay)),
            Self::Slicer { size, variation, delay } => {
                write!(f, "slicer, pieces of {} ± {}", Size(u64::from(*size)), Size(u64::from(*variation)))?;
                write!(f, " every {}", Time(*delay))
            }
            Self::LimitData { bytes } => write!(f, "data limit {}", Size(*bytes)),
            Self::Refuse => f.write_str("refuse"),
            Self::SlowOpen { delay } => write!(f, "slow open, {} later", Time(*delay)),
            Self::Corrupt { rate } => write!(f, "corrupt {} of bytes", Percent(*rate)),
        }
    }
}

#[cfg(test)]
mod tests;
