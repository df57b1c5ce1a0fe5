//! Delays some segments.

use rand::RngExt;

use super::prelude::*;
use crate::stage::hold::{HoldStage, HoldTimes};

/// Holds some segments for a time drawn uniformly from 0 to `amplitude`.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Jitter {
    /// Longest hold time.
    pub amplitude: Duration,
    /// Maximum number of held segments per second.
    pub frequency: f64,
}

impl Jitter {
    /// Holds at most `frequency` segments per second, each for up to `amplitude`.
    pub fn new(amplitude: Duration, frequency: f64) -> Self {
        Self { amplitude, frequency }
    }
}

impl Behavior for Jitter {
    fn describe(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (longest, frequency) = (Time(self.amplitude), rounded(self.frequency));
        let times = if frequency == 1.0 { "time" } else { "times" };
        write!(f, "jitter up to {longest}, {frequency} {times} a second at most")
    }

    fn place(&self) -> Place {
        Place::Variation
    }

    fn stage(&self, start: Start) -> Option<Box<dyn Stage>> {
        Some(Box::new(HoldStage::new(JitterTimes {
            amplitude: self.amplitude,
            interval: Duration::try_from_secs_f64(self.frequency.recip()).unwrap_or(Duration::MAX),
            not_before: Duration::ZERO,
            drawn: None,
            key: start.key,
        })))
    }

    fn measured(&self) -> Measured {
        Measured::Delays
    }
}

#[derive(Debug)]
struct JitterTimes {
    amplitude: Duration,
    interval: Duration,
    /// Earliest time at which another segment is held.
    not_before: Duration,
    /// Number and hold time of the last segment.
    drawn: Option<(u64, Duration)>,
    key: DrawKey,
}

impl HoldTimes for JitterTimes {
    fn hold_time(&mut self, chunk: &Chunk, context: &mut StageContext<'_>) -> Duration {
        let delay = match self.drawn {
            Some((segment, delay)) if segment == chunk.segment => return delay,
            _ if chunk.at < self.not_before => Duration::ZERO,
            _ => {
                let delay = self.amplitude.mul_f64(self.key.at(chunk.offset).random());
                self.not_before = chunk.at.saturating_add(self.interval);
                context.counters.record_action();
                context.hold(chunk, delay);
                delay
            }
        };
        self.drawn = Some((chunk.segment, delay));
        delay
    }

    fn needs_segments(&self) -> bool {
        true
    }
}

pub(super) static TYPE: FaultType = FaultType {
    name: "jitter",
    help: "Delay data at random times",
    target: Target::Flow(SocketDirection::Ingress),
    parameters: &[
        Parameter::time("amplitude", "Longest delay").or("20ms").main(),
        Parameter::new("frequency", ValueType::Number("HERTZ"), "Maximum number of delays per second")
            .or("5")
            .main()
            .in_variable("FREQ"),
    ],
    read: read_own::<Params>,
};

const DEFAULT_AMPLITUDE: Duration = Duration::from_millis(20);
const DEFAULT_FREQUENCY: f64 = 5.0;

#[derive(Debug, Serialize, Deserialize)]
struct Params {
    amplitude: Option<Millis>,
    frequency: Option<Number>,
}

impl Parameters for Params {
    fn resolve(&self, _side: Option<Side>, _read_file: ReadFile) -> Result<Effect, ParamError> {
        let frequency = self.frequency.map_or(DEFAULT_FREQUENCY, Number::value);
        if frequency == 0.0 {
            return Err(ParamError::new("frequency", "must be greater than 0, like 5"));
        }
        let amplitude = self.amplitude.map_or(DEFAULT_AMPLITUDE, Millis::duration);
        Ok(Jitter { amplitude, frequency }.into())
    }
}
