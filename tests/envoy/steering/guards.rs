//! Filters before the breaker whose rules hang on the route.

use envoy_harness::config::{Route, cluster};
use tests::clusters;
use tests::steering::{RBAC, rbac, rbac_refusing_all};

use super::*;
use crate::upstream::RawUpstream;

/// A filter, the route that it guards and what it has for that, and how it refuses.
struct Guard {
    path: &'static str,
    filter: Value,
    on_route: Value,
    status: u16,
}

fn filter(name: &str, config: Value) -> Value {
    json!({ "name": name, "typed_config": config })
}

fn authorisation() -> Guard {
    Guard {
        path: "/authorisation",
        filter: rbac(),
        on_route: json!({ RBAC: rbac_refusing_all() }),
        status: 403,
    }
}

/// A token that the client does not have.
fn authentication() -> Guard {
    const NAME: &str = "envoy.filters.http.jwt_authn";
    const PACKAGE: &str = "type.googleapis.com/envoy.extensions.filters.http.jwt_authn.v3";
    let keys = json!({ "keys": [{ "kty": "oct", "alg": "HS256", "kid": "a", "k": "c2VjcmV0" }] });
    let provider = json!({ "local_jwks": { "inline_string": keys.to_string() } });
    let config = json!({
        "@type": format!("{PACKAGE}.JwtAuthentication"),
        "providers": { "ours": provider },
        "requirement_map": { "a-token": { "provider_name": "ours" } },
    });
    let needed =
        json!({ "@type": format!("{PACKAGE}.PerRouteConfig"), "requirement_name": "a-token" });
    Guard {
        path: "/authentication",
        filter: filter(NAME, config),
        on_route: json!({ NAME: needed }),
        status: 401,
    }
}

/// One request an hour.
fn rate_limit() -> Guard {
    const NAME: &str = "envoy.filters.http.local_ratelimit";
    let config = |more: Value| {
        let mut config = json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.local_ratelimit.v3.LocalRateLimit",
            "stat_prefix": "limit",
        });
        config.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        config
    };
    let always = json!({ "default_value": { "numerator": 100, "denominator": "HUNDRED" } });
    let limit = config(json!({
        "token_bucket": { "max_tokens": 1, "tokens_per_fill": 1, "fill_interval": "3600s" },
        "filter_enabled": always, "filter_enforced": always,
    }));
    Guard {
        path: "/rate-limit",
        filter: filter(NAME, config(json!({}))),
        on_route: json!({ NAME: limit }),
        status: 429,
    }
}

/// Somebody else is asked, and says no. It sleeps where no route wakes it.
fn external() -> Guard {
    const NAME: &str = "envoy.filters.http.ext_authz";
    let uri = json!({ "uri": "http://authoriser", "cluster": "authoriser", "timeout": "60s" });
    let mut asleep = filter(
        NAME,
        json!({
            "@type": "type.googleapis.com/envoy.extensions.filters.http.ext_authz.v3.ExtAuthz",
            "http_service": { "server_uri": uri },
        }),
    );
    asleep["disabled"] = json!(true);
    let awake =
        json!({ "@type": "type.googleapis.com/envoy.config.route.v3.FilterConfig", "config": {} });
    Guard { path: "/external", filter: asleep, on_route: json!({ NAME: awake }), status: 401 }
}

/// Who comes without a header is refused, by each of them. Of eight that come with one, so many reach the services.
async fn reach_the_guarded(removal: bool) -> Result<Vec<u64>> {
    let authoriser = "HTTP/1.1 401 Unauthorized\r\ncontent-length: 0\r\n\r\n";
    let authoriser = RawUpstream::answering(authoriser).await?;
    let plugin = json!({ "services": [{
        "name": "any", "trip": { "consecutive_failures": 1000 },
        "fallback": { "cluster": clusters::FALLBACK },
    }] });
    let guards = [authorisation(), authentication(), rate_limit(), external()];
    let mut setup = Edge::setup(plugin).cluster(cluster("authoriser", authoriser.address()));
    for Guard { path, filter, on_route, .. } in &guards {
        let route = Route::prefix(path).cluster(clusters::SERVICE).per_filter(on_route.clone());
        setup = setup.earlier_filter(filter.clone()).route(route);
    }
    let edge = with_removal(setup, removal)?.start().await?;
    let mut reached = Vec::new();
    for Guard { path, status, .. } in &guards {
        let service = edge.services.service(path.trim_start_matches('/'));
        service.set_failure_rate(0.0);
        // Where one request is allowed, this is it.
        send(&edge, path, "").await?;
        assert_eq!(send(&edge, path, "").await?.status, *status, "{path}");
        let calls = service.calls();
        for headers in spellings("fallback").iter().chain(&spellings("")) {
            let answer = send(&edge, path, headers).await?;
            let expected = if removal { *status } else { 200 };
            assert_eq!(answer.status, expected, "{path} {headers}: {answer:?}");
        }
        reached.push(service.calls() - calls);
    }
    assert_eq!(edge.services.fallback_calls(), 0);
    Ok(reached)
}

#[tokio::test]
async fn a_client_does_not_get_past_filters_with_rules_by_route() -> Result<()> {
    assert_eq!(reach_the_guarded(true).await?, [0; 4]);
    Ok(())
}

/// Which is why docs/envoy.md asks for it.
#[tokio::test]
async fn without_the_removal_a_client_gets_past_all_filters_with_rules_by_route() -> Result<()> {
    assert_eq!(reach_the_guarded(false).await?, [8; 4]);
    Ok(())
}
