//! The rules of the product's core, to be asked natively and in virtual time about calls that are
//! made up or were logged: what is let pass is told here, and a rule is told what became of it.

mod adaptive;
mod configured;
mod filtered;
mod fixed;
mod rule;
mod under_way;
mod watched;

pub use adaptive::AdaptiveRule;
pub use breaker::AdaptiveReport;
pub use configured::configured;
pub use filtered::FilteredRule;
pub use fixed::FixedRule;
pub use rule::{Ended, MS, Rule, SEC};
pub use under_way::UnderWay;
pub use watched::Watched;
