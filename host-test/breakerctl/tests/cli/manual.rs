//! `breakerctl man` and `breakerctl completions`.

use std::fs;
use std::process::Command;

use crate::support::run;

#[test]
fn every_command_has_its_page_of_the_manual_with_its_examples() {
    let room = tempfile::tempdir().unwrap();
    let folder = room.path().join("man1");
    let ran = run(&["man", "--to", folder.to_str().unwrap()]);
    assert_eq!(ran.code, Some(0), "{ran:?}");
    let all = run(&["man"]);
    for command in ["check", "metrics-only", "simulate", "demo", "completions"] {
        let name = format!("breakerctl-{command}.1");
        let page = fs::read_to_string(folder.join(&name)).expect(&name);
        assert!(page.contains(".TH") && page.contains("Exit status:"), "{page}");
        assert!(all.stdout.contains(&command.replace('-', "\\-")), "{command}: {all:?}");
    }
}

#[test]
fn a_shell_completes_commands_and_flags() {
    let script = run(&["completions", "bash"]);
    assert_eq!(script.code, Some(0), "{script:?}");
    let completes = |words: &str| {
        let ask = format!(
            "{}\nCOMP_WORDS=({words}); COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))\n\
             _breakerctl breakerctl \"${{COMP_WORDS[COMP_CWORD]}}\" \
             \"${{COMP_WORDS[COMP_CWORD-1]}}\"\necho \"${{COMPREPLY[@]}}\"",
            script.stdout
        );
        let ran = Command::new("bash").args(["-c", &ask]).output().unwrap();
        String::from_utf8(ran.stdout).unwrap()
    };
    assert_eq!(completes("breakerctl sim").trim(), "simulate");
    assert_eq!(completes("breakerctl simulate --tr").trim(), "--trace");
    for shell in ["zsh", "fish"] {
        assert!(run(&["completions", shell]).stdout.contains("simulate"), "{shell}");
    }
    assert_eq!(run(&["completions", "sh"]).code, Some(2));
}
