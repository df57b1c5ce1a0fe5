use std::time::Duration;

use proptest::prelude::*;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::*;

fn read<T: DeserializeOwned>(value: Value) -> Result<T, String> {
    serde_json::from_value(value).map_err(|error| error.to_string())
}

#[track_caller]
fn refused<T: DeserializeOwned + fmt::Debug>(value: Value, message: &str) {
    assert_eq!(read::<T>(value).expect_err("refused"), message);
}

#[test]
fn times() {
    for (value, micros) in [
        (json!(300), 300_000),
        (json!(0), 0),
        (json!(0.5), 500),
        (json!(1.1), 1100),
        (json!("300"), 300_000),
        (json!(" 300 ms "), 300_000),
        (json!("2s"), 2_000_000),
        (json!("1.5s"), 1_500_000),
        (json!("1m"), 60_000_000),
        (json!("1h"), 3_600_000_000),
        (json!("500us"), 500),
        (json!("500µs"), 500),
        (json!("8760h"), 31_536_000_000_000),
    ] {
        assert_eq!(read::<Millis>(value).map(Millis::duration), Ok(Duration::from_micros(micros)));
    }
    let wanted = "a time: use 300 or 300ms, 500us, 2s, 1m or 1h";
    for text in ["", "ms", "soon", "inf", "NaN", "1-2ms", "--1"] {
        refused::<Millis>(json!(text), &format!("{text:?} is not {wanted}"));
    }
    refused::<Millis>(json!(-5), &format!("-5 is negative, not {wanted}"));
    refused::<Millis>(json!("-5ms"), &format!("-5 is negative, not {wanted}"));
    refused::<Millis>(json!("2 days"), "\"2 days\" has no known unit: use us, ms, s, m or h");
    refused::<Millis>(json!("1e3"), "\"1e3\" has no known unit: use us, ms, s, m or h");
    refused::<Millis>(json!("8761h"), "31539600000ms is too long: use 8760h (a year) at most");
    refused::<Millis>(json!(true), &format!("invalid type: boolean `true`, expected {wanted}"));
    assert!(Millis::try_from(f64::NAN).is_err());
    assert!(Millis::try_from(f64::INFINITY).is_err());
    assert!(Millis::try_from(f64::MAX).is_err());
}

#[test]
fn counts() {
    for (value, count) in
        [(json!(0), 0), (json!(3), 3), (json!(2.0), 2), (json!("12"), 12), (json!(" 7 "), 7)]
    {
        assert_eq!(read::<Count>(value).map(Count::value), Ok(count));
    }
    let wanted = "a whole number: use 0 or more, like 3";
    refused::<Count>(json!(1.5), &format!("1.5 is not {wanted}"));
    refused::<Count>(json!("3x"), &format!("\"3x\" is not {wanted}"));
    refused::<Count>(json!(-1), &format!("-1 is negative, not {wanted}"));
    refused::<Count>(json!(1e16), "10000000000000000 is too large: use 2^53 at most");
}

#[test]
fn shares() {
    for (value, share) in
        [(json!(0), 0.0), (json!(1), 1.0), (json!(0.01), 0.01), (json!("1%"), 0.01), (json!("100 %"), 1.0)]
    {
        assert_eq!(read::<Ratio>(value).map(Ratio::fraction), Ok(share));
    }
    let wanted = "a share: use 0 to 1, like 0.01, or a percentage, like 1%";
    refused::<Ratio>(json!(5), "5 is more than 1: a share is 0 to 1, or use 5%");
    refused::<Ratio>(json!("500"), &format!("500 is more than 1, not {wanted}"));
    refused::<Ratio>(json!("101%"), &format!("\"101%\" is not {wanted}"));
    refused::<Ratio>(json!("half"), &format!("\"half\" is not {wanted}"));
    refused::<Ratio>(json!(-0.1), &format!("-0.1 is negative, not {wanted}"));
    assert!(Ratio::try_from(f64::NAN).is_err());
}

#[test]
fn numbers() {
    assert_eq!(read::<Number>(json!("1.5")).map(Number::value), Ok(1.5));
    assert_eq!(read::<Number>(json!(5)).map(Number::value), Ok(5.0));
    refused::<Number>(json!("5Hz"), "\"5Hz\" is not a number: use 0 or more, like 1.5");
    refused::<Number>(json!(-1), "-1 is negative, not a number: use 0 or more, like 1.5");
}

#[test]
fn byte_counts() {
    for (value, count) in [
        (json!(1500), 1500),
        (json!(1500.0), 1500),
        (json!("1500"), 1500),
        (json!("5B"), 5),
        (json!("64KiB"), 65_536),
        (json!("10KB"), 10_000),
        (json!("1MB"), 1_000_000),
        (json!("1.5 MiB"), 1_572_864),
        (json!("2GB"), 2_000_000_000),
        (json!("2GiB"), 2_147_483_648),
    ] {
        assert_eq!(read::<ByteCount>(value).map(ByteCount::count), Ok(count));
    }
    for text in ["64K", "64kb", "64Kb", "1TB"] {
        let message = "has no known unit: use B, KB (1000), KiB (1024), MB, MiB, GB or GiB";
        refused::<ByteCount>(json!(text), &format!("{text:?} {message}"));
    }
    refused::<ByteCount>(json!(1.5), "1.5 bytes: a whole number is expected");
    refused::<ByteCount>(json!(1e17), "100000000000000000 bytes is too many: use 2^53 at most");
    refused::<ByteCount>(json!(-1), "-1 is negative, not a number of bytes: use 1500, 64KiB or 1MB");
    refused::<ByteCount>(json!("many"), "\"many\" is not a number of bytes: use 1500, 64KiB or 1MB");
}

