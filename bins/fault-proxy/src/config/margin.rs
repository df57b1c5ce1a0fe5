//! Settings of `margin`: those of a run, with a fault whose parameter changes.

use std::path::PathBuf;

use anyhow::{Result, anyhow, bail};
use fault_proxy_engine::{FaultParams, FaultType, Parameter, ReadError, ScheduleContext, faults};
use figment::value::{Dict, Value as FileValue};
use proxy_cli::addr::Endpoint;
use proxy_cli::config::{did_you_mean, nearest};
use proxy_cli::faults::in_flags;
use serde_json::{Map, Value};

use super::{Config, ConfiguredFault, ProxySettings};

/// The fault that changes and its parameter.
#[derive(Debug, Clone)]
pub(crate) struct VariedFault {
    /// Name in each of its proxies.
    pub(crate) name: String,
    fault_type: &'static FaultType,
    pub(crate) parameter: Parameter,
}

impl Config {
    /// Finds the varied fault: that with this name among those of flags and the file, or a new one if it is a type.
    ///
    /// # Errors
    /// There is no such fault, or its type has no such parameter.
    pub(crate) fn varied(&self, fault: &str, parameter: &str) -> Result<VariedFault> {
        let kind = faults::find(fault);
        // Faults of flags have the name of their type.
        let is_flag =
            |kind: &FaultType| self.faults.iter().any(|params| params.fault_type().name == kind.name);
        let in_file = self.faults_of_file().find(|dict| is_called(dict, fault));
        let (name, fault_type) = match (kind, in_file) {
            (Ok(kind), _) if is_flag(kind) => (kind.name, kind),
            (_, Some(dict)) => {
                let kind = faults::find(text(dict, "type").unwrap_or_default())?;
                (text(dict, "name").unwrap_or(kind.name), kind)
            }
            (kind, None) => kind.map(|kind| (kind.name, kind))?,
        };
        let name = name.to_owned();
        Ok(VariedFault { name, fault_type, parameter: parameter_of(fault_type, parameter)? })
    }

    /// Sets the parameter, and adds the fault to all proxies if it is not set yet. Removes all settings without a meaning for `margin`.
    ///
    /// # Errors
    /// The value is not one of the parameter.
    pub(crate) fn vary(&mut self, varied: &VariedFault, value: Value) -> Result<()> {
        let (name, schedules) = (varied.parameter.name, self.schedules());
        self.control.control = Some(Endpoint(None));
        self.control.metrics = None;
        self.control.toxiproxy_config = None;
        self.run.journal = None;
        self.run.expect.clear();
        self.run.strict = false;
        self.run.duration = None;
        if !self.mappings.is_empty() {
            // These proxies replace those of the file.
            self.tables.proxies.clear();
        }
        let tables = &mut self.tables;
        let of_proxies = tables.proxies.iter_mut().flat_map(|proxy| &mut proxy.faults);
        let mut is_in_file = false;
        for dict in tables.faults.iter_mut().chain(of_proxies).filter(|dict| is_called(dict, &varied.name)) {
            dict.retain(|key, _| key.replace('_', "-") != name);
            dict.insert(name.to_owned(), FileValue::serialize(&value)?);
            is_in_file = true;
            // Errors about other parameters are those of the file.
            if let Ok(params) = FileValue::from(dict.clone()).deserialize::<FaultParams>()
                && let Err(error) = params.resolve(&schedules)
                && error.param() == name
            {
                return Err(error.into());
            }
        }
        let of_flags = self.faults.iter_mut().find(|params| params.fault_type().name == varied.name);
        match of_flags {
            Some(params) => {
                *params = with(params, name, value)?;
                params.resolve(&schedules).map_err(|error| anyhow!(in_flags(&error, varied.fault_type)))?;
            }
            None if is_in_file => {}
            None => {
                let given = [("type".to_owned(), varied.fault_type.name.into()), (name.to_owned(), value)];
                let params = read(Map::from_iter(given))?;
                params.resolve(&schedules).map_err(|error| match error.param() {
                    param if param == name => anyhow!("{error}"),
                    _ => {
                        let problem = in_flags(&error, varied.fault_type);
                        anyhow!("{problem}; set it together with --with-{}", varied.fault_type.name)
                    }
                })?;
                self.faults.push(params);
            }
        }
        Ok(())
    }

