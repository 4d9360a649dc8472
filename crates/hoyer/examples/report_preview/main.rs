//! Writes `report_preview.html` from numbers that are made up, to look at the page's design:
//! `cargo run -p hoyer --example report_preview [FILE]`.

mod synthetic;

use hoyer::report::render;

fn main() -> anyhow::Result<()> {
    let path = std::env::args().nth(1).unwrap_or_else(|| "report_preview.html".into());
    std::fs::write(&path, render(&synthetic::evidence())?)?;
    println!("{path}");
    Ok(())
}
