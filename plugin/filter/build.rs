//! Makes one file of the admin API's page, and says in a policy that nothing but its own script and
//! style may run on it.

use std::env;
use std::error::Error;
use std::fs;
use std::path::Path;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use lz4_flex::compress_prepend_size;
use sha2::{Digest, Sha256};

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=page");
    let read = |name: &str| fs::read_to_string(Path::new("page").join(name));
    let (style, script) = (read("page.css")?, read("page.js")?);
    let page = read("page.html")?;
    let page = page.replace("/*page.css*/", &style).replace("/*page.js*/", &script);
    let out = env::var("OUT_DIR")?;
    fs::write(Path::new(&out).join("page.lz4"), compress_prepend_size(page.as_bytes()))?;
    println!(
        "cargo::rustc-env=PAGE_POLICY=default-src 'none'; script-src '{}'; style-src '{}'; \
         connect-src 'self'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        hash(&script),
        hash(&style)
    );
    Ok(())
}

/// As a content security policy names what it allows.
fn hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(Sha256::digest(text)))
}
