//! Modes: by policy, and by an operator while it runs.

use breaker::{Admission, Breaker, Command, DivertReason, Mode, Outcome, Reason, StateName};
use proptest::prelude::*;

use crate::world::{World, health_check};

fn in_mode(mode: Mode) -> World {
    World::new(|policy| policy.mode = mode)
}

/// Makes a call that fails, as far as it is settled at all.
fn fail(world: &mut World) {
    match world.ask() {
        Admission::Admitted(permit) | Admission::Shadowed(_, permit) => {
            let _ = world.settle(permit, Outcome::FAILURE);
        }
        Admission::Diverted(_) | Admission::Bypassed => {}
    }
}

#[test]
fn a_disabled_breaker_leaves_every_call_alone() {
    let mut world = in_mode(Mode::Disabled);
    for _ in 0..5 {
        assert_eq!(world.ask(), Admission::Bypassed);
    }
    assert_eq!(world.status().state, StateName::Disabled);
    let clean = world.breaker().clean(&world.policy).expect("nobody need read it");
    assert_eq!((clean.permit(), clean.state()), (None, StateName::Disabled));
}

#[test]
fn a_breaker_that_is_forced_open_diverts_every_call_and_makes_no_checks() {
    let mut world = World::open(|policy| policy.health_check = Some(health_check()));
    world.policy.mode = Mode::ForcedOpen;
    world.advance(3_600);
    assert_eq!(world.ask(), Admission::Diverted(DivertReason::ForcedOpen));
    assert_eq!(world.try_check(), None);
    assert_eq!(world.status().state, StateName::ForcedOpen);
    assert_eq!(world.breaker().clean(&world.policy), None);
    world.policy.mode = Mode::Enabled;
    assert!(world.try_check().is_some(), "it goes on where it was");
}

#[test]
fn for_metrics_only_everything_is_decided_and_every_call_passes() {
    let mut world = in_mode(Mode::MetricsOnly);
    for _ in 0..3 {
        fail(&mut world);
    }
    let [trip] = world.transitions[..] else { panic!("{:?}", world.transitions) };
    assert_eq!((trip.to, trip.reason), (StateName::Open, Reason::ConsecutiveFailures));
    assert_eq!(world.status().state, StateName::MetricsOnly);
    let Admission::Shadowed(DivertReason::Open, permit) = world.ask() else {
        panic!("it would be diverted");
    };
    let _ = world.settle(permit, Outcome::FAILURE);
    assert_eq!(
        (world.status().failures, world.transitions.len()),
        (3, 1),
        "it was no call of ours"
    );

    world.advance(30);
    assert!(matches!(world.ask(), Admission::Admitted(permit) if permit.is_trial()));
    assert!(matches!(world.ask(), Admission::Shadowed(DivertReason::HalfOpen, _)));
}

#[test]
fn an_operators_mode_replaces_the_configured_one_until_it_is_reset() {
    let mut world = in_mode(Mode::MetricsOnly);
    let forced = world.command(Command::ForceOpen).expect("a transition");
    assert_eq!((forced.from, forced.to), (StateName::MetricsOnly, StateName::ForcedOpen));
    assert_eq!(forced.reason, Reason::Operator);
    world.policy.mode = Mode::Enabled;
    assert_eq!(world.ask(), Admission::Diverted(DivertReason::ForcedOpen), "another configuration");
    let reset = world.command(Command::Reset).expect("a transition");
    assert_eq!((reset.from, reset.to), (StateName::ForcedOpen, StateName::Closed));
    assert!(matches!(world.ask(), Admission::Admitted(_)));
}

#[test]
fn a_command_without_effect_is_no_transition() {
    let mut world = World::new(|_| {});
    for command in [Command::Enable, Command::Close] {
        assert_eq!(world.command(command), None, "{command:?}");
    }
    let _ = world.command(Command::Disable);
    assert_eq!(world.command(Command::Disable), None);
}

