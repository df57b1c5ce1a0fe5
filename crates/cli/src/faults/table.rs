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

const SIDE: &str = "Connection that the direction refers to: client or server [default: server]";
const SIDES: &str = "Connections to reset: client, server or both [default: both]";
const INGRESS: &str =
    "Data to act on: read from that connection (ingress), written to it (egress) or both [default: ingress]";
const BOTH: &str =
    "Data to act on: read from that connection (ingress), written to it (egress) or both [default: both]";

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
                    "Share of sessions that the fault acts on, for example 0.1 or 10% [default: all]"),
                flag!($fault, $prefix, "sched" "SCHED" "schedule" Text("SCHEDULE"),
                    "Times at which the fault is on, for example start:30s,duration:10% [default: always]"),
            ],
        }
    };
}

pub(super) const FAULTS: &[FaultFlags] = &[
    fault! { Latency "latency" "LATENCY", "Delay data; requires --latency-mean or the parameters of another distribution",
        "distribution" "DISTRIBUTION" "distribution" Text("NAME"),
            "Distribution of the delays: normal, uniform, pareto, pareto-normal, constant, log-normal or table [default: normal]";
        "mean" "MEAN" "mean" Text("TIME"), "Mean delay, for example 300ms; a bare number is in milliseconds";
        "stddev" "STANDARD_DEVIATION" "stddev" Text("TIME"), "Standard deviation of the delay [default: 0]";
        "shape" "SHAPE" "shape" Text("N"), "Shape of the Pareto distribution; smaller values give a heavier tail";
        "scale" "SCALE" "scale" Text("TIME"), "Shortest delay of the Pareto distribution";
        "min" "MIN" "min" Text("TIME"), "Shortest delay of the uniform distribution";
        "max" "MAX" "max" Text("TIME"), "Longest delay of the uniform distribution";
        "table" "TABLE" "table" Text("FILE"), "File of delays in milliseconds, for the distribution table";
        "once" "ONCE" "once" Switch(true), "Delay only the first data of each session";
        "per-read-write" "PER_READ_WRITE" "once" Switch(false), "Delay all data; this is the default";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
    fault! { Jitter "jitter" "JITTER", "Delay data at random times",
        "amplitude" "AMPLITUDE" "amplitude" Text("TIME"), "Longest delay [default: 20ms]";
        "frequency" "FREQ" "frequency" Text("HERTZ"), "Maximum number of delays per second [default: 5]";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
    fault! { Bandwidth "bandwidth" "BANDWIDTH", "Limit throughput",
        "rate" "RATE" "rate" Text("RATE"), "Limit, for example 500kbit/s or 1MBps; a bare number is in --bandwidth-unit [default: 1000]";
        "unit" "UNIT" "unit" Text("UNIT"), "Unit of a bare number: Bps, KBps, MBps, GBps, kbit/s, mbit/s or gbit/s [default: Bps]";
        "burst" "BURST" "burst" Text("BYTES"), "Amount of data that passes without delay after a pause [default: what the rate allows in 1 ms]";
        "scope" "SCOPE" "scope" Text("SCOPE"), "Sessions that share the limit: session (each has its own), proxy or all [default: session]";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
    fault! { PacketLoss "packet-loss" "PACKET_LOSS", "Delay data as if packets were lost and sent again",
        "rate" "RATE" "rate" Text("SHARE"), "Share of packets to lose, for example 0.01 or 1%";
        "model" "MODEL" "model" Text("NAME"),
            "Loss model: bernoulli, gilbert-elliott or markov [default: bernoulli with a rate, otherwise markov]";
        "correlation" "CORRELATION" "correlation" Text("SHARE"), "Correlation of loss between consecutive packets, 0 to 1 [default: 0]";
        "good-to-bad" "GOOD_TO_BAD" "good-to-bad" Text("SHARE"), "Probability per packet of entering the bad state (gilbert-elliott)";
        "bad-to-good" "BAD_TO_GOOD" "bad-to-good" Text("SHARE"), "Probability per packet of leaving the bad state (gilbert-elliott)";
        "good-loss" "GOOD_LOSS" "good-loss" Text("SHARE"), "Share of packets to lose in the good state (gilbert-elliott) [default: 0]";
        "bad-loss" "BAD_LOSS" "bad-loss" Text("SHARE"), "Share of packets to lose in the bad state (gilbert-elliott) [default: 1]";
        "rtt" "RTT" "rtt" Text("TIME"), "Round-trip time of the path [default: as measured]";
        "mss" "MSS" "mss" Text("BYTES"), "Payload size of a packet [default: 1460]";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
    fault! { Blackhole "blackhole" "BLACKHOLE", "Hold or drop all data",
        "mode" "MODE" "mode" Text("MODE"), "Action for received data: stall (hold) or discard (drop) [default: stall]";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
    fault! { Reset "reset" "RESET", "Reset connections",
        "after" "AFTER" "after" Text("TIME"), "Time after the start of the session [default: 0]";
        "bytes" "BYTES" "bytes" Text("BYTES"), "Minimum number of bytes to forward before the reset";
        "side" "SIDE" "side" Text("SIDE"), SIDES;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), BOTH;
    },
    fault! { Timeout "timeout" "TIMEOUT", "Hold all data, then close the session",
        "after" "AFTER" "after" Text("TIME"), "Time after the start of the session at which to close it [default: never]";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), BOTH;
    },
    fault! { SlowClose "slow-close" "SLOW_CLOSE", "Delay the end of a session",
        "delay" "DELAY" "delay" Text("TIME"), "Delay, for example 2s";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), BOTH;
    },
    fault! { Slicer "slicer" "SLICER", "Forward data in small pieces",
        "size" "SIZE" "size" Text("BYTES"), "Average size of a piece";
        "variation" "VARIATION" "variation" Text("BYTES"), "Maximum difference of a piece from the average size [default: 0]";
        "delay" "DELAY" "delay" Text("TIME"), "Delay between pieces [default: 0]";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
    fault! { LimitData "limit-data" "LIMIT_DATA", "Close sessions after an amount of data",
        "bytes" "BYTES" "bytes" Text("BYTES"), "Amount of data, for example 64KiB";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), BOTH;
    },
    fault! { Refuse "refuse" "REFUSE", "Refuse new clients", },
    fault! { SlowOpen "slow-open" "SLOW_OPEN", "Delay the connection to the upstream",
        "delay" "DELAY" "delay" Text("TIME"), "Delay, for example 2s";
    },
    fault! { Corrupt "corrupt" "CORRUPT", "Flip random bits",
        "rate" "RATE" "rate" Text("SHARE"), "Share of bytes in which to flip a bit, for example 0.001 or 0.1%";
        "side" "SIDE" "side" Text("SIDE"), SIDE;
        "direction" "DIRECTION" "direction" Text("DIRECTION"), INGRESS;
    },
];
