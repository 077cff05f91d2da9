//! The admin API: what there is to see of the breakers, and to do to them, as JSON and as a page.

mod access;
mod health;
mod inflate;
mod origins;
mod page;
mod rules;
mod view;

use breaker::{Breaker, Command, Now};

use self::access::Denied;
pub(crate) use self::access::warn_without_token;
use self::view::Noted;

use crate::calendar::rfc3339;
use crate::clusters;
use crate::command::{self, CommandError};
use crate::effects::Effects;
use crate::events;
use crate::handle::ServiceHandle;
use crate::headers::{Facts, Headers};
use crate::host::Host;
use crate::json::{Fields, Json};
use crate::recent::is_down;
use crate::response::reply::Reply;
use crate::services::Services;
use crate::status::ServiceStatus;
use config::Admin;
use shared::Lost;

/// Why no breaker is shown: a configuration that names none by itself shows those that others make names
/// for by the same template, and nothing else.
const NONE: &str = "no service of this listener's own configuration has a plain name, and none has been made \
     of a request yet: give this configuration the `services` of the other listeners, at least their names";

/// The answer to a request for the admin API; `None` if it is another's.
#[inline]
pub(crate) fn answer(
    services: &Services,
    headers: &Headers,
    facts: &Facts<'_>,
    host: &dyn Host,
    effects: &mut Effects,
) -> Option<Reply> {
    let admin = services.config.admin.as_ref()?;
    let path = facts.path?.split(|byte| *byte == b'?').next()?;
    let rest = path.strip_prefix(admin.path_prefix.as_bytes())?;
    matches!(rest.first(), None | Some(b'/'))
        .then(|| answer_for(admin, rest, services, headers, facts, host, effects))
}

/// The answer to a request for the admin API, by what follows its prefix.
#[inline(never)]
fn answer_for(
    admin: &Admin,
    rest: &[u8],
    services: &Services,
    headers: &Headers,
    facts: &Facts<'_>,
    host: &dyn Host,
    effects: &mut Effects,
) -> Reply {
    let origin = origins::listed(admin, headers);
    let leave = origin.and_then(|_| origins::preflight(headers, facts));
    let reply = leave.unwrap_or_else(|| {
        answer_to(admin, Resource::of(rest), services, headers, facts, host, effects)
    });
    let reply = match origin {
        Some(origin) => origins::readable(reply, origin),
        None => reply,
    };
    reply.with("cache-control", "no-store")
}

/// The answer to whoever may have it.
fn answer_to(
    admin: &Admin,
    resource: Option<Resource<'_>>,
    services: &Services,
    headers: &Headers,
    facts: &Facts<'_>,
    host: &dyn Host,
    effects: &mut Effects,
) -> Reply {
    let access = match resource {
        // A load balancer is on another machine, has no token, and learns no names.
        Some(Resource::Health(_)) => Ok(()),
        _ => access::check(admin, headers, facts, host),
    };
    match access {
        Ok(()) => route(admin, services, resource, headers, facts, host, effects),
        Err(denied) => deny(admin, denied, resource, headers),
    }
}

/// The answer to who may not have another.
fn deny(admin: &Admin, denied: Denied, resource: Option<Resource<'_>>, headers: &Headers) -> Reply {
    let reply = match resource {
        // It has nothing to hide, and is what asks a person for the token.
        Some(Resource::Page) if denied == Denied::Token && page::is_wanted(headers) => {
            Reply { status: denied.status(), ..page::page(admin) }
        }
        _ => error(denied.status(), denied.remedy()),
    };
    match denied {
        Denied::Token => reply.with("www-authenticate", "Bearer"),
        Denied::Peer | Denied::Forwarded | Denied::Name => reply,
    }
}

