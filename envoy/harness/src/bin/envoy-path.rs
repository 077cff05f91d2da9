//! Prints the path of the Envoy that demo, tests and benchmarks use, and installs it if need be.

fn main() -> anyhow::Result<()> {
    println!("{}", envoy_harness::locate()?.display());
    Ok(())
}
