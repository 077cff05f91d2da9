//! An outage: what clients see of it, what the failing service has to bear, and when it is back.
//!
//! Each proxy has a service and a fallback of its own, and clients that send requests at fixed
//! times. All proxies are measured at once, since each does little; each outage by itself.

mod client;
mod peers;
mod scenario;
mod service;
mod tally;

use std::time::Duration;

use anyhow::{Context, Result};
use futures_util::future::join_all;
use serde::Serialize;
use tokio::task::LocalSet;
use tokio::time::Instant;

use crate::Run;
use crate::bars::Bar;
use crate::cpu::{OURS_NATIVE, OURS_WASM};
use crate::effort::Effort;
use crate::outage::client::{Clients, RATE};
use crate::outage::peers::{FAILURES, Peer};
use crate::outage::scenario::Scenario;
use crate::outage::service::Service;
use crate::outage::tally::{Seen, Tally, is_back};
use crate::sheet::Sheet;
use crate::statistics::Estimate;

/// How long all is well before an outage.
const BEFORE: Duration = Duration::from_secs(2);
/// How long a service is waited for after it.
const AFTER: Duration = Duration::from_secs(60);

const ERRORS: &str = "errors seen by clients";
const CALLS: &str = "calls to the failing service";
const CHECKS: &str = "health checks of it";
const BACK: &str = "back after, s";

const SUM: &str = "outage";
const ELSEWHERE: &str = "errors where a call can be replayed";
const BROKEN: &str = "errors where answers break off";
const ALL_CALLS: &str = "calls, but for \"20 % fail\"";
const TIMES_BEST: &str = "x the best peer's";

/// Plays each outage, and adds up.
pub(crate) async fn measure(run: &Run<'_>) -> Result<()> {
    for scenario in Scenario::ALL {
        run.sheet(scenario.sheet(), async {
            let tallies = LocalSet::new().run_until(play(scenario, &run.effort)).await?;
            Ok((sheet(scenario, &tallies, &run.effort), serde_json::to_value(&tallies)?))
        })
        .await?;
    }
    let sheets: Vec<_> = run.results.there(sheets())?.into_iter().map(|it| it.sheet).collect();
    if let Some(sum) = sum(&sheets) {
        run.results.sheet_anew(sum)?;
    }
    Ok(())
}

pub(crate) fn sheets() -> Vec<&'static str> {
    [SUM].into_iter().chain(Scenario::ALL.map(Scenario::sheet)).collect()
}

pub(crate) fn bars() -> Vec<Bar> {
    let of = |form: &str| {
        let rule = f64::from(FAILURES);
        [
            Bar::new(format!("{form}, outage: client errors"), SUM, form, ELSEWHERE, 0.0),
            Bar::new(
                format!("{form}, outage where answers break off: client errors"),
                SUM,
                form,
                BROKEN,
                rule,
            ),
            Bar::new(
                format!("{form}, outage: calls to the failing service, x the best peer's"),
                SUM,
                form,
                TIMES_BEST,
                0.6,
            ),
        ]
    };
    [OURS_NATIVE, OURS_WASM].into_iter().flat_map(of).collect()
}

/// What became of one proxy in one outage.
#[derive(Clone, Debug, Serialize)]
struct Played {
    peer: &'static str,
    tally: Tally,
    seen: Vec<Seen>,
}

async fn play(scenario: Scenario, effort: &Effort) -> Result<Vec<Played>> {
    let peers = Peer::ALL;
    let mut played = Vec::new();
    for _ in 0..effort.outages {
        let all = join_all(peers.iter().map(|peer| befall(*peer, scenario, effort.outage))).await;
        for (peer, one) in peers.iter().zip(all) {
            played.push(one.with_context(|| peer.name())?);
        }
    }
    Ok(played)
}

async fn befall(peer: Peer, scenario: Scenario, outage: Duration) -> Result<Played> {
    let mut service = Service::start("service").await?;
    let fallback = Service::start("fallback").await?;
    let proxy = peer.start(service.address, fallback.address).await?;
    let mut clients = Clients::of(proxy.address);
    clients.send_until(Instant::now() + BEFORE).await;
    clients.finish().await;
    clients.forget();

    let begun = Instant::now();
    service.befall(scenario);
    clients.send_until(begun + outage).await;
    let received = service.recover().await?;
    let lasted = begun.elapsed();
    while !is_back(&clients.seen(begun), lasted) && begun.elapsed() < lasted + AFTER {
        clients.send_until(Instant::now() + Duration::from_millis(250)).await;
    }
    clients.finish().await;
    let seen = clients.seen(begun);
    Ok(Played { peer: proxy.peer.name(), tally: Tally::new(&seen, received, lasted), seen })
}