/// What is asked for, and by which method.
#[derive(Clone, Copy)]
enum Resource<'a> {
    /// The prefix without a slash after it.
    Root,
    Page,
    Events,
    Fleet,
    Health(Option<&'a [u8]>),
    Services,
    Service(&'a [u8]),
    History(&'a [u8]),
    Command(&'a [u8], Command),
}

impl<'a> Resource<'a> {
    fn of(path: &'a [u8]) -> Option<Self> {
        let mut segments = path.split(|byte| *byte == b'/').skip(1);
        let kind = segments.next();
        match (kind, segments.next(), segments.next(), segments.next()) {
            (None, None, None, None) => Some(Self::Root),
            (Some(b""), None, None, None) => Some(Self::Page),
            (Some(b"events"), None, None, None) => Some(Self::Events),
            (Some(b"fleet"), None, None, None) => Some(Self::Fleet),
            (Some(b"health"), None | Some(b""), None, None) => Some(Self::Health(None)),
            (Some(b"health"), Some(name), None, None) => Some(Self::Health(Some(name))),
            (Some(b"services"), None | Some(b""), None, None) => Some(Self::Services),
            (Some(b"services"), Some(name), None, None) => Some(Self::Service(name)),
            (Some(b"services"), Some(name), Some(b"history"), None) => Some(Self::History(name)),
            (Some(b"services"), Some(name), Some(command), None) => {
                Some(Self::Command(name, Command::named(command)?))
            }
            _ => None,
        }
    }
}

fn route(
    admin: &Admin,
    services: &Services,
    resource: Option<Resource<'_>>,
    headers: &Headers,
    facts: &Facts<'_>,
    host: &dyn Host,
    effects: &mut Effects,
) -> Reply {
    let Some(resource) = resource else {
        return error(404, "no such resource: try /services, /events or /health");
    };
    let method = facts.method.unwrap_or_default();
    match resource {
        Resource::Command(..) if method != b"POST" => {
            return error(405, "only POST is allowed here").with("allow", "POST");
        }
        // No page of another site can have the token.
        Resource::Command(..) if admin.token.is_some() => {}
        Resource::Command(..) if !is_of_this_site(headers, facts) => {
            return error(
                403,
                "a page of another site may not steer a breaker without `admin.token`",
            );
        }
        Resource::Command(..) if !is_json(facts) => {
            return error(415, "send `content-type: application/json`, with or without a body");
        }
        Resource::Command(..) => {}
        _ if method != b"GET" && method != b"HEAD" => {
            return error(405, "only GET is allowed here").with("allow", "GET, HEAD");
        }
        _ => {}
    }
    match resource {
        Resource::Root => page::redirect(facts),
        Resource::Page => page::page(admin),
        Resource::Events => events(host),
        Resource::Fleet => fleet(services, host, effects),
        Resource::Health(None) => health::of_all(services, host, effects),
        Resource::Health(Some(name)) => {
            match decoded(name).and_then(|name| services.named(&name)) {
                None => unknown(),
                Some(handle) => health::of(&handle, host, effects),
            }
        }
        Resource::Services => all_services(admin, services, host, effects),
        Resource::Service(name) | Resource::History(name) | Resource::Command(name, _) => {
            let handle = decoded(name).and_then(|name| services.named(&name));
            match (handle, resource) {
                (None, _) => unknown(),
                (Some(handle), Resource::Command(_, command)) => {
                    apply(&handle, command, host, effects)
                }
                (Some(handle), Resource::History(_)) => {
                    match services.shown_history(&handle, host, effects) {
                        Ok(history) => Reply::json(200, &history),
                        Err(Lost::Gone) => unknown(),
                        Err(_) => unreadable(),
                    }
                }
                (Some(handle), _) => match handle.load(host, effects) {
                    Ok(breaker) => show(&handle, &breaker, host, effects),
                    Err(Lost::Gone) => unknown(),
                    Err(_) => unreadable(),
                },
            }
        }
    }
}

/// A segment of a path without its percent-encoding; `None`: it is damaged, or no text.
fn decoded(segment: &[u8]) -> Option<String> {
    let mut bytes = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte == b'%' {
            let (digits, after) = rest.split_first_chunk::<2>()?;
            // Not a sign, which a number could have.
            let digits = digits.iter().all(u8::is_ascii_hexdigit).then_some(digits)?;
            bytes.push(u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?);
            rest = after;
        } else {
            bytes.push(*byte);
        }
    }
    String::from_utf8(bytes).ok()
}

fn all_services(
    admin: &Admin,
    services: &Services,
    host: &dyn Host,
    effects: &mut Effects,
) -> Reply {
    let now = host.now();
    let mut views = Vec::new();
    for handle in services.handles() {
        match handle.load(host, effects) {
            Ok(breaker) => match view(&handle, &breaker, now, false, host, effects) {
                Ok(view) => views.push(view),
                Err(Lost::Gone) => {}
                Err(_) => return unreadable(),
            },
            Err(Lost::Gone) => {}
            Err(_) => return unreadable(),
        }
    }
    let mut shown = Fields::new();
    // By the proxy's clock: what times are to be compared with.
    shown.text("now", &rfc3339(now.wall));
    if views.is_empty() {
        shown.text("note", NONE);
    }
    shown.add("services", Json::List(views));
    if !admin.peers.is_empty() {
        let peers = admin.peers.iter().map(|peer| Json::text(peer));
        shown.add("peers", Json::List(peers.collect()));
    }
    Reply::json(200, &shown.end())
}

fn show(
    handle: &ServiceHandle<'_>,
    breaker: &Breaker,
    host: &dyn Host,
    effects: &mut Effects,
) -> Reply {
    match view(handle, breaker, host.now(), true, host, effects) {
        Ok(view) => Reply::json(200, &view),
        Err(Lost::Gone) => unknown(),
        Err(_) => unreadable(),
    }
}

/// A breaker; `alone`, with all that there is to tell of it.
fn view(
    handle: &ServiceHandle<'_>,
    breaker: &Breaker,
    now: Now,
    alone: bool,
    host: &dyn Host,
    effects: &mut Effects,
) -> Result<Json<'static>, Lost> {
    let in_flight = handle.permits().map(|permits| permits.in_flight(host)).transpose()?;
    let status = ServiceStatus::of(handle, breaker, in_flight, now);
    let mut noted = Noted::default();
    let has_moved = status.last_failure.is_some() || is_down(status.state);
    if let Some(recent) = handle.recent().filter(|_| alone || has_moved) {
        noted.notes = recent.load(host, effects)?;
        noted.answered = recent.answered(host);
    }
    let due = breaker.check_due(&handle.service.policy);
    noted.next_check = due.map(|at| now.wall_time_of(at));
    // What is counted together with others' calls is not shown as its own.
    let series = handle.instance.has_own_series().then_some(handle.number);
    let unknown = clusters::unknown_clusters(handle.service, host)?;
    let alone = alone.then_some(handle.service);
    Ok(view::of(&status, &noted, &unknown, series, alone, host))
}

/// Applies a command, and shows what has become of the breaker.
fn apply(
    handle: &ServiceHandle<'_>,
    command: Command,
    host: &dyn Host,
    effects: &mut Effects,
) -> Reply {
    match command::apply(handle, command, host, effects) {
        Ok(breaker) => show(handle, &breaker, host, effects),
        Err(CommandError::Unknown) => unknown(),
        Err(CommandError::Unwritten) => {
            error(503, "the shared state could not be written, and is as it was: try again")
        }
    }
}

fn events(host: &dyn Host) -> Reply {
    match events::latest(host) {
        Ok(ring) => {
            let events = ring.newest_first().map(|(id, event)| event.json(&id)).collect();
            let mut shown = Fields::new();
            shown.add("events", Json::List(events));
            Reply::json(200, &shown.end())
        }
        Err(_) => unreadable(),
    }
}

/// What this process has read of its fleet.
fn fleet(services: &Services, host: &dyn Host, effects: &mut Effects) -> Reply {
    let Some(member) = &services.member else {
        let mut shown = Fields::new();
        shown.add("seen", Json::Null);
        shown.text("note", "this configuration has no fleet");
        return Reply::json(200, &shown.end());
    };
    match member.seen(host, effects) {
        Some(seen) => Reply::json(200, &Json::Written(seen)),
        None => unreadable(),
    }
}

fn unknown() -> Reply {
    error(404, "no service of that name is configured here")
}

fn unreadable() -> Reply {
    error(500, "the shared state cannot be read")
}

/// Whether a request that changes something was not sent by a browser for another site's page,
/// which would need nobody's leave to send it to a listener on the operator's own machine.
fn is_of_this_site(headers: &Headers, facts: &Facts<'_>) -> bool {
    headers.get(b"origin").is_none_or(|origin| {
        let mut parts = origin.splitn(2, |byte| *byte == b'/');
        let (_scheme, rest) = (parts.next(), parts.next().unwrap_or_default());
        let host = rest.strip_prefix(b"/");
        host.zip(facts.authority).is_some_and(|(host, own)| host.eq_ignore_ascii_case(own))
    })
}

/// Whether the body is said to be JSON. A browser sends that for another site's page only after it
/// was given leave.
fn is_json(facts: &Facts<'_>) -> bool {
    let media_type = facts.content_type.and_then(|value| value.split(|byte| *byte == b';').next());
    media_type.is_some_and(|it| it.trim_ascii().eq_ignore_ascii_case(b"application/json"))
}

fn error(status: u16, message: &'static str) -> Reply {
    let mut body = Fields::new();
    body.text("error", message);
    Reply::json(status, &body.end())
}