    /// Returns whether flags, variables or the file have a proxy.
    pub(crate) fn has_proxies(&self) -> bool {
        !self.mappings.is_empty() || !self.tables.proxies.is_empty()
    }

    /// Takes the files of --report and --junit out, because a run requires conditions for the latter.
    pub(crate) fn take_report_files(&mut self) -> [Option<PathBuf>; 2] {
        [self.run.report.take(), self.run.junit.take()]
    }

    fn faults_of_file(&self) -> impl Iterator<Item = &Dict> {
        // Mappings of flags replace the proxies of the file.
        let proxies = self.tables.proxies.iter().filter(|_| self.mappings.is_empty());
        self.tables.faults.iter().chain(proxies.flat_map(|proxy| &proxy.faults))
    }

    /// Returns the context that parameters of faults are resolved in, without a duration.
    pub(crate) fn schedules(&self) -> ScheduleContext {
        self.fault_options.run(None)
    }
}

impl VariedFault {
    /// Returns the proxies that have the fault.
    pub(crate) fn proxies<'a>(&self, all: &'a [ProxySettings]) -> impl Iterator<Item = &'a ProxySettings> {
        all.iter().filter(|proxy| proxy.faults.iter().any(|given| given.fault.name == self.name))
    }

    /// Returns the proxies with another value of the parameter.
    ///
    /// # Errors
    /// The fault does not accept the value.
    pub(crate) fn with_value(
        &self,
        proxies: &[ProxySettings],
        value: &Value,
        run: &ScheduleContext,
    ) -> Result<Vec<ProxySettings>> {
        let mut proxies = proxies.to_vec();
        let all = proxies.iter_mut().flat_map(|proxy| &mut proxy.faults);
        let mut is_there = false;
        for given in all.filter(|given| given.fault.name == self.name) {
            let params = with(&given.params, self.parameter.name, value.clone())?;
            *given = ConfiguredFault { fault: params.resolve(run)?, params };
            is_there = true;
        }
        if !is_there {
            bail!("no proxy has the fault `{}`", self.name);
        }
        Ok(proxies)
    }
}

/// Returns the parameters with another value of one.
fn with(params: &FaultParams, parameter: &str, value: Value) -> Result<FaultParams> {
    let Value::Object(mut given) = serde_json::to_value(params)? else {
        return Err(anyhow!("the parameters of {} are not an object", params.fault_type().name));
    };
    given.insert(parameter.to_owned(), value);
    read(given)
}

fn read(given: Map<String, Value>) -> Result<FaultParams> {
    FaultParams::read(given).map_err(|error| match error {
        ReadError::Refused(error) => error.into(),
        other => other.into(),
    })
}

fn text<'a>(dict: &'a Dict, key: &str) -> Option<&'a str> {
    dict.get(key).and_then(FileValue::as_str)
}

fn is_called(dict: &Dict, fault: &str) -> bool {
    match text(dict, "name") {
        Some(name) => name == fault,
        None => text(dict, "type").is_some_and(|kind| {
            matches!((faults::find(kind), faults::find(fault)), (Ok(one), Ok(other)) if one.name == other.name)
        }),
    }
}

fn parameter_of(fault_type: &'static FaultType, written: &str) -> Result<Parameter> {
    let written = written.replace('_', "-");
    let known: Vec<_> = fault_type.parameters.iter().copied().chain(fault_type.common_parameters()).collect();
    known.iter().find(|parameter| parameter.name == written).copied().ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|parameter| parameter.name).collect();
        let meant = did_you_mean(nearest(&written, names.iter().copied()));
        anyhow!("{} has no parameter `{written}`{meant}; it has {}", fault_type.name, names.join(", "))
    })
}
