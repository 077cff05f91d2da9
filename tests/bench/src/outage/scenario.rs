//! What befalls the service.

/// One way to fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Every call is answered with 503, and so is the health check.
    AllFail,
    /// Every fifth call is; the health check passes.
    SomeFail,
    /// Neither calls nor health checks are ever answered.
    Hang,
    /// Half of a good answer comes, and then the connection is closed. The health check passes.
    BreakOff,
    /// Every call is answered with 503, though the health check passes.
    LyingCheck,
    /// Nobody listens.
    Gone,
}

impl Scenario {
    pub(crate) const ALL: [Self; 6] =
        [Self::AllFail, Self::SomeFail, Self::Hang, Self::BreakOff, Self::LyingCheck, Self::Gone];

    /// The name of its sheet.
    pub(crate) const fn sheet(self) -> &'static str {
        match self {
            Self::AllFail => "outage-all-fail",
            Self::SomeFail => "outage-some-fail",
            Self::Hang => "outage-hang",
            Self::BreakOff => "outage-break-off",
            Self::LyingCheck => "outage-lying-check",
            Self::Gone => "outage-gone",
        }
    }

    pub(crate) const fn title(self) -> &'static str {
        match self {
            Self::AllFail => "An outage: all calls fail",
            Self::SomeFail => "An outage: 20 % of the calls fail",
            Self::Hang => "An outage: calls hang",
            Self::BreakOff => "An outage: answers break off in the middle",
            Self::LyingCheck => "An outage: all calls fail, and the health check passes",
            Self::Gone => "An outage: nobody listens",
        }
    }

    /// Whether a service that fails so is to be left alone: not where most of its calls are good.
    pub(crate) const fn is_total(self) -> bool {
        !matches!(self, Self::SomeFail)
    }
}

/// How a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Good,
    Failure,
    Never,
    Half,
}

/// How the service answers its next request. `befallen`: what does, if anything; `calls`: how many
/// calls have come since it did.
pub(crate) const fn ending(befallen: Option<Scenario>, is_check: bool, calls: u64) -> Ending {
    let Some(scenario) = befallen else { return Ending::Good };
    match scenario {
        Scenario::AllFail => Ending::Failure,
        Scenario::Hang => Ending::Never,
        // For those that are served while it goes.
        Scenario::Gone => Ending::Never,
        _ if is_check => Ending::Good,
        Scenario::LyingCheck => Ending::Failure,
        Scenario::BreakOff => Ending::Half,
        Scenario::SomeFail if calls % 5 == 4 => Ending::Failure,
        Scenario::SomeFail => Ending::Good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_nothing_befalls_answers_well() {
        assert_eq!(ending(None, false, 4), Ending::Good);
    }

    #[test]
    fn a_fifth_of_the_calls_fails_where_some_do() {
        let failed = |it: &u64| ending(Some(Scenario::SomeFail), false, *it) == Ending::Failure;
        assert_eq!((0..100).filter(failed).count(), 20);
    }

    #[test]
    fn a_check_lies_where_it_passes_and_the_calls_fail() {
        assert_eq!(ending(Some(Scenario::LyingCheck), true, 0), Ending::Good);
        assert_eq!(ending(Some(Scenario::LyingCheck), false, 0), Ending::Failure);
        assert_eq!(ending(Some(Scenario::AllFail), true, 0), Ending::Failure);
    }
}
