//! The admin API: what there is to see of the breakers, as JSON.

use breaker::{Counts, UnixTime};

use crate::config::Admin;
use crate::effects::Effects;
use crate::filter::Filter;
use crate::headers::{Facts, Headers};
use crate::host::{Host, StoreFault};
use crate::reply::{Reply, rfc3339};
use crate::status::ServiceStatus;
use crate::store::Record;

/// The answer to a request for the admin API; `None` if it is another's.
pub(crate) fn answer(
    filter: &Filter,
    headers: &Headers,
    facts: &Facts<'_>,
    host: &impl Host,
    effects: &mut Effects,
) -> Option<Reply> {
    let admin = filter.config.admin.as_ref()?;
    let path = facts.path?.split(|byte| *byte == b'?').next()?;
    let rest = path.strip_prefix(admin.path_prefix.as_bytes())?;
    if !matches!(rest.first(), None | Some(b'/')) {
        return None;
    }
    let reply = if is_authorized(admin, headers) {
        route(filter, rest, facts.method.unwrap_or_default(), host, effects)
    } else {
        error(401, "give the admin token as `authorization: Bearer <token>`")
            .with("www-authenticate", "Bearer")
    };
    Some(reply.with("cache-control", "no-store"))
}

fn route<'a>(
    filter: &'a Filter,
    path: &[u8],
    method: &[u8],
    host: &impl Host,
    effects: &mut Effects,
) -> Reply {
    let mut segments = path.split(|byte| *byte == b'/').skip(1);
    let route = (segments.next(), segments.next(), segments.next());
    let (Some(b"services"), name, None) = route else {
        return error(404, "no such resource: try /services");
    };
    if method != b"GET" && method != b"HEAD" {
        return error(405, "only GET is allowed here").with("allow", "GET, HEAD");
    }
    let now = host.now();
    let mut view = |record: Record<'a>| {
        let breaker = record.load(host, effects)?;
        Ok::<_, StoreFault>(View::of(&ServiceStatus::of(record.service, &breaker, now)))
    };
    let mut records = filter.records();
    let reply = match name {
        None | Some(b"") => records
            .map(view)
            .collect::<Result<Vec<_>, _>>()
            .map(|views| Reply::json(200, &Services { services: views })),
        Some(name) => match records.find(|record| record.service.name.as_bytes() == name) {
            Some(record) => view(record).map(|view| Reply::json(200, &view)),
            None => return error(404, "no service of that name is configured here"),
        },
    };
    reply.unwrap_or_else(|_| error(500, "the shared state cannot be read"))
}

fn is_authorized(admin: &Admin, headers: &Headers) -> bool {
    let Some(token) = &admin.token else {
        return true;
    };
    let given = headers.get(b"authorization").and_then(|value| {
        let (scheme, token) = value.split_at_checked(7)?;
        scheme.eq_ignore_ascii_case(b"bearer ").then_some(token)
    });
    given.is_some_and(|given| is_equal(given, token.as_bytes()))
}

/// Compares in a time that does not tell how much of it is right.
fn is_equal(given: &[u8], token: &[u8]) -> bool {
    let differing = given.iter().zip(token).fold(0, |bits, (a, b)| bits | (a ^ b));
    given.len() == token.len() && std::hint::black_box(differing) == 0
}

fn error(status: u16, message: &'static str) -> Reply {
    #[derive(serde::Serialize)]
    struct Error {
        error: &'static str,
    }
    Reply::json(status, &Error { error: message })
}

#[derive(serde::Serialize)]
struct Services<'a> {
    services: Vec<View<'a>>,
}

/// A breaker as the admin API shows it. What nothing is measured of yet is null.
#[derive(serde::Serialize)]
struct View<'a> {
    service_name: &'a str,
    state: &'static str,
    mode: &'static str,
    failure_count: u32,
    last_failure_time: Option<String>,
    last_success_time: Option<String>,
    opened_at: Option<String>,
    retry_at: Option<String>,
    trip_reason: Option<&'static str>,
    failure_rate: Option<f64>,
    slow_call_rate: Option<f64>,
    buffered_calls: Option<u32>,
    in_flight: Option<u32>,
    generation: u64,
}

impl<'a> View<'a> {
    fn of(status: &ServiceStatus<'a>) -> Self {
        let counts = status.counts;
        let percent = |part: fn(&Counts) -> u32| {
            let counts = counts.filter(|counts| counts.calls > 0)?;
            Some(f64::from(part(&counts)) * 100.0 / f64::from(counts.calls))
        };
        let written = |at: Option<UnixTime>| at.map(rfc3339);
        Self {
            service_name: status.service_name,
            state: status.state.name(),
            mode: "enabled",
            failure_count: status.failure_count,
            last_failure_time: written(status.last_failure),
            last_success_time: written(status.last_success),
            opened_at: written(status.opened_at),
            retry_at: written(status.retry_at),
            trip_reason: status.trip_reason.map(breaker::Reason::name),
            failure_rate: percent(|counts| counts.failures),
            slow_call_rate: percent(|counts| counts.slow),
            buffered_calls: counts.map(|counts| counts.calls),
            in_flight: None,
            generation: status.generation,
        }
    }
}
