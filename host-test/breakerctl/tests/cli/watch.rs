//! `breakerctl watch`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use crate::admin::{Admin, service};
use crate::support::breakerctl;

#[test]
fn each_change_is_a_line_of_json_until_ctrl_c() {
    let admin = Admin::start(vec![service("a", "CLOSED", 0)], None);
    let mut tool = breakerctl();
    tool.args(["watch", "--json", "--interval", "50ms", "--admin", &admin.url()]);
    let mut child = tool.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let mut state = || {
        let line = lines.next().unwrap().unwrap();
        serde_json::from_str::<serde_json::Value>(&line).unwrap()["services"][0]["state"].clone()
    };
    assert_eq!(state(), "CLOSED");
    admin.set(vec![service("a", "OPEN", 3)]);
    assert_eq!(state(), "OPEN");
    admin.set(vec![service("a", "HALF_OPEN", 3)]);
    assert_eq!(state(), "HALF_OPEN");
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_duration_is_written_as_in_a_configuration() {
    for text in ["5min", "1 s", "1s1m", "5"] {
        let refused = breakerctl().args(["watch", "--interval", text]).output().unwrap();
        assert_eq!(refused.status.code(), Some(2), "{text}");
        let said = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert!(said.contains("such as 250ms, 30s or 1m30s"), "{text}: {said}");
    }
}

#[test]
fn a_terminal_says_in_words_what_is_wrong_and_says_it_first() {
    let admin = Admin::start(vec![service("a", "CLOSED", 0), service("b", "OPEN", 3)], None);
    let tool = breakerctl();
    let watch = format!(
        "{} watch --interval 50ms --admin {}",
        tool.get_program().to_str().unwrap(),
        admin.url()
    );
    // It makes a terminal.
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &watch, "/dev/null"]);
    terminal.env("TERM", "xterm").env("NO_COLOR", "1").stdin(Stdio::piped());
    let mut child = terminal.stdout(Stdio::piped()).spawn().unwrap();
    let shown = BufReader::new(child.stdout.take().unwrap()).lines();
    let shown: Vec<_> = shown.map_while(Result::ok).take(9).collect();
    // With the terminal, what runs on it ends.
    child.kill().unwrap();
    child.wait().unwrap();
    let shown = shown.join("\n");
    let at = |text: &str| shown.find(text).unwrap_or_else(|| panic!("{text}: {shown}"));
    at("2 breakers  1 open  1 closed");
    assert!(at("b  open") < at("a  closed"), "{shown}");
    at("3 calls in a row failed, the last at 03:04:05 UTC. Open for ");
    at("Next attempt now.");
}
