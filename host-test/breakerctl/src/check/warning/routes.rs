//! The routes that take diverted calls to their fallback: whether there is one, and whether it comes first.

use super::Warning;
use super::client_headers::mentions;
use crate::check::envoy::Manager;
use crate::check::finding::{self, Finding, Found, Home};
use crate::check::services::{self, Service};
use crate::document::{Node, Position};

/// Which paths a route takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Paths<'n> {
    Prefix(&'n str),
    Exact(&'n str),
    /// By a pattern, of which nothing is known here.
    Other,
}

/// A route, in one of its matches.
#[derive(Clone, Copy, Debug)]
struct Route<'n> {
    at: Position,
    paths: Paths<'n>,
    /// Whether it is for diverted calls.
    diverted: bool,
    /// Whether it leads to a service.
    forwards: bool,
    /// The cluster of that, if it is known.
    cluster: Option<&'n str>,
}

/// Which of two routes has a request that both match.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    /// The one that is written first.
    Written,
    /// The one with the longer path, and of two equal ones that with more conditions.
    Precise,
}

/// What is wrong with the route that a call could take.
enum Wrong {
    Missing(Position),
    Behind { diverted: Position, other: Position },
}

/// The virtual hosts of a listener.
pub(super) fn of_envoy<'n>(manager: &Manager<'n>, document: &'n Node) -> Vec<Warning> {
    let hosts = manager.routes(document).map(|routes| routes.items("virtual_hosts"));
    let of_host = |host: &'n Node| {
        let domains: Vec<_> = host.items("domains").iter().filter_map(Node::text).collect();
        let routes: Vec<_> = host.items("routes").iter().map(of_match).collect();
        let wrong = find(&guarded(&manager.services, &domains), &routes, Order::Written);
        let name = host.text_at("name").unwrap_or("without a name");
        let remedy =
            "put the route for x-circuit-breaker-cluster first of all: docs/envoy.md, step 4";
        Some(warning(format!("{}, virtual host {name}", manager.place), host.at, wrong?, remedy))
    };
    hosts.into_iter().flatten().filter_map(of_host).collect()
}

/// A route of Envoy.
fn of_match(route: &Node) -> Route<'_> {
    let wanted = route.get("match");
    let text = |key| wanted.and_then(|wanted| wanted.text_at(key));
    let paths = match (text("prefix").or_else(|| text("path_separated_prefix")), text("path")) {
        (Some(prefix), _) => Paths::Prefix(prefix),
        (None, Some(path)) => Paths::Exact(path),
        (None, None) => Paths::Other,
    };
    let headers = wanted.map(|wanted| wanted.items("headers")).unwrap_or_default();
    let own = headers.iter().find(|header| mentions(header).is_some());
    let is_absence = own.is_some_and(|header| {
        header.text_at("invert_match") == Some("true")
            || header.text_at("present_match") == Some("false")
    });
    let target = route.get("route").filter(|_| !is_absence);
    Route {
        at: route.at,
        paths,
        diverted: own.is_some() && !is_absence,
        forwards: target.is_some(),
        cluster: target.and_then(|target| target.text_at("cluster")),
    }
}

/// The routes of Istio and of Envoy Gateway that are in the file with the plugin.
pub(super) fn of_kubernetes(found: &Found) -> Vec<Warning> {
    let mut objects = Vec::new();
    found.documents.iter().for_each(|document| collect(document, &mut objects));
    let of_kind = |wanted: &'static str| objects.iter().filter(move |(kind, _)| *kind == wanted);
    let mut warnings = Vec::new();
    for plugin in &found.plugins {
        let services = services::of(&plugin.config());
        match &plugin.home {
            Home::Istio => {
                let routes = of_kind("VirtualService").map(|(_, object)| *object);
                warnings.extend(of_istio(plugin, &services, &routes.collect::<Vec<_>>()));
            }
            Home::Gateway { targets } => {
                let is_target = |object: &Node| {
                    let name = object.get("metadata").and_then(|it| it.text_at("name"));
                    targets.iter().any(|(kind, target)| match kind.as_str() {
                        "HTTPRoute" => Some(target.as_str()) == name,
                        kind => kind == "Gateway",
                    })
                };
                let routes = of_kind("HTTPRoute").map(|(_, object)| *object);
                let routes = routes.filter(|object| is_target(object));
                warnings.extend(routes.filter_map(|object| of_http_route(&services, object)));
            }
            Home::Unknown | Home::Envoy { .. } | Home::Higress { .. } => {}
        }
    }
    warnings
}

