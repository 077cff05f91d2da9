//! Makes one file of the admin API's page, with all commands, and says in a policy that nothing but
//! its own script and style may run on it.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use breaker::Command;
use lz4::block::{CompressionMode, compress};
use sha2::{Digest, Sha256};

/// As small as it gets: it is packed once, and unpacked whenever somebody looks.
const PACKED: CompressionMode = CompressionMode::HIGHCOMPRESSION(12);

/// What has a button of its own: the others are in a list.
const BUTTONS: [Command; 3] = [Command::ForceOpen, Command::Close, Command::Reset];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=page");
    let read = |name: &str| fs::read_to_string(Path::new("page").join(name));
    let (style, script) = (plain(&read("page.css")?), plain(&read("page.js")?));
    let page = read("page.html")?;
    let options = Command::ALL.into_iter().filter(|it| !BUTTONS.contains(it));
    let page = page
        .replace("/*page.css*/", &style)
        .replace("/*page.js*/", &script)
        .replace("<!--buttons-->", &choices("button", BUTTONS))
        .replace("<!--options-->", &choices("option", options));
    let out = env::var("OUT_DIR")?;
    let packed = compress(page.as_bytes(), Some(PACKED), true)?;
    fs::write(Path::new(&out).join("page.lz4"), packed)?;
    println!(
        "cargo::rustc-env=PAGE_POLICY=default-src 'none'; script-src '{}'; style-src '{}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(&script),
        hash(&style)
    );
    Ok(())
}

/// Without what only people need who read its source.
fn plain(source: &str) -> String {
    let lines = source.lines().map(str::trim_start).filter(|line| !line.starts_with("//"));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// An element for each command: what it is called, and what it leads to.
fn choices(element: &str, commands: impl IntoIterator<Item = Command>) -> String {
    let choice = |command: Command| {
        let (value, [title, consequence]) = (command.name(), command.question());
        format!(
            r#"<{element} value="{value}" data-consequence="{consequence}">{title}</{element}>"#
        )
    };
    commands.into_iter().map(choice).collect()
}

/// As a content security policy names what it allows.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}
