//! The life of one request: admitted or diverted, judged by its answer and settled once.
//!
//! An admitted call is settled when the answer's head shows that it failed, or else when all of the
//! answer has come, or its stream has ended without. Settling takes the permit out of the exchange,
//! so that there is no second time.

mod call;
mod completion;
mod diversion;
mod diverted;
mod judgement;
mod on_request;
mod on_response;
mod replay;
mod rerun;
mod settlement;
mod state;
mod verdict;

pub use self::on_response::Piece;
pub use self::replay::FallbackAnswer;
pub use self::rerun::Rerun;
pub use self::state::Exchange;
pub use self::verdict::{FallbackVerdict, RequestAction, RequestVerdict, ResponseVerdict};