fn collect<'n>(node: &'n Node, objects: &mut Vec<(&'n str, &'n Node)>) {
    if let Some(kind @ ("VirtualService" | "HTTPRoute")) = node.text_at("kind") {
        objects.push((kind, node));
    }
    node.values().for_each(|node| collect(node, objects));
}

/// The `VirtualService`s that calls of the plugin's services take; where it does not say which hosts these
/// have, any of them may have the route.
fn of_istio(plugin: &Finding, services: &[Service], objects: &[&Node]) -> Vec<Warning> {
    let remedy =
        "put a route for x-circuit-breaker-cluster first, as envoy/istio/gateway.yaml does";
    let spec = |object: &&Node| object.get("spec").is_some_and(|spec| mentions(spec).is_some());
    let is_any = objects.iter().any(spec);
    let of_object = |object: &&Node| {
        let spec = object.get("spec")?;
        let hosts: Vec<_> = spec.items("hosts").iter().filter_map(Node::text).collect();
        let is_meant = |service: &&Service| service.has_hosts() || mentions(spec).is_some();
        let guarded: Vec<_> =
            guarded(services, &hosts).into_iter().filter(|it| is_meant(it)).collect();
        let routes: Vec<_> = spec.items("http").iter().flat_map(of_http).collect();
        let wrong = find(&guarded, &routes, Order::Written)?;
        Some(warning(finding::place("VirtualService", object), object.at, wrong, remedy))
    };
    let mut warnings: Vec<_> = objects.iter().filter_map(of_object).collect();
    let diverts = services.iter().find(|service| service.fallback.is_some());
    if warnings.is_empty()
        && !is_any
        && !objects.is_empty()
        && let Some(service) = diverts
    {
        let what = format!(
            "no VirtualService of this file has a route for diverted calls of {}",
            service.name
        );
        warnings.push(Warning::new(&plugin.place, plugin.text.at(), what, remedy));
    }
    warnings
}

/// The routes that an entry of a `VirtualService` makes: one for each of its matches.
fn of_http<'n>(entry: &'n Node) -> Vec<Route<'n>> {
    let forwards = entry.get("route").is_some();
    let route = |paths, diverted| Route { at: entry.at, paths, diverted, forwards, cluster: None };
    let matches = entry.items("match");
    if matches.is_empty() {
        return vec![route(Paths::Prefix(""), false)];
    }
    let of_match = |wanted: &'n Node| {
        let paths = match wanted.get("uri") {
            None => Paths::Prefix(""),
            Some(uri) => match (uri.text_at("prefix"), uri.text_at("exact")) {
                (Some(prefix), _) => Paths::Prefix(prefix),
                (None, Some(path)) => Paths::Exact(path),
                (None, None) => Paths::Other,
            },
        };
        route(paths, wanted.get("headers").is_some_and(|it| mentions(it).is_some()))
    };
    matches.iter().map(of_match).collect()
}

