//! Makes one file of the admin API's page, with all commands, and says in a policy that nothing but
//! its own script and style may run on it.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use breaker::Command;
use sha2::{Digest, Sha256};

/// The pieces of its script, in the order in which they use each other.
const SCRIPTS: [&str; 8] = ["api", "seen", "words", "chart", "list", "events", "one", "page"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=page");
    let read = |name: &str| fs::read_to_string(Path::new("page").join(name));
    let style = tight(&plain(&read("page.css")?));
    // Where the docs are, if whoever builds it says so: what to do is linked to then.
    println!("cargo::rerun-if-env-changed=DOCS_URL");
    let docs = env::var("DOCS_URL").unwrap_or_default();
    let mut script = format!("\"use strict\";\nconst DOCS = {docs:?};\n");
    for name in SCRIPTS {
        script.push_str(&plain(&read(&format!("script/{name}.js"))?));
    }
    let page = read("page.html")?
        .replace("/*page.css*/", &style)
        .replace("/*script*/", &script)
        .replace("<!--chart-->", read("chart.html")?.trim_end())
        .replace("<!--commands-->", &Command::ALL.map(button).concat());
    let out = env::var("OUT_DIR")?;
    // As small as it gets: it is packed once, and unpacked whenever somebody looks.
    let mut packed = Vec::new();
    zopfli::compress(
        zopfli::Options::default(),
        zopfli::Format::Deflate,
        page.as_bytes(),
        &mut packed,
    )?;
    fs::write(Path::new(&out).join("page.deflate"), packed)?;
    println!(
        "cargo::rustc-env=PAGE_POLICY=default-src 'none'; script-src '{}'; style-src '{}'; \
         img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; connect-src 'self'",
        hash(&script),
        hash(&style)
    );
    Ok(())
}

/// Without what only people need who read its source.
fn plain(source: &str) -> String {
    let is_comment =
        |line: &&str| line.starts_with("//") || line.starts_with("/*") && line.ends_with("*/");
    let lines = source.lines().map(str::trim_start).filter(|line| !is_comment(line));
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// A style without the spaces that mean nothing.
fn tight(style: &str) -> String {
    let pairs =
        [(": ", ":"), ("; ", ";"), (", ", ","), (" {", "{"), ("{ ", "{"), (" }", "}"), (";}", "}")];
    let joined = style.replace('\n', " ");
    pairs.iter().fold(joined, |style, (from, to)| style.replace(from, to))
}

/// What gives a command, and what that leads to.
fn button(command: Command) -> String {
    let (value, [title, consequence]) = (command.name(), command.question());
    format!(
        r#"<li><button value="{value}" data-consequence="{consequence}">{title}</button><span>{consequence}</span></li>"#
    )
}

/// As a content security policy names what it allows.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}
