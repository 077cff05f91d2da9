//! A service fails three times; the fourth call does not reach it.

use std::path::Path;

use anyhow::{Result, anyhow};
use host_test_component::types::{Ending, Origin, RequestHead, RequestVerdict, ResponseHead};
use host_test_component::{Artefact, Guard, Shared, field};

const CONFIG: &str = r#"{
    "services": [
        { "name": "payment-service", "fallback": { "cluster": "payment-fallback" } }
    ]
}"#;

/// Makes four calls, and tells where each of them went.
pub(crate) fn run(component: &Path) -> Result<Vec<String>> {
    let artefact = Artefact::load(component)?;
    let mut guard = Guard::new(&artefact, &Shared::new())?;
    guard.configure(CONFIG)?.map_err(|error| anyhow!(error.message))?;

    let request = RequestHead {
        fields: vec![field(":method", "GET"), field(":authority", "pay"), field(":path", "/")],
        cluster: None,
        route: None,
        end_of_stream: true,
    };
    // What the service answers, each time.
    let answer = ResponseHead {
        status: 503,
        fields: vec![],
        origin: Origin::Service,
        cluster: None,
        end_of_stream: true,
    };
    let mut went = Vec::new();
    for _ in 0..4 {
        let admission = guard.request(&request)?;
        went.push(match admission.verdict {
            RequestVerdict::Pass => "to the service".to_owned(),
            RequestVerdict::Divert(diversion) => format!("to {}", diversion.cluster),
            RequestVerdict::Reply(reply) => format!("nowhere: answered with {}", reply.status),
        });
        if let Some(call) = admission.call {
            guard.respond(call, &answer)?;
            guard.finish(call, &Ending { origin: Origin::Service, trailers: vec![] })?;
        }
    }
    Ok(went)
}

fn main() -> Result<()> {
    for line in run(Path::new("target/wasm/edge_breaker_component.wasm"))? {
        println!("{line}");
    }
    Ok(())
}
