//! Every flag of every fault: one line a flag.

use proxy_fault::Kind;

/// A type of fault and its flags.
#[derive(Debug)]
pub(super) struct FaultFlags {
    pub(super) kind: Kind,
    /// The switch.
    pub(super) with: Flag,
    /// What help writes above the parameters.
    pub(super) heading: &'static str,
    pub(super) parameters: &'static [Flag],
}

#[derive(Debug)]
pub(super) struct Flag {
    /// As [`proxy_fault::FaultParams`] has it.
    pub(super) parameter: &'static str,
    pub(super) flag: &'static str,
    pub(super) env: &'static str,
    pub(super) value: FlagValue,
    pub(super) help: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum FlagValue {
    /// A text, which help calls this.
    Text(&'static str),
    /// None: the flag itself says this.
    Switch(bool),
}

use FlagValue::{Switch, Text};

const SIDE: &str = "Whose socket the direction is about: client, server [default: server]";
const SIDES: &str = "Which connections are reset: client, server, both [default: both]";
const INGRESS: &str = "Bytes read from it (ingress), written to it (egress), both [default: ingress]";
const BOTH: &str = "Bytes read from it (ingress), written to it (egress), both [default: both]";

macro_rules! flag {
    ($fault:literal, $prefix:literal, $suffix:literal $env:literal $parameter:literal $value:expr, $help:expr) => {
        Flag {
            parameter: $parameter,
            flag: concat!($fault, "-", $suffix),
            env: concat!("FAULT_", $prefix, "_", $env),
            value: $value,
            help: $help,
        }
    };
}

/// With the flags that all faults have. A row: the flag's and the variable's endings, the parameter, value, help.
macro_rules! fault {
    (
        $kind:ident $fault:literal $prefix:literal, $help:literal,
        $($suffix:literal $env:literal $parameter:literal $value:expr, $parameter_help:expr;)*
    ) => {
        FaultFlags {
            kind: Kind::$kind,
            with: Flag {
                parameter: "type",
                flag: concat!("with-", $fault),
                env: concat!("FAULT_WITH_", $prefix),
                value: Switch(true),
                help: $help,
            },
            heading: concat!("Fault: ", $fault),
            parameters: &[
                $(flag!($fault, $prefix, $suffix $env $parameter $value, $parameter_help),)*
                flag!($fault, $prefix, "probability" "PROBABILITY" "probability" Text("SHARE"),
                    "The share of sessions: 0.1 or 10% [default: all]"),
                flag!($fault, $prefix, "sched" "SCHED" "schedule" Text("SCHEDULE"),
                    "When it is on: start:30s,duration:10% [default: always]"),
            ],
        }
    };
}

pub(super) const FAULTS: &[FaultFlags] = &[
    fault! { Latency "latency" "LATENCY", "Delay bytes; needs --latency-mean or another distribution's parameters",
        "distribution" "DISTRIBUTION" "distribution" Text("NAME"),
            "normal, uniform, pareto, pareto-normal, constant, log-normal, table [default: normal]";
        "mean" "MEAN" "mean" Text("TIME"), "300ms; a bare number is milliseconds";
        "stddev" "STANDARD_DEVIATION" "stddev" Text("TIME"), "The standard deviation [default: 0]";
        "shape" "SHAPE" "shape" Text("N"), "Of a pareto: the smaller, the heavier the tail";
        "scale" "SCALE" "scale" Text("TIME"), "Of a pareto: the shortest delay";
        "min" "MIN" "min" Text("TIME"), "Of a uniform: the shortest delay";
        "max" "MAX" "max" Text("TIME"), "Of a uniform: the longest delay";
        "table" "TABLE" "table" Text("FILE"), "Delays to draw from, in milliseconds";
        "once" "ONCE" "once" Switch(true), "Delay the first bytes of each session only";
        "per-read-write" "PER_READ_WRITE" "once" Switch(false), "Delay all bytes: the default";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
    fault! { Jitter "jitter" "JITTER", "Delay bytes now and then",
        "amplitude" "AMPLITUDE" "amplitude" Text("TIME"), "The longest delay [default: 20ms]";
        "frequency" "FREQ" "frequency" Text("HERTZ"), "Delays a second, at most [default: 5]";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
    fault! { Bandwidth "bandwidth" "BANDWIDTH", "Let so many bytes a second pass",
        "rate" "RATE" "rate" Text("RATE"), "500kbit/s, 1MBps; a bare number is in --bandwidth-unit [default: 1000]";
        "unit" "UNIT" "unit" Text("UNIT"), "Bps, KBps, MBps, GBps, kbit/s, mbit/s, gbit/s [default: Bps]";
        "burst" "BURST" "burst" Text("BYTES"), "What may pass at once after a pause [default: that of 1 ms]";
        "scope" "SCOPE" "scope" Text("SCOPE"), "Who shares it: session, proxy, all [default: session]";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
    fault! { PacketLoss "packet-loss" "PACKET_LOSS", "Lose packets, which are sent again: bytes come late",
        "rate" "RATE" "rate" Text("SHARE"), "The share of packets: 0.01 or 1%";
        "model" "MODEL" "model" Text("NAME"),
            "bernoulli, gilbert-elliott, markov [default: bernoulli with a rate, else markov]";
        "correlation" "CORRELATION" "correlation" Text("SHARE"), "Of a packet's fate with the one before it [default: 0]";
        "good-to-bad" "GOOD_TO_BAD" "good-to-bad" Text("SHARE"), "Of gilbert-elliott: the chance, a packet";
        "bad-to-good" "BAD_TO_GOOD" "bad-to-good" Text("SHARE"), "Of gilbert-elliott: the chance, a packet";
        "good-loss" "GOOD_LOSS" "good-loss" Text("SHARE"), "Of gilbert-elliott: loss in the good state [default: 0]";
        "bad-loss" "BAD_LOSS" "bad-loss" Text("SHARE"), "Of gilbert-elliott: loss in the bad state [default: 1]";
        "rtt" "RTT" "rtt" Text("TIME"), "The round-trip time of the path [default: as measured]";
        "mss" "MSS" "mss" Text("BYTES"), "What a packet holds [default: 1460]";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
    fault! { Blackhole "blackhole" "BLACKHOLE", "Let nothing pass",
        "mode" "MODE" "mode" Text("MODE"), "What becomes of the bytes: stall, discard [default: stall]";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
    fault! { Reset "reset" "RESET", "Reset connections",
        "after" "AFTER" "after" Text("TIME"), "This long after a session opened [default: 0]";
        "bytes" "BYTES" "bytes" Text("BYTES"), "Not before so many have passed";
        "side" "SIDE" "side" Text("SIDE"), SIDES;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), BOTH;
    },
    fault! { Timeout "timeout" "TIMEOUT", "Let nothing pass, then close",
        "after" "AFTER" "after" Text("TIME"), "Close this long after a session opened [default: never]";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), BOTH;
    },
    fault! { SlowClose "slow-close" "SLOW_CLOSE", "Delay the end of a session",
        "delay" "DELAY" "delay" Text("TIME"), "How long: 2s";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), BOTH;
    },
    fault! { Slicer "slicer" "SLICER", "Pass bytes in small pieces",
        "size" "SIZE" "size" Text("BYTES"), "Of a piece, on average";
        "variation" "VARIATION" "variation" Text("BYTES"), "How much smaller or larger a piece may be [default: 0]";
        "delay" "DELAY" "delay" Text("TIME"), "Between pieces [default: 0]";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
    fault! { LimitData "limit-data" "LIMIT_DATA", "Close connections after so many bytes",
        "bytes" "BYTES" "bytes" Text("BYTES"), "How many: 64KiB";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), BOTH;
    },
    fault! { Refuse "refuse" "REFUSE", "Refuse new clients", },
    fault! { SlowOpen "slow-open" "SLOW_OPEN", "Delay the connection to the upstream",
        "delay" "DELAY" "delay" Text("TIME"), "How long: 2s";
    },
    fault! { Corrupt "corrupt" "CORRUPT", "Flip bits",
        "rate" "RATE" "rate" Text("SHARE"), "The share of bytes: 0.001 or 0.1%";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
];
