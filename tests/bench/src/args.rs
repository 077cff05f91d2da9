//! The command line.

use std::path::{Path, PathBuf};

use clap::{Parser, ValueEnum};

/// Measures what the breaker costs, and how it does in an outage, against what else there is.
#[derive(Clone, Debug, Parser)]
pub(crate) struct Args {
    /// The parts to measure, all if none is named, and how.
    pub(crate) words: Vec<Word>,
    /// Further builds of the Wasm module, to be compared on the closed path.
    #[arg(long, value_name = "[NAME=]PATH", value_parser = module)]
    pub(crate) module: Vec<Module>,
    /// The CPU for the proxies; the next one is for the client and the upstream.
    #[arg(long)]
    pub(crate) cpu: Option<usize>,
    /// Only sheets whose name holds this.
    #[arg(long, value_name = "TEXT", default_value = "")]
    pub(crate) only: String,
}

/// What may be said of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Word {
    /// CPU per request, throughput and latency of proxies that differ by one filter
    Cpu,
    /// An outage, against Envoy's outlier detection, HAProxy and NGINX
    Outage,
    /// The core, against other crates
    Core,
    /// Start, memory and idle CPU
    Memory,
    /// A short run, which shows that all of it works; its numbers mean little
    Quick,
    /// Leaves alone what was measured before in a run that did not come to its end
    Resume,
    /// Measures nothing: shows what was measured
    Show,
    /// Measures nothing: puts what was measured where it is kept, and its tables into the docs
    Keep,
    /// Fails when a bar is missed
    Check,
}

impl Args {
    /// Whether this was said.
    pub(crate) fn says(&self, word: Word) -> bool {
        self.words.contains(&word)
    }

    /// Whether this part is to be measured.
    pub(crate) fn wants(&self, part: Word) -> bool {
        const PARTS: [Word; 4] = [Word::Cpu, Word::Outage, Word::Core, Word::Memory];
        self.says(part) || !PARTS.iter().any(|part| self.says(*part))
    }
}

/// A module under comparison.
#[derive(Clone, Debug)]
pub(crate) struct Module {
    pub(crate) name: String,
    pub(crate) path: PathBuf,
}

/// Reads `name=path`, or a path whose file gives the name.
fn module(text: &str) -> Result<Module, std::io::Error> {
    let (name, path) = match text.split_once('=') {
        Some((name, path)) => (name.to_owned(), Path::new(path)),
        None => {
            let path = Path::new(text);
            (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path)
        }
    };
    // Envoy runs in another directory.
    Ok(Module { name, path: std::path::absolute(path)? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(line: &str) -> [bool; 4] {
        let args = Args::parse_from(line.split(' '));
        [Word::Cpu, Word::Outage, Word::Core, Word::Memory].map(|part| args.wants(part))
    }

    #[test]
    fn a_run_without_a_part_has_all_of_them() {
        assert_eq!(wanted("bench"), [true; 4]);
        assert_eq!(wanted("bench quick"), [true; 4]);
    }

    #[test]
    fn a_run_has_the_parts_that_are_named() {
        assert_eq!(wanted("bench cpu"), [true, false, false, false]);
        assert_eq!(wanted("bench quick outage memory"), [false, true, false, true]);
    }

    #[test]
    fn a_module_is_named_by_its_file_unless_it_is_told() {
        assert_eq!(module("target/before.wasm").expect("a path").name, "before");
        let named = module("old=/builds/before.wasm").expect("a path");
        assert_eq!((named.name.as_str(), named.path), ("old", "/builds/before.wasm".into()));
    }
}