#[test]
fn another_mode_begins_no_period_and_calls_under_way_count() {
    let mut world = World::new(|_| {});
    let calls = [world.call(), world.call(), world.call()];
    let before = world.status().generation;
    let _ = world.command(Command::ForceOpen);
    for call in calls {
        let _ = world.settle(call, Outcome::FAILURE);
    }
    assert_eq!(world.status().state, StateName::ForcedOpen);
    let enabled = world.command(Command::Enable).expect("a transition");
    assert_eq!((enabled.from, enabled.to), (StateName::ForcedOpen, StateName::Open));
    assert_eq!(world.status().generation.number(), before.number() + 1, "by the trip alone");
}

#[test]
fn closing_closes_from_every_state_and_mode_that_diverts() {
    let mut open = World::open(|_| {});
    let closed = open.command(Command::Close).expect("a transition");
    assert_eq!((closed.from, closed.to), (StateName::Open, StateName::Closed));
    assert!(matches!(open.ask(), Admission::Admitted(_)));

    let mut half_open = World::after_the_wait(|_| {});
    let trial = half_open.call();
    let _ = half_open.command(Command::Close);
    let _ = half_open.settle(trial, Outcome::FAILURE);
    assert_eq!(half_open.status().state, StateName::Closed, "a late result changes nothing");
    assert_eq!(half_open.status().failures, 0);

    let mut forced = World::open(|policy| policy.mode = Mode::Enabled);
    let _ = forced.command(Command::ForceOpen);
    let _ = forced.command(Command::Close);
    assert_eq!(forced.status().mode, Mode::Enabled);
    assert!(matches!(forced.ask(), Admission::Admitted(_)));

    let mut configured = in_mode(Mode::ForcedOpen);
    let _ = configured.command(Command::Close);
    assert!(matches!(configured.ask(), Admission::Admitted(_)));

    let mut watched = World::open(|policy| policy.mode = Mode::MetricsOnly);
    let _ = watched.command(Command::Close);
    assert_eq!(watched.status().mode, Mode::MetricsOnly, "its calls pass anyway");
}

#[test]
fn closing_by_hand_has_no_ramp() {
    let mut world = World::open(|policy| policy.half_open.ramp = crate::world::seconds_of(60));
    let _ = world.command(Command::Close);
    assert!(world.breaker().clean(&world.policy).is_some());
}

#[test]
fn a_reset_breaker_has_seen_nothing() {
    let mut world = World::new(|_| {});
    for _ in 0..2 {
        let permit = world.call();
        let _ = world.settle(permit, Outcome::FAILURE);
    }
    let under_way = world.call();
    let _ = world.command(Command::Reset);
    assert_eq!(world.status().failures, 0);
    let _ = world.settle(under_way, Outcome::FAILURE);
    assert_eq!(world.status().failures, 0, "an earlier period's");
}

proptest! {
    #[test]
    fn a_commanded_breaker_shows_its_mode_and_never_more(
        steps in prop::collection::vec((0..9_usize, any::<bool>(), 0..60_u64), 0..60),
    ) {
        let mut world = World::new(|_| {});
        for (step, fails, seconds) in steps {
            world.advance(seconds);
            if let Some(command) = Command::ALL.get(step) {
                let before = world.status();
                let transition = world.command(*command);
                let after = world.status();
                prop_assert_eq!(
                    transition.map(|it| (it.from, it.to, it.generation)),
                    ((before.state, before.generation) != (after.state, after.generation))
                        .then_some((before.state, after.state, after.generation))
                );
            } else if fails {
                fail(&mut world);
            } else {
                let _ = world.ask();
            }
            let status = world.status();
            let shown = matches!(status.state, StateName::Closed | StateName::Open | StateName::HalfOpen);
            prop_assert_eq!(shown, status.mode == Mode::Enabled);
            prop_assert_eq!(Breaker::decode(&world.record()), Ok(world.breaker()));
            let unwritten = world.breaker().admit_unwritten(&world.policy);
            match status.mode {
                Mode::Disabled => prop_assert_eq!(unwritten, Admission::Bypassed),
                Mode::ForcedOpen => {
                    prop_assert_eq!(unwritten, Admission::Diverted(DivertReason::ForcedOpen));
                }
                Mode::MetricsOnly => {
                    prop_assert!(matches!(unwritten, Admission::Admitted(_) | Admission::Shadowed(..)));
                }
                Mode::Enabled => {
                    prop_assert!(matches!(unwritten, Admission::Admitted(_) | Admission::Diverted(_)));
                }
            }
        }
    }
}
