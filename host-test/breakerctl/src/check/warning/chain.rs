//! The filters around the breaker: what keeps calls, or their failures, from it.

use super::Warning;
use crate::check::envoy::Manager;

const ROUTER: &str = "filters.http.router.v3.Router";
const DYNAMIC_FORWARD_PROXY: &str = "filters.http.dynamic_forward_proxy.v3.FilterConfig";
/// What has to stand before the breaker, and what it does behind it: docs/envoy.md, "Among other filters".
const EARLIER: [(&str, &str); 5] = [
    (
        "filters.http.custom_response.v3.CustomResponse",
        "custom_response puts answers of its own in the place of failures, which it does not see then",
    ),
    (
        "filters.http.cache.v3.CacheConfig",
        "the cache answers for the service, and is not asked while it is open",
    ),
    (
        "filters.http.cache_v2.v3.CacheV2Config",
        "the cache answers for the service, and is not asked while it is open",
    ),
    ("filters.http.grpc_web.v3.GrpcWeb", "grpc_web hides the status of calls from it"),
    (
        "filters.http.cors.v3.Cors",
        "cors answers preflights that are calls for it: a good one ends a run of failures",
    ),
];

pub(super) fn find(manager: &Manager<'_>) -> Vec<Warning> {
    let mut warnings = Vec::new();
    let mut add = |position: usize, what: String, remedy: &str| {
        let at = manager.filters.get(position).map_or(manager.node.at, |filter| filter.at);
        warnings.push(Warning::new(&manager.place, at, what, remedy));
    };
    let breaker = manager.breaker;
    if manager.position(ROUTER).is_some_and(|router| router < breaker) {
        let what = "the filter stands behind the router, so no call comes to it";
        add(
            breaker,
            what.to_owned(),
            "put it before envoy.filters.http.router, which is the last one",
        );
    }
    if manager.position(DYNAMIC_FORWARD_PROXY).is_some_and(|proxy| proxy < breaker) {
        let what = "the filter stands behind dynamic_forward_proxy, which answers by itself for a host \
                    that cannot be found: such failures do not come to it";
        add(breaker, what.to_owned(), "put it before envoy.filters.http.dynamic_forward_proxy");
    }
    for (kind, how) in EARLIER {
        if let Some(other) = manager.position(kind).filter(|other| *other > breaker) {
            let what = format!("behind the breaker, {how}");
            add(other, what, "put the breaker behind it, right before the router");
        }
    }
    warnings
}
