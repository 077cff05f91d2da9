//! The calls to replay.

use std::time::Duration;

use anyhow::{Context as _, bail, ensure};

/// A call as it was.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Call {
    /// Since the first call of the trace.
    pub(crate) at: Duration,
    pub(crate) took: Duration,
    pub(crate) ended: Ended,
    pub(crate) method: String,
    pub(crate) path: String,
    pub(crate) host: String,
    pub(crate) cluster: String,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    Status(u16),
    Reset,
    Timeout,
}

impl Ended {
    /// Whether it is a failure for whoever called: no answer, or a 5xx.
    pub(crate) const fn is_failure(self) -> bool {
        match self {
            Self::Status(status) => status >= 500,
            Self::Reset | Self::Timeout => true,
        }
    }
}

/// What stands in for columns that a trace does not have.
#[derive(Debug)]
pub(crate) struct Defaults<'d> {
    pub(crate) path: &'d str,
    pub(crate) cluster: &'d str,
}

/// Reads a trace, and puts its calls into the order of their time.
///
/// # Errors
///
/// What is wrong, with the line.
pub(crate) fn parse(text: &str, defaults: &Defaults<'_>) -> anyhow::Result<Vec<Call>> {
    let mut lines = text.lines().enumerate().map(|(index, line)| (index + 1, line.trim()));
    let mut lines = lines.by_ref().filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    let (_, header) = lines.next().context("it is empty")?;
    let titles: Vec<&str> = header.split(',').map(str::trim).collect();
    let known = [
        "time",
        "time_s",
        "time_ms",
        "duration",
        "duration_ms",
        "duration_s",
        "status",
        "method",
        "path",
        "host",
        "cluster",
    ];
    if let Some(unknown) = titles.iter().find(|title| !known.contains(title)) {
        bail!("line 1: no column is called {unknown:?}: there are {}", known.join(", "));
    }
    let column = |names: &[(&str, f64)]| {
        names.iter().find_map(|(name, seconds)| {
            Some((titles.iter().position(|title| title == name)?, *seconds))
        })
    };
    let time = column(&[("time", 1.0), ("time_s", 1.0), ("time_ms", 1e-3)]);
    let time = time.context("line 1: the column `time` is missing")?;
    let took = column(&[("duration", 1e-3), ("duration_ms", 1e-3), ("duration_s", 1.0)]);
    let took = took.context("line 1: the column `duration` is missing")?;
    let status = column(&[("status", 1.0)]).context("line 1: the column `status` is missing")?.0;
    let mut calls = Vec::new();
    for (number, line) in lines {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        let call = (|| {
            ensure!(
                fields.len() == titles.len(),
                "there are {} columns, and {} titles",
                fields.len(),
                titles.len()
            );
            let text = |name, default: &str| {
                let field = column(&[(name, 1.0)]).and_then(|(column, _)| fields.get(column));
                field.filter(|field| !field.is_empty()).map_or(default, |field| field).to_owned()
            };
            Ok((
                seconds(&fields, time)?,
                Call {
                    at: Duration::ZERO,
                    took: Duration::try_from_secs_f64(seconds(&fields, took)?)
                        .context("a duration cannot be negative")?,
                    ended: ended(fields.get(status).copied().unwrap_or_default())?,
                    method: text("method", "GET"),
                    path: text("path", defaults.path),
                    host: text("host", "localhost"),
                    cluster: text("cluster", defaults.cluster),
                },
            ))
        })();
        calls.push(call.with_context(|| format!("line {number}"))?);
    }
    ensure!(!calls.is_empty(), "there is no call in it");
    calls.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    // Times may count from 1970: what matters is the time since the first.
    let first = calls.first().map_or(0.0, |(time, _)| *time);
    Ok(calls
        .into_iter()
        .map(|(time, call)| Call { at: Duration::from_secs_f64(time - first), ..call })
        .collect())
}

fn seconds(fields: &[&str], (column, unit): (usize, f64)) -> anyhow::Result<f64> {
    let field = fields.get(column).copied().unwrap_or_default();
    let number: f64 = field.parse().with_context(|| format!("{field:?} is not a number"))?;
    ensure!(number.is_finite() && number.abs() < 1e13, "{field:?} is no time");
    Ok(number * unit)
}

fn ended(field: &str) -> anyhow::Result<Ended> {
    match field {
        "reset" => Ok(Ended::Reset),
        "timeout" => Ok(Ended::Timeout),
        status => match status.parse() {
            Ok(status @ 100..=599) => Ok(Ended::Status(status)),
            _ => bail!("{status:?} is no status: give one from 100 to 599, `reset` or `timeout`"),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DEFAULTS: Defaults<'_> = Defaults { path: "/", cluster: "service" };

    #[test]
    fn times_count_from_the_first_call_and_units_are_those_of_the_titles() {
        let text = "time,duration_s,status,path\n1700000002.5,0.25,reset,/b\n1700000000,1,200,\n";
        let calls = parse(text, &DEFAULTS).unwrap();
        assert_eq!((calls[0].at, calls[1].at), (Duration::ZERO, Duration::from_millis(2500)));
        assert_eq!((calls[0].took, calls[1].took.as_millis()), (Duration::from_secs(1), 250));
        assert_eq!((calls[0].path.as_str(), calls[1].path.as_str()), ("/", "/b"));
        assert_eq!((calls[0].ended, calls[1].ended), (Ended::Status(200), Ended::Reset));
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_line() {
        for (text, said) in [
            ("", "empty"),
            ("time,status\n1,200", "line 1: the column `duration`"),
            ("time,duration,state\n", "line 1: no column is called \"state\""),
            ("time,duration,status\n", "no call"),
            ("time,duration,status\n1,2,200\nx,2,200", "line 3: \"x\""),
            ("time,duration,status\n1,-2,200", "line 2: a duration"),
            ("time,duration,status\n1,2,999", "line 2: \"999\" is no status"),
            ("time,duration,status\n1,2", "line 2: there are 2 columns"),
        ] {
            let error = format!("{:#}", parse(text, &DEFAULTS).unwrap_err());
            assert!(error.contains(said), "{text:?}: {error}");
        }
    }
}
