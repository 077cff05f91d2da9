//! What may be written, as JSON Schema: of the types that read themselves, and of the whole. What
//! their bounds and defaults are is said in the package `config-schema`, and held by its tests.

use std::borrow::Cow;

use schemars::generate::SchemaSettings;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};

use crate::duration::Span;
use crate::model::Config;
use crate::status::{GRPC_NAMES, GrpcSet, StatusSet};
use crate::wire::{self, Factor, Percent, Share, WindowSize};

/// Numbers with units, the longest unit first.
const DURATION: &str = concat!(
    r"^([0-9]+(\.[0-9]{1,9})?h)?([0-9]+(\.[0-9]{1,9})?m)?([0-9]+(\.[0-9]{1,9})?s)?",
    r"([0-9]+(\.[0-9]{1,9})?ms)?([0-9]+(\.[0-9]{1,9})?us)?([0-9]+(\.[0-9]{1,9})?ns)?$",
);
/// A class, a code or a range.
const STATUS: &str = "^([1-5]xx|[1-5][0-9][0-9](-[1-5][0-9][0-9])?)$";

impl Config {
    /// The JSON Schema of the types.
    #[must_use]
    pub fn schema() -> serde_json::Value {
        SchemaSettings::draft2020_12()
            .into_generator()
            .into_root_schema_for::<wire::Config>()
            .into()
    }
}

/// Written out wherever it is used, as the leaf that it is.
macro_rules! leaf {
    ($type:ty, $name:literal, $schema:expr) => {
        impl JsonSchema for $type {
            fn schema_name() -> Cow<'static, str> {
                $name.into()
            }

            fn inline_schema() -> bool {
                true
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                $schema
            }
        }
    };
}

leaf!(
    Span,
    "Duration",
    json_schema!({
        "type": "string", "pattern": DURATION, "minLength": 2, "examples": ["250ms", "30s", "1m30s"],
    })
);
leaf!(
    WindowSize,
    "WindowSize",
    json_schema!({
        "type": ["string", "integer"], "pattern": DURATION, "minLength": 2, "examples": ["10s", 100],
    })
);
leaf!(
    StatusSet,
    "Statuses",
    json_schema!({
        "type": "array",
        "items": { "type": "string", "pattern": STATUS },
        "examples": [["5xx", "429", "200-299"]],
    })
);
leaf!(GrpcSet, "GrpcStatuses", json_schema!({ "type": "array", "items": { "enum": GRPC_NAMES } }));
leaf!(Factor, "Factor", json_schema!({ "type": "number", "minimum": 1, "maximum": 100 }));
leaf!(Percent, "Percent", json_schema!({ "type": "number", "minimum": 0, "maximum": 100 }));
leaf!(Share, "Share", json_schema!({ "type": "number", "minimum": 0.001, "maximum": 100 }));