fn sheet(scenario: Scenario, played: &[Played], effort: &Effort) -> Sheet {
    let mut sheet = Sheet::new(scenario.sheet(), scenario.title())
        .column(ERRORS, 0)
        .column(CALLS, 0)
        .column(CHECKS, 0)
        .column(BACK, 1)
        .plotted(CALLS);
    let mut names: Vec<_> = played.iter().map(|it| it.peer).collect();
    names.dedup();
    names.truncate(played.len() / effort.outages.max(1) as usize);
    for name in names {
        let of = |figure: fn(&Tally) -> Option<f64>| {
            let tallies = played.iter().filter(|it| it.peer == name).map(|it| figure(&it.tally));
            Estimate::of_few(&tallies.flatten().collect::<Vec<_>>())
        };
        sheet.row(
            name,
            vec![
                of(|it| Some(it.errors as f64)),
                of(|it| Some(it.calls as f64)),
                of(|it| Some(it.checks as f64)),
                of(|it| it.back),
            ],
        );
    }
    sheet.note(format!(
        "{} s at {RATE} requests per second, {} times: the middle, and the least and the most.",
        effort.outage.as_secs(),
        effort.outages,
    ));
    sheet
}

/// All outages together; `None`: one of them was not measured.
fn sum(sheets: &[Sheet]) -> Option<Sheet> {
    let find = |scenario: Scenario| sheets.iter().find(|sheet| sheet.name == scenario.sheet());
    let outages: Vec<_> =
        Scenario::ALL.into_iter().map(|it| Some((it, find(it)?))).collect::<Option<_>>()?;
    let of = |row: &str, column: &str, counts: fn(Scenario) -> bool| {
        let cells = outages.iter().filter(|(scenario, _)| counts(*scenario));
        cells
            .map(|(_, sheet)| sheet.cell(row, column))
            .try_fold(0.0, |sum, it| Some(sum + it?.value))
    };
    let rows: Vec<_> = outages.first()?.1.values(CALLS).into_iter().map(|(row, _)| row).collect();
    let calls = |row: &str| of(row, CALLS, Scenario::is_total);
    let is_ours = |row: &str| [OURS_WASM, OURS_NATIVE].contains(&row);
    let peers = rows.iter().filter(|row| !is_ours(row)).filter_map(|row| calls(row));
    let best = peers.fold(f64::INFINITY, f64::min);

    let mut sheet = Sheet::new(SUM, "All outages together")
        .column(ELSEWHERE, 0)
        .column(BROKEN, 0)
        .column(ALL_CALLS, 0)
        .column(TIMES_BEST, 2)
        .plotted(ALL_CALLS);
    for row in rows {
        let exact = |value: Option<f64>| value.map(Estimate::exact);
        let elsewhere = of(row, ERRORS, |it| it != Scenario::BreakOff);
        sheet.row(
            row,
            vec![
                exact(elsewhere),
                exact(of(row, ERRORS, |it| it == Scenario::BreakOff)),
                exact(calls(row)),
                exact(calls(row).map(|calls| calls / best)),
            ],
        );
    }
    Some(sheet)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outage(scenario: Scenario, calls: [f64; 3], errors: [f64; 3]) -> Sheet {
        let sheet = Sheet::new(scenario.sheet(), "").column(ERRORS, 0);
        let mut sheet = sheet.column(CALLS, 0).column(BACK, 1);
        for (index, name) in [OURS_WASM, "NGINX", "HAProxy"].into_iter().enumerate() {
            let exact = |value| Some(Estimate::exact(value));
            sheet.row(name, vec![exact(errors[index]), exact(calls[index]), None]);
        }
        sheet
    }

    fn outages() -> Vec<Sheet> {
        Scenario::ALL.map(|it| outage(it, [6.0, 20.0, 10.0], [1.0, 2.0, 3.0])).into()
    }

    #[test]
    fn the_calls_of_all_total_outages_are_held_against_the_best_peers() {
        let sum = sum(&outages()).expect("a sum");
        assert_eq!(sum.cell(OURS_WASM, ALL_CALLS), Some(Estimate::exact(30.0)));
        assert_eq!(sum.cell(OURS_WASM, TIMES_BEST), Some(Estimate::exact(0.6)));
        assert_eq!(sum.cell("NGINX", TIMES_BEST), Some(Estimate::exact(2.0)));
        assert_eq!(sum.cell(OURS_WASM, ELSEWHERE), Some(Estimate::exact(5.0)));
        assert_eq!(sum.cell(OURS_WASM, BROKEN), Some(Estimate::exact(1.0)));
    }

    #[test]
    fn there_is_no_sum_before_all_outages_were_measured() {
        assert_eq!(sum(&outages()[1..]), None);
    }

    #[test]
    fn the_bars_are_about_cells_that_there_are() {
        let sum = sum(&outages()).expect("a sum");
        for bar in bars().into_iter().skip(3) {
            let verdict = bar.judge(std::slice::from_ref(&sum)).to_string();
            assert!(!verdict.starts_with("not measured"), "{verdict}");
        }
    }
}
