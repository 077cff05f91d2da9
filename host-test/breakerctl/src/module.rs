//! The module that is asked: where it is found, and what it says of a configuration.

use std::borrow::Cow;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use host_test_proxy_wasm::{Cache, Module, Options, Origin, Plugin, Process, StartError, Worker};
use serde::Serialize;

use crate::document::Position;

/// The module that was built with the tool, for who names none.
#[cfg(module_inside)]
const INSIDE: Option<&[u8]> = Some(include_bytes!(concat!(env!("OUT_DIR"), "/edge_breaker.wasm")));
#[cfg(not(module_inside))]
const INSIDE: Option<&[u8]> = None;

/// Where it is looked for by a tool that was built for debugging.
const BESIDE: &str = "target/wasm/edge_breaker.wasm";

/// What the module's log says before the reason of a refusal.
const REFUSED: &str = "configuration refused: ";
/// And before a warning.
const WARNED: &str = "event=doubtful_configuration path=";

/// Which module is run.
#[derive(Debug, clap::Args)]
pub(crate) struct ModuleArgs {
    /// The module to run instead of the one inside: the very file that the proxy loads
    #[arg(long, value_name = "PATH", env = "EDGE_BREAKER_WASM")]
    module: Option<PathBuf>,
    /// Compile the module, even if this was done before: what comes of it is kept in
    /// $XDG_CACHE_HOME/edge-breaker, else in ~/.cache/edge-breaker
    #[arg(long)]
    no_cache: bool,
}

/// A module that is ready to run.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) module: Module,
    pub(crate) origin: Origin,
}

/// What the module says of a configuration.
#[derive(Debug, Default)]
pub(crate) struct Judgement {
    pub(crate) refusal: Option<Remark>,
    /// What is valid, and hardly meant.
    pub(crate) warnings: Vec<Remark>,
}

/// What the module says of a value: why it refuses or warns of it, in its own words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Remark {
    /// Where in the configuration, such as `services[0].open.wait_duration`.
    pub(crate) path: String,
    /// What stands there, as JSON, if the module quotes it.
    pub(crate) value: Option<serde_json::Value>,
    /// What would be right.
    pub(crate) remedy: String,
}

impl ModuleArgs {
    /// Reads and compiles the module, unless this was done before.
    ///
    /// # Errors
    ///
    /// If there is none, or it is none.
    pub(crate) fn load(&self) -> anyhow::Result<Loaded> {
        let (name, bytes) = self.read()?;
        let options = Options { metered: false, ..Options::default() };
        let cache = Cache::of_user("edge-breaker").filter(|_| !self.no_cache);
        let loaded = match cache {
            Some(cache) => cache.load(&bytes, &options),
            None => Module::new(&bytes, &options).map(|module| (module, Origin::Compiled)),
        };
        let (module, origin) = loaded.with_context(|| format!("loading {name}"))?;
        Ok(Loaded { module, origin })
    }

    /// What it is called, and its bytes.
    fn read(&self) -> anyhow::Result<(String, Cow<'static, [u8]>)> {
        let path = match (&self.module, INSIDE) {
            (None, Some(inside)) => return Ok(("the module inside".to_owned(), inside.into())),
            (None, None) => Path::new(BESIDE),
            (Some(path), _) => path,
        };
        let name = path.display().to_string();
        let bytes = std::fs::read(path).with_context(|| {
            format!(
                "reading the module {name}: build it with `make wasm`, or name it with --module \
                 or $EDGE_BREAKER_WASM"
            )
        })?;
        Ok((name, bytes.into()))
    }
}

impl Loaded {
    /// What the module has against a configuration, if it has something.
    ///
    /// # Errors
    ///
    /// If it does not get as far as having an opinion.
    pub(crate) fn refusal(&self, configuration: &[u8]) -> anyhow::Result<Option<Remark>> {
        Ok(self.judge(configuration)?.refusal)
    }

