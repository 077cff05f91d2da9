//! What is drawn on a terminal: as on the admin page, what is wrong comes first, and says in words what it is.

use std::io::{self, Write};

use super::openings::Openings;
use super::story;
use crate::admin::{Service, Services};
use crate::output::BETWEEN;
use crate::table::style_of;

/// States, the worst first.
const RANK: [&str; 6] = ["OPEN", "FORCED_OPEN", "HALF_OPEN", "METRICS_ONLY", "DISABLED", "CLOSED"];

/// Writes how many are in which state, and then each of them.
pub(super) fn write(
    out: &mut impl Write,
    services: &Services,
    openings: &Openings,
) -> io::Result<()> {
    let now = services.now.as_deref().and_then(story::time);
    let now = now.unwrap_or_else(|| {
        let wall = std::time::SystemTime::now();
        wall.duration_since(std::time::UNIX_EPOCH).unwrap_or_default()
    });
    let mut all: Vec<&Service> = services.services.iter().collect();
    all.sort_by_key(|service| (rank(service), &service.service_name));
    let plural = if all.len() == 1 { "" } else { "s" };
    write!(out, "{} breaker{plural}", all.len())?;
    for (index, state) in RANK.iter().enumerate() {
        let count = all.iter().filter(|service| rank(service) == index).count();
        if count > 0 {
            let (style, state) = (style_of(state), words(state));
            write!(out, "  {style}{count} {state}{style:#}")?;
        }
    }
    writeln!(out, "\n")?;
    if let Some(note) = &services.note {
        writeln!(out, "{BETWEEN}none{BETWEEN:#}: {note}")?;
    }
    let width = all.iter().map(|it| it.service_name.chars().count()).max().unwrap_or_default();
    for service in all {
        let (name, state) = (&service.service_name, &service.state);
        let style = style_of(state);
        writeln!(out, "{name:<width$}  {style}{}{style:#}", words(state))?;
        let told = story::tell(service, openings.of(service), now);
        if !told.is_empty() {
            writeln!(out, "  {told}")?;
        }
    }
    Ok(())
}

/// What is of a state that is not known here comes with the worst.
fn rank(service: &Service) -> usize {
    RANK.iter().position(|state| service.state == **state).unwrap_or_default()
}

fn words(state: &str) -> String {
    state.to_lowercase().replace('_', " ")
}
