//! The command line tool as it is handed out: one file, in a folder with nothing in it.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

static TOOL: LazyLock<PathBuf> = LazyLock::new(|| artifacts::tool::build().expect("the tool"));

const CONFIG: &str =
    r#"{ "services": [{ "name": "payment", "match": { "path_prefixes": ["/"] } }] }"#;

/// A folder for one run. The tool runs in one below it, which is empty, and of the caller's environment it
/// has nothing: no search path, no home.
struct Room(tempfile::TempDir);

impl Room {
    fn new() -> Self {
        let room = tempfile::tempdir().expect("a folder");
        fs::create_dir(room.path().join("empty")).expect("a folder");
        Self(room)
    }

    /// Puts a file beside the empty folder.
    fn file(&self, name: &str, text: &str) -> String {
        fs::write(self.0.path().join(name), text).expect("a file");
        format!("../{name}")
    }

    fn tool(&self, args: &[&str]) -> Command {
        let mut tool = Command::new(&*TOOL);
        tool.args(args).current_dir(self.0.path().join("empty")).env_clear();
        tool
    }

    fn run(&self, args: &[&str]) -> (Option<i32>, String) {
        let ran = self.tool(args).output().expect("it starts");
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (ran.status.code(), text(&ran.stdout) + &text(&ran.stderr))
    }
}

/// A log of a minute's calls, ten a second, of which those of ten seconds fail.
fn log() -> String {
    let call = |number: u32| {
        let status = if (200..300).contains(&number) { 503 } else { 200 };
        format!("{}.{},20,{status}\n", number / 10, number % 10)
    };
    (0..600).map(call).fold("time,duration,status\n".to_owned(), |log, call| log + &call)
}

#[test]
#[ignore = "make test-deep: builds what is released"]
fn the_released_tool_checks_simulates_and_advises_in_an_empty_folder() {
    let room = Room::new();
    let config = room.file("breaker.json", CONFIG);
    let log = room.file("calls.csv", &log());
    let (code, said) = room.run(&["check", &config]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = room.run(&["check", &room.file("wrong.json", r#"{ "services": 1 }"#)]);
    assert_eq!(code, Some(1), "the module has the word: {said}");
    let (code, said) = room.run(&["simulate", "--config", &config, "--trace", &log]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("CLOSED -> OPEN"), "{said}");
    let (code, said) = room.run(&["advise", "--trace", &log]);
    assert_eq!(code, Some(0), "{said}");
    let (code, said) = room.run(&["schema"]);
    assert!(code == Some(0) && said.contains("$schema"), "{said}");
}

#[test]
#[ignore = "make test-deep: builds what is released"]
fn the_released_tool_shows_the_four_scenarios_in_an_empty_folder() {
    let (code, said) = Room::new().run(&["demo", "--exit"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("All 4 scenarios went as the recipe says."), "{said}");
}

#[test]
#[ignore = "make test-deep: builds what is released"]
fn the_released_tool_serves_in_an_empty_folder() {
    let room = Room::new();
    let config = room.file("breaker.json", CONFIG);
    let serve = ["serve", "--json", "--config", &config, "--cluster", "payment=127.0.0.1:9"];
    let mut tool = room.tool(&[&serve[..], &["--listen", "127.0.0.1:0"]].concat());
    let mut child = tool.stdout(Stdio::piped()).spawn().expect("it starts");
    let mut line = String::new();
    let told = BufReader::new(child.stdout.take().expect("its output")).read_line(&mut line);
    let stopped = Command::new("kill").arg(child.id().to_string()).status();
    let status = child.wait().expect("it ends");
    assert!(told.is_ok() && stopped.is_ok_and(|it| it.success()));
    let told: Value = serde_json::from_str(&line).expect("where it listens");
    assert!(told["listen"].as_str().is_some_and(|it| it.starts_with("127.0.0.1:")), "{told}");
    assert_eq!(status.code(), Some(0), "after a signal it ends in peace");
}

#[test]
#[ignore = "make test-deep: builds what is released"]
fn the_released_tool_is_static_and_has_its_manual_and_completions_beside_it() {
    let tool = fs::read(&*TOOL).expect("the tool");
    let interpreter = b"/ld-";
    assert!(!tool[..4096].windows(interpreter.len()).any(|bytes| bytes == interpreter));
    let place = TOOL.parent().map(Path::to_owned).expect("a folder");
    for file in ["man/breakerctl.1", "man/breakerctl-demo.1", "completions/_breakerctl"] {
        assert!(place.join(file).is_file(), "{file}");
    }
}
