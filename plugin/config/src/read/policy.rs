//! How long a breaker stays open, what closes it, and what counts as what.

use std::time::Duration;

use breaker::{HalfOpenPolicy, OpenPolicy, Rate};

use crate::duration::written;
use crate::error::ConfigError;
use crate::fields::{Classify, HalfOpenFields, Mode, OpenFields};
use crate::model::UNKNOWN_TO_SERVICE;
use crate::reader::Reader;
use crate::status::StatusSet;

const LONGEST_WAIT: Duration = Duration::from_secs(300);
const WAIT: Duration = Duration::from_secs(30);

pub(super) fn open(from: &Reader<'_>, checked: bool) -> Result<OpenPolicy, ConfigError> {
    let mut refused = Ok(());
    let fields = OpenFields::read(from, &mut refused);
    refused?;
    if fields.wait_duration == Some(Duration::ZERO) && !checked {
        let remedy = "without a health_check the wait alone keeps the service from being \
                      called again at once: give one, such as \"30s\"";
        return Err(from.error("wait_duration", "\"0s\"", remedy));
    }
    let wait = fields.wait_duration.unwrap_or(if checked { Duration::ZERO } else { WAIT });
    let max_wait = fields.max_wait_duration.unwrap_or_else(|| wait.max(LONGEST_WAIT));
    if max_wait < wait {
        let remedy = format!("give at least open.wait_duration, {}", written(wait));
        return Err(from.error("max_wait_duration", written(max_wait), remedy));
    }
    Ok(OpenPolicy {
        wait,
        backoff_rate: Rate::from_thousandths(fields.backoff_rate),
        max_wait,
        jitter_percent: fields.jitter,
        honor_retry_after: fields.honor_retry_after,
        on_retry_after: fields.on_retry_after,
    })
}

pub(super) fn half_open(from: &Reader<'_>) -> Result<HalfOpenPolicy, ConfigError> {
    let mut refused = Ok(());
    let HalfOpenFields {
        permitted_calls,
        success_threshold,
        failure_threshold,
        max_wait_duration,
        ramp_duration,
    } = HalfOpenFields::read(from, &mut refused);
    refused?;
    if success_threshold > permitted_calls {
        let remedy = format!(
            "no more than half_open.permitted_calls ({permitted_calls}) trials can succeed: ask for \
             fewer, or permit more"
        );
        return Err(from.error("success_threshold", success_threshold, remedy));
    }
    let most = permitted_calls.get().saturating_sub(success_threshold.get()).saturating_add(1);
    if failure_threshold.get() > most {
        let remedy = format!(
            "with {permitted_calls} permitted_calls and a success_threshold of {success_threshold}, \
             {most} that fail decide: give at most that, or permit more"
        );
        return Err(from.error("failure_threshold", failure_threshold, remedy));
    }
    let (max_wait, ramp) = (max_wait_duration, ramp_duration);
    Ok(HalfOpenPolicy { permitted_calls, success_threshold, failure_threshold, max_wait, ramp })
}

pub(super) const fn mode(mode: Mode) -> breaker::Mode {
    match mode {
        Mode::Enabled => breaker::Mode::Enabled,
        Mode::Disabled => breaker::Mode::Disabled,
        Mode::ForcedOpen => breaker::Mode::ForcedOpen,
        Mode::MetricsOnly => breaker::Mode::MetricsOnly,
    }
}

/// What the client chose, not the service, is ignored unless it is named a failure.
pub(super) fn classify(from: &Reader<'_>) -> Result<Classify, ConfigError> {
    let mut refused = Ok(());
    let mut classify = Classify::read(from, &mut refused);
    refused?;
    let given = from.is_there("failure_status");
    classify.ignore_status = UNKNOWN_TO_SERVICE
        .into_iter()
        .filter(|status| !(given && classify.failure_status.contains(*status)))
        .fold(classify.ignore_status, StatusSet::with);
    Ok(classify)
}
