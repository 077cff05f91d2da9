//! Builds the dynamic module as it is handed out, for this machine or the architectures that are
//! named (`all`: each), and says where it is and how large: `make native`.

use std::env;

use anyhow::Result;
use artifacts::portable;

fn main() -> Result<()> {
    let named: Vec<String> = env::args().skip(1).collect();
    let mut wanted: Vec<&str> = named.iter().map(String::as_str).collect();
    match wanted.as_slice() {
        [] => wanted = vec![env::consts::ARCH],
        ["all"] => wanted = portable::ARCHITECTURES.to_vec(),
        _ => {}
    }
    for architecture in wanted {
        let path = portable::build(architecture)?;
        println!("{:>9} {}", std::fs::metadata(&path)?.len(), path.display());
    }
    Ok(())
}