#[test]
fn bandwidths() {
    for (rate, unit, bytes_per_second) in [
        (json!(1000), None, 1000.0),
        (json!("1000"), None, 1000.0),
        (json!(500), Some("kbit/s"), 62_500.0),
        (json!("500"), Some("KBps"), 500_000.0),
        (json!("500kbit/s"), None, 62_500.0),
        (json!("1 mbit/s"), None, 125_000.0),
        (json!("1gbit/s"), None, 125_000_000.0),
        (json!("7Bps"), None, 7.0),
        (json!("1.5MBps"), None, 1_500_000.0),
        (json!("1GBps"), None, 1_000_000_000.0),
    ] {
        let rate: Rate = read(rate).expect("a rate");
        let unit = unit.map(|unit| read(json!(unit)).expect("a unit"));
        assert_eq!(rate.bytes_per_second(unit), Ok(bytes_per_second));
    }
    let message = |rate: &str, unit| {
        let rate: Rate = rate.parse().expect("a rate");
        rate.bytes_per_second(unit).expect_err("refused").to_string()
    };
    assert_eq!(message("1%", None), "1% is not a bandwidth: use 1000, 500kbit/s or 1MBps");
    assert_eq!(
        message("1kbit/s", Some("Bps".parse().unwrap())),
        "1kbit/s has kbit/s as its unit already: leave out Bps"
    );
    refused::<Rate>(
        json!("fast"),
        &format!(
            "\"fast\" is not {}",
            "a rate: use 1000, 500kbit/s or 1MBps for a \
        bandwidth, 0.01 or 1% for a loss"
        ),
    );
}

#[test]
fn units_that_may_be_bits_or_bytes_are_refused() {
    for (text, hint) in [
        ("kbps", "use KBps (bytes) or kbit/s (bits)"),
        ("Kbps", "use KBps (bytes) or kbit/s (bits)"),
        ("mbps", "use MBps (bytes) or mbit/s (bits)"),
        ("Mbps", "use MBps (bytes) or mbit/s (bits)"),
        ("GBPS", "use GBps (bytes) or gbit/s (bits)"),
        ("bps", "use Bps (bytes) or kbit/s (bits)"),
        ("KB/s", "use KBps (bytes) or kbit/s (bits)"),
        ("kbit", "use kbit/s (bits)"),
        ("Mbit/s", "use mbit/s (bits)"),
        ("gbits", "use gbit/s (bits)"),
        ("furlongs", "use Bps, KBps, MBps or GBps (bytes), kbit/s, mbit/s or gbit/s (bits)"),
        ("é", "use Bps, KBps, MBps or GBps (bytes), kbit/s, mbit/s or gbit/s (bits)"),
        ("", "use Bps, KBps, MBps or GBps (bytes), kbit/s, mbit/s or gbit/s (bits)"),
    ] {
        let message = format!("{text:?} is not a unit of bandwidth: {hint}");
        refused::<Unit>(json!(text), &message);
        if !text.is_empty() {
            refused::<Rate>(json!(format!("500{text}")), &message);
        }
    }
}

#[test]
fn loss_rates() {
    let share = |value| read::<Rate>(value).expect("a rate").ratio().map(Ratio::fraction);
    assert_eq!(share(json!(0.01)), Ok(0.01));
    assert_eq!(share(json!("0.01")), Ok(0.01));
    assert_eq!(share(json!("1%")), Ok(0.01));
    assert!(share(json!(2)).is_err());
    assert_eq!(
        share(json!("1kbit/s")).expect_err("a bandwidth").to_string(),
        "\"1kbit/s\" is not a share: use 0 to 1, like 0.01, or a percentage, like 1%"
    );
}

/// Checks that the value is unchanged by a round trip through text and through JSON.
#[track_caller]
fn comes_back<T>(value: T)
where
    T: FromStr<Err = ValueError> + fmt::Display + Serialize + DeserializeOwned + PartialEq + fmt::Debug,
{
    assert_eq!(value.to_string().parse().as_ref(), Ok(&value));
    comes_back_as_json(value);
}

#[track_caller]
fn comes_back_as_json<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(value: T) {
    assert_eq!(read(serde_json::to_value(&value).expect("JSON")).as_ref(), Ok(&value));
}

proptest! {
    #[test]
    fn what_is_written_reads_the_same(
        millis in 0.0..1e9,
        fraction in 0.0..=1.0,
        number in 0.0..1e300,
        count in 0..1_u64 << 53,
        unit in proptest::sample::select(&Unit::ALL[..]),
    ) {
        comes_back(Millis::try_from(millis).expect("a time"));
        comes_back_as_json(Ratio::try_from(fraction).expect("a share"));
        comes_back_as_json(Number::try_from(number).expect("a number"));
        comes_back(ByteCount::try_from(count as f64).expect("a count"));
        comes_back(ByteCount::try_from((count >> 20 << 10) as f64).expect("a count"));
        comes_back(unit);
        comes_back(Rate::try_from(number).expect("a rate"));
        comes_back(format!("{number}{unit}").parse::<Rate>().expect("a rate"));
        comes_back(format!("{number}%").parse::<Rate>().expect("a rate"));
    }

    #[test]
    fn no_text_panics(text in "\\PC*|[-+.0-9]{0,4}[ %a-zA-Zµ/]{0,4}") {
        let _ = text.parse::<Millis>();
        let _ = text.parse::<Ratio>();
        let _ = text.parse::<Number>();
        let _ = text.parse::<ByteCount>();
        let _ = text.parse::<Unit>();
        let _ = text.parse::<Rate>().map(|rate| (rate.bytes_per_second(None), rate.ratio()));
    }
}
