//! Answers, which have a short form (`503`, `refused`) and a long one (`{status: 503}`).

use std::collections::BTreeMap;
use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};

use crate::event::{Answer, CalloutAnswer, Fault, Grpc, Head};

const CUT: &str = "cut";
const ABORTED: &str = "aborted";

/// All that happens to a call, one after the other.
pub(super) struct Whole(pub(super) Vec<Answer>);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct WholeVisitor;

        impl<'de> Visitor<'de> for WholeVisitor {
            type Value = Whole;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                let names = Fault::ALL.map(|(name, _)| name).join(", ");
                write!(f, "a status, {names}, {CUT}, {ABORTED}, or {{status: ...}}")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Whole, E> {
                let status = u16::try_from(value).ok().filter(|status| is_status(*status));
                let status = status
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(value), &self))?;
                Ok(Whole(vec![Answer::Whole(Head { status, ..Head::default() })]))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Whole, E> {
                let good = Head { status: 200, ..Head::default() };
                Ok(Whole(match (value, fault(value)) {
                    (CUT, _) => vec![Answer::Begin(good), Answer::Fault(Fault::Reset)],
                    (ABORTED, _) => vec![Answer::ClientGone],
                    (_, Some(fault)) => vec![Answer::Fault(fault)],
                    (_, None) => {
                        return Err(E::invalid_value(de::Unexpected::Str(value), &self));
                    }
                }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Whole, A::Error> {
                let long = Long::deserialize(MapAccessDeserializer::new(map))?;
                let head = long.head().map_err(de::Error::custom)?;
                Ok(Whole(vec![Answer::Whole(head)]))
            }
        }

        deserializer.deserialize_any(WholeVisitor)
    }
}

fn fault(name: &str) -> Option<Fault> {
    Fault::ALL.iter().find(|(known, _)| *known == name).map(|(_, fault)| *fault)
}

const fn is_status(status: u16) -> bool {
    matches!(status, 200..=999)
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an answer, such as {status: 503}")]
struct Long {
    status: u16,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    grpc_status: Option<u8>,
    grpc_in: Option<GrpcIn>,
}

impl Long {
    fn head(self) -> Result<Head, String> {
        let Self { status, headers, grpc_status, grpc_in } = self;
        head(status, headers, grpc_status, grpc_in)
    }
}

#[derive(Clone, Copy, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
enum GrpcIn {
    Trailers,
    Head,
    Nowhere,
}

fn head(
    status: u16,
    mut headers: BTreeMap<String, String>,
    grpc_status: Option<u8>,
    grpc_in: Option<GrpcIn>,
) -> Result<Head, String> {
    if !is_status(status) {
        return Err(format!("status {status}, expected a number from 200 to 999"));
    }
    let grpc = match (grpc_status, grpc_in) {
        (None, None) => None,
        (Some(code), None | Some(GrpcIn::Trailers)) => Some(Grpc::Trailers(code)),
        (Some(code), Some(GrpcIn::Head)) => Some(Grpc::Head(code)),
        (None, Some(GrpcIn::Nowhere)) => Some(Grpc::Missing),
        (Some(_), Some(GrpcIn::Nowhere)) | (None, Some(_)) => {
            return Err(
                "grpc_in and grpc_status disagree, expected a status that is somewhere or \
                        grpc_in: nowhere and no status"
                    .to_owned(),
            );
        }
    };
    if grpc.is_some() {
        // As gRPC's servers do.
        headers.entry("content-type".to_owned()).or_insert_with(|| "application/grpc".to_owned());
    }
    Ok(Head { status, headers, grpc })
}

/// An answer to a request that was sent in a step before.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields, expecting = "an answer, such as {to: first, status: 503}")]
pub(super) struct AnswerTo {
    to: String,
    status: Option<u16>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    grpc_status: Option<u8>,
    grpc_in: Option<GrpcIn>,
    /// Its body goes on until `finish`.
    #[serde(default)]
    begin: bool,
    fault: Option<String>,
}

impl AnswerTo {
    /// Whose answer, and which. Else what is wrong, and what would be right.
    pub(super) fn answer(self) -> Result<(String, Answer), (String, String)> {
        let Self { to, status, headers, grpc_status, grpc_in, begin, fault: named } = self;
        let answer = match (status, named) {
            (Some(status), None) => {
                let head = head(status, headers, grpc_status, grpc_in)
                    .map_err(|problem| (problem, "see docs/scenarios.md".to_owned()))?;
                if begin { Answer::Begin(head) } else { Answer::Whole(head) }
            }
            (None, Some(name)) => Answer::Fault(fault(&name).ok_or_else(|| {
                let names = Fault::ALL.map(|(name, _)| name).join(", ");
                (format!("unknown fault `{name}`"), format!("expected one of {names}"))
            })?),
            _ => {
                let problem = "an answer with both status and fault, or neither";
                return Err((problem.to_owned(), "give one of them".to_owned()));
            }
        };
        Ok((to, answer))
    }
}

/// How a cluster answers the plugin.
pub(super) struct Callout(pub(super) CalloutAnswer);

impl<'de> Deserialize<'de> for Callout {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct CalloutVisitor;

        impl Visitor<'_> for CalloutVisitor {
            type Value = Callout;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status, refused, unknown or held")
            }

            fn visit_u64<E: de::Error>(self, value: u64) -> Result<Callout, E> {
                let status = u16::try_from(value).ok().filter(|status| is_status(*status));
                let status = status
                    .ok_or_else(|| E::invalid_value(de::Unexpected::Unsigned(value), &self))?;
                Ok(Callout(CalloutAnswer::Status(status)))
            }

            fn visit_str<E: de::Error>(self, value: &str) -> Result<Callout, E> {
                Ok(Callout(match value {
                    "refused" => CalloutAnswer::Refused,
                    "unknown" => CalloutAnswer::Unknown,
                    "held" => CalloutAnswer::Held,
                    _ => return Err(E::invalid_value(de::Unexpected::Str(value), &self)),
                }))
            }
        }

        deserializer.deserialize_any(CalloutVisitor)
    }
}