    /// What the module has to say of a configuration.
    ///
    /// # Errors
    ///
    /// If it does not get as far as having an opinion.
    pub(crate) fn judge(&self, configuration: &[u8]) -> anyhow::Result<Judgement> {
        let process = Process::new();
        let started = Worker::canary(&process, &self.module, Plugin::default(), configuration);
        let log = process.take_log();
        let mut messages = log.iter().map(|line| line.message.as_str());
        match started {
            Ok(()) => {
                let warnings = messages.filter_map(Remark::parse_warning).collect();
                Ok(Judgement { refusal: None, warnings })
            }
            Err(StartError::ConfigurationRefused) => {
                let reason = messages.find_map(|message| message.split_once(REFUSED));
                let reason = reason.map(|(_, reason)| Remark::parse(reason));
                let reason = reason.context("the module refused, and did not log why")?;
                Ok(Judgement { refusal: Some(reason), warnings: Vec::new() })
            }
            Err(error) => Err(error.into()),
        }
    }
}

impl Remark {
    /// Takes `path: value: remedy` apart. Messages of the JSON reader have no value of their own.
    fn parse(reason: &str) -> Self {
        let (path, problem) = reason.split_once(": ").unwrap_or(("configuration", reason));
        let mut values = serde_json::Deserializer::from_str(problem).into_iter();
        let quoted = match values.next() {
            Some(Ok(value)) => {
                let rest = problem.get(values.byte_offset()..).unwrap_or_default();
                rest.strip_prefix(": ").map(|remedy| (value, remedy))
            }
            _ => None,
        };
        let (value, remedy) = match quoted {
            Some((value, remedy)) => (Some(value), remedy),
            None => (None, problem),
        };
        Self { path: path.to_owned(), value, remedy: remedy.to_owned() }
    }

    /// Takes a line of the log apart, if it is a warning.
    fn parse_warning(line: &str) -> Option<Self> {
        let (_, warning) = line.split_once(WARNED)?;
        let (path, rest) = warning.split_once(" value=")?;
        let (value, remedy) = rest.split_once(" remedy=")?;
        let remedy = serde_json::from_str(remedy).ok()?;
        Some(Self { path: path.to_owned(), value: serde_json::from_str(value).ok(), remedy })
    }

    /// Takes the JSON reader's position out of its message.
    pub(crate) fn take_position(&mut self) -> Option<Position> {
        let (message, position) = self.remedy.rsplit_once(" at line ")?;
        let (line, column) = position.split_once(" column ")?;
        let position = Position { line: line.parse().ok()?, column: column.parse().ok()? };
        self.remedy = message.to_owned();
        Some(position)
    }
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => write!(f, "{}: {value}: {}", self.path, self.remedy),
            None => write!(f, "{}: {}", self.path, self.remedy),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_falls_into_path_value_and_remedy() {
        let reason = "services[0].name: \"a: b\": take letters: few";
        let refusal = Remark::parse(reason);
        assert_eq!(refusal.path, "services[0].name");
        assert_eq!(refusal.value, Some("a: b".into()));
        assert_eq!(refusal.remedy, "take letters: few");
        assert_eq!(refusal.to_string(), reason);
    }

    #[test]
    fn a_warning_falls_into_path_value_and_remedy() {
        let line = r#"edge-breaker event=doubtful_configuration path=a.b value=0.5 remedy="that is \"low\"""#;
        let warning = Remark::parse_warning(line).unwrap();
        assert_eq!((warning.path.as_str(), warning.value), ("a.b", Some(0.5.into())));
        assert_eq!(warning.remedy, "that is \"low\"");
        assert_eq!(Remark::parse_warning("edge-breaker event=steered path=a value=1"), None);
    }

    #[test]
    fn a_reason_of_the_json_reader_has_a_position_instead_of_a_value() {
        let mut refusal = Remark::parse("services: EOF while parsing at line 3 column 7");
        assert_eq!(refusal.take_position(), Some(Position { line: 3, column: 7 }));
        assert_eq!((refusal.value, refusal.remedy), (None, "EOF while parsing".to_owned()));
    }
}