fn of_http_route(services: &[Service], object: &Node) -> Option<Warning> {
    let spec = object.get("spec")?;
    let hosts: Vec<_> = spec.items("hostnames").iter().filter_map(Node::text).collect();
    let mut routes = Vec::new();
    for rule in spec.items("rules") {
        let forwards = !rule.items("backendRefs").is_empty();
        let mut add = |paths, diverted| {
            routes.push(Route { at: rule.at, paths, diverted, forwards, cluster: None });
        };
        for wanted in rule.items("matches") {
            let path = wanted.get("path");
            let value = path.and_then(|path| path.text_at("value")).unwrap_or("/");
            let paths = match path.and_then(|path| path.text_at("type")) {
                None | Some("PathPrefix") => Paths::Prefix(value),
                Some("Exact") => Paths::Exact(value),
                Some(_) => Paths::Other,
            };
            add(paths, mentions(wanted).is_some());
        }
        if rule.items("matches").is_empty() {
            add(Paths::Prefix("/"), false);
        }
    }
    let wrong = find(&guarded(services, &hosts), &routes, Order::Precise)?;
    let remedy = "give each guarded path a rule with x-circuit-breaker-cluster and the same path, as \
                  envoy/envoy-gateway/gateway.yaml does";
    Some(warning(finding::place("HTTPRoute", object), object.at, wrong, remedy))
}

/// The services whose calls can have one of these hosts, and are diverted by a route.
fn guarded<'s>(services: &'s [Service], hosts: &[&str]) -> Vec<&'s Service> {
    let takes =
        |service: &&Service| hosts.is_empty() || hosts.iter().any(|host| service.takes_host(host));
    services.iter().filter(|service| service.fallback.is_some()).filter(takes).collect()
}

/// The first route that guarded calls take, and diverted ones, too.
fn find(guarded: &[&Service], routes: &[Route<'_>], order: Order) -> Option<Wrong> {
    for service in guarded {
        let is_meant = |route: &Route<'_>| {
            let cluster = route.cluster.is_none_or(|cluster| service.takes_cluster(cluster));
            route.forwards && !route.diverted && cluster
        };
        for (number, route) in routes.iter().enumerate().filter(|(_, route)| is_meant(route)) {
            for prefix in service.prefixes() {
                let Some(common) = route.paths.common(prefix) else {
                    continue;
                };
                let takes = |other: &Route<'_>| other.diverted && other.paths.has_all(common);
                let takers = || routes.iter().enumerate().filter(|(_, other)| takes(other));
                let Some((_, first)) = takers().next() else {
                    return Some(Wrong::Missing(route.at));
                };
                let is_before = |(at, other): (usize, &Route<'_>)| match order {
                    Order::Written => at < number,
                    Order::Precise => other.paths.is_as_precise_as(route.paths),
                };
                if !takers().any(is_before) {
                    return Some(Wrong::Behind { diverted: first.at, other: route.at });
                }
            }
        }
    }
    None
}

impl<'n> Paths<'n> {
    /// The beginning of all paths that begin so and are this route's; `None`: there are none.
    fn common<'p>(self, prefix: &'p str) -> Option<&'p str>
    where
        'n: 'p,
    {
        match self {
            Self::Prefix(own) if prefix.starts_with(own) => Some(prefix),
            Self::Prefix(own) => own.starts_with(prefix).then_some(own),
            Self::Exact(own) => own.starts_with(prefix).then_some(own),
            Self::Other => None,
        }
    }

    /// Whether it takes all paths that begin so, as far as that can be told.
    fn has_all(self, prefix: &str) -> bool {
        match self {
            Self::Prefix(own) => prefix.starts_with(own),
            Self::Exact(own) => own == prefix,
            Self::Other => true,
        }
    }

    fn is_as_precise_as(self, other: Self) -> bool {
        match (self, other) {
            (Self::Other, _) | (_, Self::Other) | (Self::Exact(_), _) => true,
            (Self::Prefix(_), Self::Exact(_)) => false,
            (Self::Prefix(own), Self::Prefix(other)) => own.len() >= other.len(),
        }
    }
}

fn warning(place: String, at: Position, wrong: Wrong, remedy: &str) -> Warning {
    match wrong {
        Wrong::Missing(route) => {
            let line = route.line;
            let what =
                format!("no route takes diverted calls from that of line {line} to the fallback");
            Warning::new(place, at, what, remedy)
        }
        Wrong::Behind { diverted, other } => {
            let line = other.line;
            let what = format!(
                "the route for diverted calls comes behind that of line {line}, which has them first"
            );
            Warning::new(place, diverted, what, remedy)
        }
    }
}
