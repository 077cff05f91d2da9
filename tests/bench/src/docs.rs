//! The tables of docs/performance.md, which are made of what is kept in `docs/bench`.
//!
//! A table stands between `<!-- bench: its sheet's name -->` and `<!-- end of bench -->`.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result};
use envoy_harness::repo_root;
use serde_json::Value;

use crate::results::{Measured, Results};

const END: &str = "<!-- end of bench -->";

/// Keeps what was measured, without every single measurement, and writes its tables.
pub(crate) fn keep(measured: &Results) -> Result<()> {
    let (kept, page) = (kept(), page());
    let mut text = fs::read_to_string(&page).with_context(|| page.display().to_string())?;
    for one in measured.there(crate::sheets())? {
        let one = Measured { raw: Value::Null, ..one };
        kept.write(&one)?;
        match replaced(&text, &one) {
            Some(with) => text = with,
            None => eprintln!("{}: no place for {}", page.display(), one.sheet.name),
        }
    }
    fs::write(&page, text).with_context(|| page.display().to_string())
}

fn kept() -> Results {
    Results::in_folder(repo_root().join("docs/bench"), false)
}

fn page() -> PathBuf {
    repo_root().join("docs/performance.md")
}

/// The page with this table in its place; `None`: it has no place for it.
fn replaced(page: &str, measured: &Measured) -> Option<String> {
    let begin = format!("<!-- bench: {} -->\n", measured.sheet.name);
    let (before, rest) = page.split_once(&begin)?;
    let (_, after) = rest.split_once(END)?;
    Some(format!("{before}{begin}{}{END}{after}", shown(measured)))
}

fn shown(Measured { machine, sheet, .. }: &Measured) -> String {
    let picture = sheet.plotted.as_ref();
    let picture = picture.map(|_| format!("\n![{}](bench/{}.svg)\n", sheet.title, sheet.name));
    format!("{machine}\n\n{sheet}{}", picture.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Machine;
    use crate::sheet::Sheet;
    use crate::statistics::Estimate;

    fn measured() -> Measured {
        let mut sheet = Sheet::new("cost", "what it costs").column("all", 0);
        sheet.row("ours", vec![Some(Estimate::exact(7.0))]);
        let machine = Machine {
            envoy: "1.40.0".to_owned(),
            processor: "a processor".to_owned(),
            processors: 2,
            load: 0.5,
            commit: "abc".to_owned(),
            at: "now".to_owned(),
        };
        Measured { machine, sheet, raw: Value::Null }
    }

    #[test]
    fn a_table_takes_the_place_of_the_former_one() {
        let page = "Before.\n<!-- bench: cost -->\nold\n<!-- end of bench -->\nAfter.\n";
        let with = replaced(page, &measured()).expect("a place");
        assert!(with.starts_with("Before.\n<!-- bench: cost -->\nEnvoy 1.40.0, "), "{with}");
        assert!(with.contains("| ours | 7 |\n"), "{with}");
        assert!(with.ends_with("\n<!-- end of bench -->\nAfter.\n"), "{with}");
        assert!(!with.contains("old"), "{with}");
        assert_eq!(replaced(&with, &measured()), Some(with));
    }

    #[test]
    fn a_page_without_a_place_is_left_alone() {
        assert_eq!(replaced("Before.\n", &measured()), None);
    }

    #[test]
    fn the_page_has_a_place_for_each_table() {
        let page = fs::read_to_string(page()).expect("the page");
        for name in crate::sheets() {
            let mut one = measured();
            one.sheet.name = name.to_owned();
            assert!(replaced(&page, &one).is_some(), "no <!-- bench: {name} -->");
        }
    }

    #[test]
    fn each_table_of_the_page_is_what_is_kept() {
        let page = fs::read_to_string(page()).expect("the page");
        for one in kept().there(crate::sheets()).expect("what is kept") {
            let with = replaced(&page, &one);
            assert!(
                with.is_some_and(|with| with == page),
                "`make bench BENCH=keep` writes {}",
                one.sheet.name
            );
        }
    }
}
