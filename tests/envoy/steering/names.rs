//! Breakers that a request comes to by the route that was chosen for it.

use services::Mode;
use tests::primary_route;

use super::*;

/// Services that know a request by its route, distinguished by the first segment of the path.
fn services() -> Value {
    let service = |segment: &str, name: &str| {
        let prefix = format!("/{segment}/");
        json!({ "name": name, "match": { "path_prefixes": [prefix] } })
    };
    let matching = |segment: &str, pattern: &str| {
        let mut service = service(segment, segment);
        service["match"]["clusters"] = json!([pattern]);
        service
    };
    json!([
        service("by-cluster", "{cluster}"),
        service("by-both", "{route}-{cluster}"),
        matching("matched", "service"),
        matching("matched-in-part", "serv*"),
    ])
}

/// How many of 20 requests with the header reach each service while its breaker is open.
async fn reach_open_services(removal: bool) -> Result<Vec<u64>> {
    let plugin =
        json!({ "defaults": { "open": { "wait_duration": "5m" } }, "services": services() });
    let setup = Edge::setup(plugin).route(primary_route().name("main"));
    let edge = with_removal(setup, removal)?.start().await?;
    let mut reached = Vec::new();
    for segment in ["by-cluster", "by-both", "matched", "matched-in-part"] {
        let path = format!("/{segment}/charge");
        let service = edge.services.service(segment);
        service.set_mode(Mode::Status(500));
        for _ in 0..3 {
            send(&edge, &path, "").await?;
        }
        assert_eq!(send(&edge, &path, "").await?.status, 503, "{segment}");
        assert_eq!(service.calls(), 3, "{segment}");
        for headers in spellings("fallback").iter().cycle().take(20) {
            send(&edge, &path, headers).await?;
        }
        reached.push(service.calls() - 3);
    }
    Ok(reached)
}

#[tokio::test]
async fn a_client_does_not_get_past_an_open_breaker_known_by_its_route() -> Result<()> {
    assert_eq!(reach_open_services(true).await?, [0; 4]);
    Ok(())
}

/// Unguarded, and counted so: which is why docs/envoy.md asks for it.
#[tokio::test]
async fn without_the_removal_a_client_gets_past_an_open_breaker_known_by_its_route() -> Result<()> {
    assert_eq!(reach_open_services(false).await?, [20; 4]);
    Ok(())
}
